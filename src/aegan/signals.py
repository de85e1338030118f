"""The signals by which a run is asked to stop. Imports no torch."""

from __future__ import annotations

import signal

# What terminals, schedulers and service managers send before they kill; Windows has the first two only
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


def stopping() -> tuple[signal.Signals, ...]:
    """Those that this platform has; SIGHUP only where it is not ignored: `nohup` asks to go on without a terminal."""
    known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
    return tuple(s for s in known if s.name != "SIGHUP" or signal.getsignal(s) != signal.SIG_IGN)
