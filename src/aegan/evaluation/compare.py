"""Two or more results side by side, if and only if they were made under the same conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from aegan.errors import UserError
from aegan.figures import Evaluation, Figure, real_items
from aegan.text import plain, show


@dataclass(frozen=True)
class Comparison:
    """Results that may be compared; prints as a table."""

    names: tuple[str, ...]
    results: tuple[Evaluation, ...]  # one of each name, made under the same conditions

    @property
    def figures(self) -> list[tuple[Figure | None, ...]]:
        """Rows of figures of one name, in the order of the first result; None where a result lacks it."""
        names = dict.fromkeys(f.name for result in self.results for f in result.figures)
        held = [{f.name: f for f in result.figures} for result in self.results]
        return [tuple(h.get(name) for h in held) for name in names]

    def __rich__(self) -> Table:
        first = self.results[0]
        c = first.counts
        table = Table(
            title=f"{c['samples']:,} samples against {c['reference']:,} {real_items(first.data)} of "
            f"{first.data.get('name')}",
            caption="intervals that do not overlap tell two results apart; those that do may or may not",
            title_justify="left",
            caption_justify="left",
        )
        table.add_column("figure")
        for name in self.names:
            table.add_column(name, justify="right", overflow="fold")
        table.add_column("baseline", justify="right")
        table.add_column("better")
        for row in self.figures:
            known = next(f for f in row if f is not None)
            shown = ["–" if f is None else f.text for f in row]
            baseline = "" if known.baseline is None else show(known.baseline, known.unit)
            table.add_row(known.title, *shown, baseline, known.better)
        return table

    def __str__(self) -> str:
        return plain(self, 60 + 24 * len(self.names))


def compare(results: dict[str, Evaluation]) -> Comparison:
    """Puts results side by side.

    Args:
        results: by name, at least two.

    Raises:
        UserError: they differ in data, reference, counts or extractor; says in what.
    """
    if len(results) < 2:
        raise UserError("A comparison needs at least two results.", "Example: aegan report a.json b.json")
    (first, a), *others = results.items()
    for name, b in others:
        mine, theirs = conditions(a), conditions(b)
        differ = [
            f"{what} ({_shown(what, a, mine)} and {_shown(what, b, theirs)})"
            for what in mine
            if mine[what] != theirs[what]
        ]
        if differ:
            raise UserError(
                f"{first} and {name} cannot be compared: they differ in {', '.join(differ)}.",
                "Evaluate both with the same --against (for a run's own data: --against RUN), --size, --count, "
                "--reference and --extractor.",
            )
    return Comparison(tuple(results), tuple(results.values()))


def conditions(result: Evaluation) -> dict[str, Any]:
    """All that must be equal before figures can be compared."""
    x, c, d = result.extractor, result.counts, result.data
    return {
        "data": str(d.get("fingerprint") or d.get("name"))[:8],  # the content: people name the same folder differently
        "shape": "×".join(map(str, d.get("shape", []))),
        "number of samples": c.get("samples"),
        "number of reference items": c.get("reference"),
        "reference": str(d.get("reference"))[:8],
        "number of held-out items": c.get("baseline"),
        "extractor": x.get("name"),
        "weights of the extractor": str(x.get("sha256", ""))[:8],
        "resizing": x.get("resizing"),
        "background of transparent images": x.get("alpha"),
    }


def _shown(what: str, result: Evaluation, values: dict[str, Any]) -> str:
    """A condition for people, who know data by name."""
    value = str(values[what] or "none")
    return f"{result.data.get('name')} {value}" if what == "data" else value
