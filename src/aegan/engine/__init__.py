"""The one training loop and what it stands on."""

from aegan.engine.loop import Engine
from aegan.engine.stage_state import Outcome

__all__ = ["Engine", "Outcome"]
