"""The signals by which a run is asked to stop behind its step, with a checkpoint. Imports no torch."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# What terminals, schedulers and service managers send before they kill; Windows has the first two only
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within the context `handler` gets the signals; SIGHUP only where it is not ignored, as `nohup` has it."""
    known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
    kept = {}
    with suppress(ValueError):  # not in the main thread, where Python allows no handlers
        for signum in known:
            if signum.name != "SIGHUP" or signal.getsignal(signum) != signal.SIG_IGN:
                kept[signum] = signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, before in kept.items():
            # None: a handler that the program around has set in C, which cannot be set again from here
            signal.signal(signum, signal.SIG_DFL if before is None else before)


class Interrupted(Exception):
    """The run in `folder` was stopped by a signal, after writing a checkpoint at this step."""

    def __init__(self, signum: int, step: int, folder: Path) -> None:
        super().__init__(f"stopped at step {step}")
        self.signum, self.step, self.folder = signum, step, folder


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

        with handling(ask):
            yield
