"""What the processor's cores do beside this process; cheap enough to ask several times a second."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from aegan.engine.threads import Load

STAT = Path("/proc/stat")
LEAST = 0.05  # seconds between two looks; the counters tick every 10 ms


class Cores:
    """Idle time and other programs' work on the cores that this process may use, where Linux reports them.

    Args:
        stat: the file of the kernel's counters.
    """

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._before = self._counters()

    def since(self) -> Load | None:
        """What was done since the last call; None: it is not known, or the calls are too near to each other."""
        now, before = self._counters(), self._before
        if now is None or before is None:
            self._before = now
            return None
        wall, own = now[0] - before[0], now[1] - before[1]
        if wall < LEAST:
            return None
        self._before = now
        idle, work = (now[2] - before[2]) / wall, (now[3] - before[3]) / wall
        if idle + work <= 0:  # counters that stand still, as some containers have them
            return None
        return Load(max(0.0, idle), max(0.0, work - own / wall))

    def _counters(self) -> tuple[float, float, float, float] | None:
        """Seconds: on the clock, of this process's threads, idle, at work; the last two of all cores that may be used."""
        if not hasattr(os, "sched_getaffinity"):
            return None
        mine = {f"cpu{i}" for i in os.sched_getaffinity(0)}
        idle = work = 0
        with contextlib.suppress(OSError, ValueError, IndexError):
            tick = os.sysconf("SC_CLK_TCK")
            for line in self._stat.read_text(encoding="ascii").splitlines():
                name, *counts = line.split()
                if name in mine:
                    # user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in user too
                    ticks = [int(n) for n in counts[:8]]
                    idle += ticks[3] + ticks[4]
                    work += sum(ticks) - ticks[3] - ticks[4]
            return time.monotonic(), time.process_time(), idle / tick, work / tick
        return None
