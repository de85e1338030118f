"""Runs a benchmark: a comparison under the protocol, its rows beside the published ones, as a table, JSON and Markdown."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from aegan.benchmarks.protocol import PROTOCOLS, Protocol
from aegan.benchmarks.published import Row
from aegan.benchmarks.stacked import Counts, count_stacked
from aegan.comparison import Results, compare
from aegan.comparison.settings import CONTROL
from aegan.comparison.statistics import rounded
from aegan.config import read_preset
from aegan.errors import unknown
from aegan.files import write_json, write_text
from aegan.text import plain, sentence
from aegan.version import __version__


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's rows; prints as a table."""

    protocol: Protocol
    ours: tuple[Row, ...]
    perfect: str  # what a perfect sampler gets, in words
    remarks: tuple[str, ...]  # such as the classifier's accuracy
    command: str  # what repeats it
    machine: dict[str, Any]  # hardware and versions

    @property
    def rows(self) -> list[Row]:
        """Ours first, then those of the papers."""
        return [*self.ours, *self.protocol.rows]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": 1,
            "aegan": __version__,
            "command": self.command,
            "protocol": {k: v for k, v in dataclasses.asdict(self.protocol).items() if k != "rows"},
            "perfect": self.perfect,
            "remarks": list(self.remarks),
            "machine": self.machine,
            "rows": [dataclasses.asdict(r) for r in self.rows],
        }

    def markdown(self) -> str:
        """For the docs."""
        p = self.protocol
        lines = [f"| {' | '.join(self._heads)} |", "|" + "---|" * len(self._heads)]
        for r in self.rows:
            cells = [f"**{r.method}**" if r.source == "aegan" else r.method, *self._cells(r)[1:]]
            lines.append(f"| {' | '.join(cells)} |")
        notes = [f"{sentence(p.about)}; {p.samples:,} samples.", self.perfect, *self.remarks]
        for differences in dict.fromkeys(r.differences for r in self.ours):
            names = ", ".join(f"`{r.method}`" for r in self.ours if r.differences == differences)
            notes.append(f"{names} differ from PacGAN's protocol in: {'; '.join(differences)}.")
        return "\n".join([*lines, "", *(f"- {n}" for n in notes), "", f"    {self.command}", ""])

    @property
    def _heads(self) -> list[str]:
        quality = [] if self.protocol.name == "stacked" else ["high quality"]
        return ["method", "source", "steps", "trials", f"modes of {self.protocol.modes}", *quality, "reverse KL"]

    def _cells(self, row: Row) -> list[str]:
        a, b, c = row.errors
        failed = f" ({row.failed} failed)" if row.failed else ""
        cells = [
            row.method,
            row.source,
            "not said" if row.steps is None else f"{row.steps:,}",
            f"{row.trials}{failed}",
            _with_error(row.modes, a, "{:.1f}"),
        ]
        if "high quality" in self._heads:
            share = None if row.quality is None else 100 * row.quality
            cells.append(_with_error(share, None if b is None else 100 * b, "{:.1f}", " %"))
        return [*cells, _with_error(row.kl, c, "{:.3f}" if row.source == "aegan" else "{:.2f}")]

    def __rich__(self) -> Table:
        p = self.protocol
        notes = [f"{p.about}; {p.samples:,} samples.", self.perfect, *self.remarks]
        notes += [f"Ours differ: {'; '.join(d)}." for d in dict.fromkeys(r.differences for r in self.ours)]
        table = Table(title=p.name, caption="\n".join(notes), title_justify="left", caption_justify="left")
        for head in self._heads:
            table.add_column(head, justify="left" if head in ("method", "source") else "right")
        for row in self.rows:
            table.add_row(*self._cells(row), style="bold" if row.source == "aegan" else None)
        return table

    def __str__(self) -> str:
        return plain(self, 118)


def benchmark(
    name: str,
    strategies: Sequence[str] = ("latent", "gan"),
    *,
    out: str | Path,
    seeds: int = 5,
    steps: int | None = None,
    published: bool = True,
    jobs: int | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Benchmark:
    """Runs a published protocol and writes results.json and table.md.

    Args:
        name: ring, grid or stacked.
        strategies: names.
        out: DIR; the same call goes on where it was stopped.
        seeds, steps: trials of each strategy, and steps of each.
        published: of the toys, also the control with the paper's own networks, optimiser and batch.
        jobs, device, progress: as `compare` takes them.

    Raises:
        UserError: see `compare`.
    """
    if name not in PROTOCOLS:
        raise unknown("benchmark", name, PROTOCOLS)
    p, folder = PROTOCOLS[name], Path(out)
    steps = steps if steps is not None else p.steps
    how: dict[str, Any] = {
        "seeds": seeds, "steps": steps, "extractor": "pixels", "jobs": jobs, "device": device, "progress": progress,
    }  # fmt: skip
    found = compare(p.data, strategies, out=folder / "ours", **how)
    remarks: list[str] = []
    if p.name == "stacked":
        of, judge, real = count_stacked(found, samples=p.samples, device=device)
        rows = [_row(p, n, _stacked_values(found, of, n), found, steps, p.differences) for n in strategies]
        perfect = (
            f"A perfect sampler gets {real.perfect_covered:.1f} modes and {real.perfect_reverse_kl:.4f} nats from as many "
            f"samples; the training images themselves get {real.reverse_kl:.4f} by this classifier."
        )
        remarks.append(
            f"The classifier is right on {judge.accuracy:.1%} of {judge.tested:,} held-out digits, so on "
            f"{judge.accuracy**3:.1%} of triples."
        )
    else:
        rows = [_row(p, n, _toy_values(found, n, p.modes), found, steps, p.differences) for n in strategies]
        perfect = f"A perfect sampler gets 98.9 % high quality and {(p.modes - 1) / (2 * p.samples):.4f} nats."
        if published and p.published:
            rows.append(_published_row(p, folder, steps, how))
    command = f"aegan benchmark {name} --strategies {','.join(strategies)} --seeds {seeds} --steps {steps}"
    command += "" if published or not p.published else " --no-published"
    done = Benchmark(p, tuple(rows), perfect, tuple(remarks), command, found.machine)
    write_json(folder / "results.json", done.as_dict(), ensure_ascii=False)
    write_text(folder / "table.md", done.markdown())
    return done


def _published_row(p: Protocol, folder: Path, steps: int, how: dict[str, Any]) -> Row:
    """The control with the paper's own networks, optimiser and batch."""
    preset = read_preset(CONTROL, p.published)
    theirs = compare(
        p.data,
        [CONTROL],
        out=folder / "published",
        batch_size=preset.pop("batch_size"),
        options={CONTROL: preset},
        **how,
    )
    differs = (*(d for d in p.differences if "standardised" in d), "D steps before G, not both at once")
    row = _row(p, CONTROL, _toy_values(theirs, CONTROL, p.modes), theirs, steps, differs)
    return dataclasses.replace(row, method=f"{CONTROL}, PacGAN's networks")


Values = list[tuple[float, float | None, float]]  # modes, share of high quality, reverse KL


def _toy_values(found: Results, name: str, of: int) -> Values:
    """A trial that made no samples has no modes, no quality, and the divergence of one mode alone."""
    out: Values = []
    for t in found.of(name):
        modes, quality, kl = (t.value(k) for k in ("modes", "quality", "reverse_kl"))
        out.append((modes or 0.0, quality or 0.0, math.log(of) if kl is None else kl))
    return out


def _stacked_values(found: Results, counts: Counts, name: str) -> Values:
    """Likewise."""
    seen = [counts.get((name, t.seed), (0, math.log(1000))) for t in found.of(name)]
    return [(float(modes), None, kl) for modes, kl in seen]


def _row(p: Protocol, name: str, values: Values, found: Results, steps: int, differences: tuple[str, ...]) -> Row:
    """Means with standard errors, over all trials."""
    count = len(values)
    columns = [[v[i] for v in values] for i in range(3)]
    means = [None if None in c else float(np.mean(np.array(c, float))) for c in columns]
    errors = [
        None if m is None or count < 2 else float(np.std(np.array(c, float), ddof=1) / math.sqrt(count))
        for c, m in zip(columns, means, strict=True)
    ]
    batch = found.settings.batch_size
    first = [f"{steps:,} steps instead of {p.published_steps:,}"]
    first += [f"batches of {batch} instead of {p.published_batch}"] if batch != p.published_batch else []
    first += [f"{count} trials instead of 10"] if count != 10 else []
    return Row(
        name, "aegan", steps, count, means[0] or 0.0, rounded(means[1]), rounded(means[2]),
        (rounded(errors[0]), rounded(errors[1]), rounded(errors[2])), (*first, *differences),
        sum(bool(t.failed) for t in found.of(name)),
    )  # fmt: skip


def _with_error(value: float | None, error: float | None, form: str, unit: str = "") -> str:
    if value is None:
        return "–"
    return form.format(value) + ("" if error is None else f" ± {form.format(error)}") + unit
