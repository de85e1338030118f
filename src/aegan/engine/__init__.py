"""The one training loop and what it stands on."""

from aegan.engine.loop import Engine, Outcome

__all__ = ["Engine", "Outcome"]
