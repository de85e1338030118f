"""Stopping on request: SIGTERM and Ctrl-C end a run behind its step, with a checkpoint."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The run was stopped by a signal, after writing a checkpoint.

    Args:
        signum: the signal's number.
        step: of the checkpoint.
    """

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.signum, self.step = signum, step


class Stop:
    """Whether a signal has come."""

    signum: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGTERM and the first Ctrl-C ask the loop to stop after its step; a second Ctrl-C stops at once."""

        def ask(signum: int, frame: FrameType | None) -> None:
            if self.signum is not None:
                raise KeyboardInterrupt
            self.signum = signum

        kept = {}
        try:
            for signum in (signal.SIGINT, signal.SIGTERM):
                kept[signum] = signal.signal(signum, ask)
        except ValueError:  # not in the main thread, where Python allows no handlers
            pass
        try:
            yield
        finally:
            for signum, handler in kept.items():
                signal.signal(signum, handler)
