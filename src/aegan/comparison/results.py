"""What a comparison found: every trial, a summary of each strategy, a table, DIR/results.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from aegan.comparison.claims import Claim, claims
from aegan.comparison.settings import Settings
from aegan.comparison.statistics import rounded
from aegan.comparison.summary import Quality, Summary, summarise
from aegan.comparison.trials import Trial
from aegan.files import write_json
from aegan.text import plain
from aegan.version import __version__

FORMAT = 1


@dataclass(frozen=True)
class Results:
    """A comparison's results; prints as a table."""

    settings: Settings
    trials: tuple[Trial, ...]  # failures too
    data: dict[str, Any]  # name, shape, counts
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each strategy, as its trials had them
    machine: dict[str, Any] = field(default_factory=dict)  # hardware and versions
    folder: Path = Path()  # DIR, which the trials' folders are relative to

    @property
    def quality(self) -> Quality:
        """The figure that decides."""
        return Quality.of(self.trials)

    @property
    def summaries(self) -> list[Summary]:
        """Each strategy, the best first."""
        found = [summarise(n, self.of(n), self.quality) for n in self.settings.strategies]
        return sorted(found, key=lambda s: self.quality.cost(s.quality))

    def of(self, strategy: str) -> list[Trial]:
        """The trials of one strategy, by seed."""
        return sorted((t for t in self.trials if t.strategy == strategy), key=lambda t: t.seed)

    @property
    def claims(self) -> list[Claim]:
        return claims(self.trials, self.quality)

    @property
    def complete(self) -> bool:
        """Whether every trial has ended."""
        return len(self.trials) == len(self.settings.strategies) * self.settings.seeds

    def as_dict(self) -> dict[str, Any]:
        """Plain values: no NaN or infinity."""
        return {
            "format": FORMAT,
            "aegan": __version__,
            "complete": self.complete,
            "settings": self.settings.as_dict(),
            "data": self.data,
            "machine": self.machine,
            "quality": dataclasses.asdict(self.quality),
            "claims": [c.as_dict() for c in self.claims],
            "strategies": {s.name: {**s.as_dict(), "options": self.options.get(s.name, {})} for s in self.summaries},
            "trials": [
                {**dataclasses.asdict(t), "quality": rounded(self.quality.value(t)), "collapsed": t.collapsed}
                for t in self.trials
            ],
        }

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        write_json(path, self.as_dict(), ensure_ascii=False)

    def __rich__(self) -> Table:
        q, s = self.quality, self.settings
        table = Table(
            title=f"{self.data.get('name', s.data)}: {s.budget} a trial, {s.seeds} seeds; median [least to most]",
            caption="\n".join(c.text for c in self.claims),
            title_justify="left",
            caption_justify="left",
        )
        table.add_column("strategy")
        for head in (q.title, "recall", "precision", "failed", "seconds", "ops/example", "memory", "weights"):
            table.add_column(head, justify="right")
        for m in self.summaries:
            table.add_row(*m.cells(q))
        return table

    def __str__(self) -> str:
        return plain(self, 118)
