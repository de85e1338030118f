"""How many threads compute, while other programs come and go.

The threads of an operation wait for each other, so one of two that shares its core with another program halves the speed of
both: on two cores with one of them taken, two threads reach 0.3 of the quiet speed and one thread 0.5. `Controller` times
the steps, and where there is a reason times some of them with other counts and keeps the fastest. Reasons to try fewer:
a stage has begun, the speed has fallen, or other programs use the cores. To try more: cores lie idle. A trial that finds
nothing costs time, so the next one waits, the longer the more were in vain: about 2 % of the time at most.

The controller has no clock and starts no thread: it is given what each step took, and says what to do. `Cores` reads what
the processor's cores do beside this process; that is cheap enough several times a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

WINDOW = 0.5  # seconds of steps that make one timing; at least `LEAST` steps, unless one takes longer than `LONG`
LEAST = 2
LONG = 1.0  # seconds
SETTLE = 1  # short steps behind a change that are not timed: threads and kernels' plans are made anew
WARM = 3  # the same where a stage begins, unless they are long
GAIN = 1.05  # another count must be faster by this factor
GLIMPSE = 0.2  # seconds of a shorter timing: where a trial is hopeless, and to confirm a fall
HOPELESS = 0.75  # of the speed before: a trial as slow as this is ended early
FALL = 0.8  # of the usual speed: the machine may have become busy
ROOM = 0.4  # idle cores for each further thread
BUSY = 0.25  # cores that other programs use
REST, MOST_REST = 4.0, 30.0  # seconds between trials: the first, doubled by each one in vain, at most
COST = 0.02  # share of the time that trials may cost
SLOW = 300.0  # seconds after which more threads are tried even where no core lies idle
LOOK = 0.05  # seconds between two looks at what the cores do, whose counters tick every 10 ms
BLIND = 60.0  # seconds that a dear trial may delay the next, where the system does not report what the cores do


def ladder(most: int) -> list[int]:
    """The counts that are tried, falling: all, one less (a core for another program), then halves.

    >>> ladder(2), ladder(4), ladder(16)
    ([2, 1], [4, 3, 2, 1], [16, 15, 8, 4, 2, 1])
    """
    rungs = {most, max(1, most - 1), 1}
    while most > 1:
        most //= 2
        rungs.add(most)
    return sorted(rungs, reverse=True)


@dataclass(frozen=True)
class Load:
    """What the cores did that this process may use, since the last look, in cores."""

    idle: float
    others: float  # work for other programs


class Cores:
    """Idle time and other programs' work on the cores that this process may use, where Linux reports them."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._counters()

    def since(self) -> Load | None:
        """What was done since the last call; None: it is not known, or the calls are too near to each other."""
        now, before = self._counters(), self._before
        if now is None or before is None:
            self._before = now
            return None
        wall, own = now[0] - before[0], now[1] - before[1]
        if wall < LOOK:
            return None
        self._before = now
        idle, work = (now[2] - before[2]) / wall, (now[3] - before[3]) / wall
        if idle + work <= 0:  # counters that stand still, as some containers have them
            return None
        return Load(max(0.0, idle), max(0.0, work - own / wall))

    def _counters(self) -> tuple[float, float, float, float] | None:
        """Seconds: on the clock, of this process's threads, idle, at work; the last two of all cores that may be used."""
        idle = work = 0
        with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):  # not Linux, or not as it usually is
            mine = {f"cpu{i}" for i in os.sched_getaffinity(0)}
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


@dataclass(frozen=True)
class Turn:
    """From the next step on, `to` threads."""

    origin: int  # threads before; where a trial ends well, those before the trial
    to: int
    trial: bool  # they are only tried, or a trial was in vain; else they are kept
    speeds: dict[int, float] = field(default_factory=dict)  # steps a second by count, as far as they are known


@dataclass
class _Trial:
    origin: int
    queue: list[int]
    speeds: dict[int, float]
    lost: float = 0.0  # seconds that the origin would have saved


class Controller:
    """Decides on the number of threads from what steps take: at most `most`, `count` at first.

    `load` says what the cores did since it was last asked; None: unknown. The work repeats after `period` steps, and timings
    take whole ones.
    """

    def __init__(
        self, most: int, load: Callable[[], Load | None] = lambda: None, count: int | None = None, period: int = 1
    ) -> None:
        self.count = count or most
        self.rungs = sorted({*ladder(most), self.count}, reverse=True)
        self.most = max(most, self.count)
        self._load = load
        self._period = period
        self._now = self._last_step = 0.0  # seconds of steps
        self._skip, self._steps, self._spent = WARM, 0, 0.0
        self._usual: deque[float] = deque(maxlen=8)
        self._trial: _Trial | None = None
        self._first, self._in_vain, self._upwards, self._doubtful = True, 0, True, False
        self._last = self._alert_from = self._changed_from = self._rest_until = self._now
        self._load_then = Load(0.0, 0.0)
        self._seen: Load | None = None
        self._load()

    def took(self, seconds: float) -> Turn | None:
        """A step is done; what to do before the next."""
        if self.most == 1:
            return None
        self._now += seconds
        trial, self._last_step = self._trial, seconds
        if trial:
            trial.lost += seconds - 1 / trial.speeds[trial.origin]
        if self._skip:
            self._skip = 0 if seconds > LONG else self._skip - 1
            return None
        self._steps += 1
        self._spent += seconds
        if self._steps % self._period:
            return None
        speed = self._steps / max(self._spent, 1e-9)
        hopeless = trial is not None and speed < HOPELESS * trial.speeds[trial.origin]
        if self._spent < (GLIMPSE if hopeless or self._doubtful else WINDOW):
            return None
        if self._steps < LEAST and not (hopeless or self._doubtful or self._spent > LONG):
            return None
        self._steps, self._spent = 0, 0.0
        return self._tried(trial, speed) if trial else self._timed(speed)

    def _timed(self, speed: float) -> Turn | None:
        """One more timing of the count in force: is there a reason to try another?"""
        load, seen = self._load(), self._seen
        self._seen = load
        fallen = bool(self._usual) and speed < FALL * median(self._usual)
        moved = load is not None and seen is not None and abs(load.others - seen.others) > ROOM
        # what came within this timing is not wholly in it, and a trial must be faster than what is behind it
        self._doubtful = (fallen or moved) and not self._doubtful
        if self._doubtful:
            return None
        at = self.rungs.index(self.count)
        fewer, more = self.rungs[at + 1 : at + 3], self.rungs[max(0, at - 1) : at]
        alone = load is not None and load.others < BUSY / 2
        if fallen and fewer and not alone:
            return self._try(fewer, speed, load) if self._now >= self._alert_from else None
        self._usual.append(speed)
        if self._first:
            return self._try(fewer or more, speed, load)
        # what a trial found under another load says little
        changed = load is not None and abs(load.others - self._load_then.others) > ROOM
        if self._now < (self._changed_from if changed else self._rest_until):
            return None
        if load is None:  # in turns
            self._upwards = not self._upwards
            return self._try((more or fewer) if self._upwards else (fewer or more), speed, load)
        if more and (load.idle >= ROOM * (more[0] - self.count) or self._now - self._last >= SLOW):
            return self._try(more, speed, load)
        if fewer and load.others > BUSY:
            return self._try(fewer, speed, load)
        return None

    def _try(self, counts: list[int], speed: float, load: Load | None) -> Turn | None:
        self._first = False
        self._load_then = load or self._load_then
        self._trial = _Trial(self.count, counts[1:], {self.count: speed})
        return self._turn(self.count, counts[0], trial=True)

    def _tried(self, trial: _Trial, speed: float) -> Turn:
        """A count was timed: another one, keep the best, or go back."""
        trial.speeds[self.count] = speed
        before = trial.speeds[trial.origin]
        if speed < GAIN * before and trial.queue:
            return self._turn(self.count, trial.queue.pop(0), trial=True)
        best = max(trial.speeds, key=lambda count: trial.speeds[count])
        self._trial, self._doubtful, self._last = None, False, self._now
        self._usual.clear()
        self._load()
        if trial.speeds[best] >= GAIN * before:
            self._in_vain = 0
            self._alert_from = self._changed_from = self._rest_until = self._now + WINDOW
            return self._turn(trial.origin, best, trial=False, speeds=trial.speeds)
        self._alert_from = self._now + max(REST, 4 * trial.lost)
        self._changed_from = self._now + max(REST, 10 * trial.lost)
        paid = min(trial.lost / COST, BLIND if self._seen is None else SLOW)
        self._rest_until = self._now + max(paid, min(MOST_REST, REST * 2**self._in_vain))
        self._in_vain = min(self._in_vain + 1, 8)
        self._usual.append(before)
        return self._turn(self.count, trial.origin, trial=True, speeds=trial.speeds)

    def _turn(self, origin: int, to: int, *, trial: bool, speeds: dict[int, float] | None = None) -> Turn:
        self._skip = SETTLE if to != self.count and self._last_step < GLIMPSE else 0
        self.count = to
        return Turn(origin, to, trial, dict(speeds or {}))
