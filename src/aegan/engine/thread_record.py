"""The threads that a run computes with: set for it, recorded step by step, repeated where a run is resumed or repeated.

Weights depend on the number of threads in their last bits, since sums are taken in other pieces. So each change is written
to the log, to the checkpoints and, beside the plans, to config.yaml, and is made again at the same step: up to where a
killed run had come, or to the end of a run that is repeated. Behind that the run is free again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from aegan import events
from aegan.config import RunConfig
from aegan.cores import AUTO, usable
from aegan.engine.threads import Controller, Cores, Turn


class ThreadChange(NamedTuple):
    """From step `taken` on, counted with those that were taken back, so many threads; `trial`: to time them."""

    taken: int
    threads: int
    trial: bool = False

    def __str__(self) -> str:
        return f"{self.threads} from {self.taken}{' (trial)' if self.trial else ''}"

    @classmethod
    def of(cls, text: str) -> ThreadChange:
        """The inverse of `str`.

        >>> ThreadChange.of("1 from 300"), ThreadChange.of("2 from 12 (trial)")
        (ThreadChange(taken=300, threads=1, trial=False), ThreadChange(taken=12, threads=2, trial=True))
        """
        found = re.fullmatch(r"(\d+) from (\d+)( \(trial\))?", text)
        if not found:
            raise ValueError(f"{text!r} is no change of threads")
        return cls(int(found[2]), int(found[1]), bool(found[3]))


@dataclass
class Record:
    """The changes of a run in order, the first of which is the count at the start."""

    changes: list[ThreadChange] = field(default_factory=list)
    until: int = 0  # steps taken that they cover

    def to_plain(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {"changes": [str(c) for c in self.changes], "until": self.until}

    @classmethod
    def from_plain(cls, plain: dict[str, Any] | None) -> Record:
        """The inverse; what is missing is an empty record."""
        found = plain or {}
        return cls([ThreadChange.of(text) for text in found.get("changes", [])], int(found.get("until", 0)))


def adapts(config: RunConfig, device: torch.device, *, several: bool, planned: bool) -> bool:
    """Whether a run's number of threads follows what other programs do: not where steps are to repeat exactly.

    Args:
        several: of several processes each step waits for the slowest, whatever the others do.
        planned: it repeats the steps of a run whose threads are not known.
    """
    # a GPU does not wait for the processor's threads
    if device.type != "cpu" or several or config.threads not in (None, AUTO):
        return False
    return config.threads == AUTO or (config.steps is None and not planned)


class Threads:
    """Sets the number of threads of one run, and gives back the one that was set before.

    Args:
        fixed: as many and no others.
        adapts: as many as are fastest while other programs come and go; only where nothing is fixed.
        record: of the run that is repeated; None: there is none, or another count is wanted.
    """

    def __init__(self, fixed: int | None = None, *, adapts: bool = False, record: Record | None = None) -> None:
        self.before = torch.get_num_threads()
        self.fixed, self.adapts = fixed, adapts and fixed is None
        self.made: list[ThreadChange] = []
        self._repeated = record if record and fixed is None else Record()
        self._ahead: list[ThreadChange] = []
        self._logged: set[ThreadChange] = set()
        self._now, self._period = self.before, 1
        self._turn: Turn | None = None
        self._mark = 0.0
        self._cores = Cores()
        self._control: Controller | None = None  # None: what is recorded is still being repeated

    # --- where a run starts, goes on and ends ---------------------------------------------------------------------

    def resume(self, plain: dict[str, Any] | None, log: Sequence[dict[str, Any]], taken: int, step: int) -> None:
        """Takes the record of a checkpoint at these steps, and from the log what came behind it."""
        self.made = Record.from_plain(plain).changes
        if self.fixed is None and self._repeated.until <= taken:
            steps = (line["step"] for line in reversed(log) if isinstance(line.get("step"), int))
            changes = [change for line in log if (change := _logged_change(line)) is not None]
            self._repeated = Record(changes, taken + max(0, next(steps, step) - step))
            self._logged = {c for c in self._repeated.changes if c.taken >= taken}
            self._repeated.until = max([self._repeated.until, *(c.taken + 1 for c in self._logged)])

    def lines_ahead(self, log: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The log's lines of changes that will be made again; they must outlive the lines of steps taken again."""
        return [line for line in log if _logged_change(line) in self._logged]

    def start(self, taken: int) -> Turn | None:
        """Sets the count of the first step; the change, where a run that resumes was given another."""
        self._ahead = [c for c in self._repeated.changes if c.taken >= taken]
        known = self.made or [c for c in self._repeated.changes if c.taken <= taken]
        count = self.fixed or (known[-1].threads if known else self.before)
        if known and self.adapts and taken >= self._repeated.until:
            count = self._settled()
        self._set(count)
        origin = self.made[-1].threads if self.made else None
        if origin == count:
            return None
        self.made.append(ThreadChange(taken, count))
        return None if origin is None else Turn(origin, count, trial=False)

    @property
    def missing(self) -> int:
        """Threads of the record that this machine has no cores for."""
        return max(0, max(c.threads for c in [*self.made[-1:], *self._ahead]) - max(usable(), self.before))

    def _set(self, count: int) -> None:
        self._now = min(count, max(usable(), self.before))
        if torch.get_num_threads() != self._now:
            torch.set_num_threads(self._now)

    def restore(self) -> None:
        self._set(self.before)

    def record(self, taken: int) -> Record:
        return Record(list(self.made), taken)

    # --- around each step -----------------------------------------------------------------------------------------

    def begin(self, period: int) -> None:
        """A stage begins whose work repeats every `period` steps."""
        self._period = period
        if self._control is not None:
            self._control = Controller(self.before, self._cores.since, self._now, period)

    def end(self, taken: int) -> Turn | None:
        """A stage ends, be it within a trial; as `before_step`."""
        if self._control is not None:
            back = self._settled()
            self._turn = Turn(self._now, back, trial=True) if back != self._now else None
        return self._change(taken)

    def before_step(self, taken: int) -> Turn | None:
        """Changes the count if it is time to; the change, if it is to be written to the log."""
        if self.adapts and self._control is None and not self._repeats(taken):
            count = min(self._settled(), self.before)  # since then fewer may have been allowed
            if count != self._now:
                self._turn = Turn(self._now, count, trial=False)
            self._control = Controller(self.before, self._cores.since, count, self._period)
        turn = self._change(taken)
        self._mark = time.monotonic()
        return turn

    def after_step(self) -> None:
        if self._control is not None:
            self._turn = self._control.took(time.monotonic() - self._mark)

    def _repeats(self, taken: int) -> bool:
        return taken < self._repeated.until or bool(self._ahead)

    def _settled(self) -> int:
        """The count that was kept last."""
        return next(c.threads for c in reversed(self.made) if not c.trial or c is self.made[0])

    def _change(self, taken: int) -> Turn | None:
        turn, self._turn = self._turn, None
        if not self._repeats(taken):
            if turn is not None:
                self._set(turn.to)
                self.made.append(ThreadChange(taken, turn.to, turn.trial))
            return turn
        while self._ahead and self._ahead[0].taken <= taken:
            change = self._ahead.pop(0)
            if change not in self.made:
                if change not in self._logged:
                    turn = Turn(self._now, change.threads, change.trial)
                self._set(change.threads)
                self.made.append(change)
        return turn


def _logged_change(line: dict[str, Any]) -> ThreadChange | None:
    match events.parse(line):
        case events.Threads(taken=int(taken), to=int(count), trial=trial):
            return ThreadChange(taken, count, trial)
    return None
