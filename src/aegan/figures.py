"""What an evaluation found: figures, each with its baseline, its counts and its meaning; as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from aegan import cells
from aegan.errors import UserError
from aegan.files import write_json
from aegan.hints import AnyPath
from aegan.jsonl import number
from aegan.names import printable
from aegan.text import measured, plain, show

FORMAT = 3  # 3 says "baseline" for what 2 calls "floor"


@dataclass(frozen=True)
class Figure:
    """One number and what is needed to read it."""

    name: str  # short, unique: fd, fd_reconstructions, psnr, ...
    title: str  # for people
    value: float | None
    baseline: float | None = None  # what a perfect model would get under the same counts, where there is such a number
    better: Literal["lower", "higher", "near"] = "lower"  # which way is good; near to the baseline
    unit: str = ""  # "", "dB", "%" (then value and baseline are shares in [0, 1]), ...
    count: int = 0  # items measured
    against: int = 0  # and against how many
    meaning: str = ""  # one sentence
    why: str = ""  # the reason where there is no value
    low: float | None = None  # of the 95 % interval, where one is known
    high: float | None = None
    standard_error: float | None = None  # of the value

    @property
    def text(self) -> str:
        """The value with its interval, as people read it."""
        return "none" if self.value is None else measured(self.value, self.low, self.high, self.unit)

    @classmethod
    def from_dict(cls, name: str, content: dict[str, Any]) -> Figure:
        """The inverse of `dataclasses.asdict` less the name; what should be a number and is none counts as missing."""
        content = {"baseline" if k == "floor" else k: v for k, v in content.items()}  # of format 2
        numbers = {k: number(content.get(k)) for k in ("value", "baseline", "low", "high", "standard_error")}
        counts = {k: int(content.get(k) or 0) for k in ("count", "against")}
        return cls(name, **{**{k: str(v) for k, v in content.items()}, **numbers, **counts})  # type: ignore[arg-type]

    @property
    def measured_on(self) -> str:
        """How many items on either side."""
        if not self.count:
            return "–"
        return f"{self.count:,}" + (f" : {self.against:,}" if self.against not in (0, self.count) else "")

    @property
    def cells(self) -> tuple[str, str, str]:
        """Title, value and baseline for a table; the reason where there is no value."""
        shown = f"none: {self.why}" if self.value is None else self.text
        return self.title, shown, "" if self.baseline is None else show(self.baseline, self.unit)


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model, or of images of any origin, and the conditions under which they were measured.

    Attributes:
        figures: in the order in which they are shown.
        subject: what was evaluated: name, kind (run, model or images), and of a run which checkpoint (last or best).
        data: what it was compared with: name, source, fingerprint, shape, number of training and of held-out items,
            which of them served as what, and the hash of the reference's content.
        counts: samples, reference (real items compared with), baseline (real items that stand in for
            perfect samples), held_out (those of the baseline that were never trained on).
        extractor: name, sha256 of the weights, resizing; empty for raw vectors. Where the model's critics have seen images
            through networks of the same family, "seen" names them: the figures lean towards the model.
        seed: of the samples.
        weights: which weights made the samples.
        remarks: what a reader must know, such as a count that had to be lowered.
        seconds: that the evaluation took.
        version: of aegan.
        machine: versions and hardware.
    """

    figures: tuple[Figure, ...]
    subject: dict[str, str]
    data: dict[str, Any]
    counts: dict[str, int]
    extractor: dict[str, str]
    seed: int
    weights: str
    remarks: tuple[str, ...]
    seconds: float
    version: str
    machine: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return any(figure.name == name for figure in self.figures)

    def __getitem__(self, name: str) -> Figure:
        return {figure.name: figure for figure in self.figures}[name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as evaluation.json holds them: figures by name, no NaN or infinity."""
        out = dataclasses.asdict(self)
        figures = {f["name"]: {k: _finite(v) for k, v in f.items() if k != "name"} for f in out.pop("figures")}
        return {"format": FORMAT, "aegan": out.pop("version"), "figures": figures, **out}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Evaluation:
        """The inverse of `as_dict`."""
        rest = dict(content)
        if rest.pop("format", None) not in (2, FORMAT):
            raise UserError(
                f"This evaluation has format {content.get('format')}, and this aegan reads format {FORMAT}.",
                "Evaluate again: aegan evaluate",
            )
        for part in (rest["counts"], rest["data"].get("roles") or {}):
            if "floor" in part:  # of format 2
                part["baseline"] = part.pop("floor")
        figures = tuple(Figure.from_dict(name, f) for name, f in rest.pop("figures").items())
        return cls(figures=figures, version=rest.pop("aegan"), remarks=tuple(rest.pop("remarks")), **rest)

    def write(self, path: AnyPath) -> None:
        """As JSON, whole or not at all."""
        write_json(Path(path), self.as_dict(), ensure_ascii=False)

    @classmethod
    def read(cls, path: AnyPath) -> Evaluation:
        """From JSON."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError:
            raise UserError(f"There is no {path}.", "Evaluate first: aegan evaluate") from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise UserError(f"{path} is damaged, or is no evaluation.", "Evaluate again: aegan evaluate") from error

    @property
    def _title(self) -> str:
        c, d = self.counts, self.data
        against = f"{c['reference']:,} {real_items(d)} of {d.get('name', 'data')}"
        return f"{self.subject['name']}: {c['samples']:,} samples against {against}"

    def __rich__(self) -> Table:
        what = f"{self.extractor['name']} features" if self.extractor else "raw vectors"
        what += f" (its critics saw through {self.extractor['seen']})" if self.extractor.get("seen") else ""
        table = Table(
            title=self._title,
            caption="\n".join([f"{what}, seed {self.seed}, {self.seconds:.0f} s", *self.remarks]),
            title_justify="left",
            caption_justify="left",
        )
        for head in ("figure", "value [95 %]", "baseline", "better", "on"):
            table.add_column(head, justify="left" if head in ("figure", "better") else "right")
        for f in self.figures:
            table.add_row(*f.cells, f.better, f.measured_on)
        return table

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        figures = cells.table(
            [(*f.cells, f.better) for f in self.figures], ("figure", "value [95 %]", "baseline", "better")
        )
        return f"<b>{escape(printable(self._title))}</b>{figures}{cells.lines(self.remarks)}"

    def __str__(self) -> str:
        return plain(self, 100)


def real_items(data: dict[str, Any]) -> str:
    """What the reference consists of, in words."""
    return str((data.get("roles") or {}).get("reference", "training items"))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
