"""One file per method. Start with `_base.py`, the contract they share."""

from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy, View
from aegan.strategies._registry import register, strategies, strategy

__all__ = [
    "Clock", "Fit", "Loss", "Networks", "Phase", "Stage", "Strategy", "View", "register", "strategies", "strategy",
]  # fmt: skip
