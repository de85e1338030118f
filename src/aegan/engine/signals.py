"""Stopping on request: Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 end a run behind its step, with a checkpoint."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aegan.signals import stopping


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
        """A signal asks the loop to stop after its step; a Ctrl-C behind another one stops at once.

        Only that: schedulers send SIGUSR1 and, a little later, SIGTERM, and the checkpoint may be under way.
        """

        def ask(signum: int, frame: FrameType | None) -> None:
            if self.signum is None:
                self.signum = signum
            elif signum == signal.SIGINT:
                raise KeyboardInterrupt

        kept = {}
        try:
            for signum in stopping():
                kept[signum] = signal.signal(signum, ask)
        except ValueError:  # not in the main thread, where Python allows no handlers
            pass
        try:
            yield
        finally:
            for signum, handler in kept.items():
                signal.signal(signum, handler)
