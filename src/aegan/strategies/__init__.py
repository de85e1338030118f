"""One file per method, written in the words that this package gives. Start with `_base.py`, the contract they share."""

from aegan.config import option, unused
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy, View, typed
from aegan.strategies._registry import register, strategies, strategy

__all__ = [
    "Batch", "Clock", "DataSpec", "Fit", "Loss", "Networks", "Phase", "Stage", "Strategy", "View", "option", "register",
    "strategies", "strategy", "typed", "unused",
]  # fmt: skip
