"""What was found in a data source: counts, sizes, classes, duplicates, what was skipped and why. Plain Python only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aegan.names import printable as printable

REASONS_SHOWN = 20
NAMES_KEPT = 50  # names kept of the files skipped for one reason; the count is always exact


def size_shown(size: int | str | None) -> str:
    """A size for people.

    >>> size_shown(64), size_shown("96x64")
    ('64×64', '96×64')
    """
    return size.replace("x", "×") if isinstance(size, str) else f"{size}×{size}"


@dataclass(frozen=True)
class Skipped:
    """Files left out for one reason."""

    count: int
    names: tuple[str, ...]  # the first of them


@dataclass(frozen=True)
class Inspection:
    """What `aegan check` reports of a data set.

    Args:
        kind: "images" or "vectors".
        count: examples that can be used, held-out ones included.
        held_out: of these, how many are kept for evaluation.
        size: of the images a model will see, as `--size` takes it: 64, or "96x64" (width, height); None for vectors.
        suggested_size: the side chosen where none is asked for; None for vectors.
        channels: 1 (grey), 3 (colour) or 4 (with alpha); D for vectors.
        fit, background: what is done to images of another shape, and the colour of margins and under transparent images.
        widths, heights: (least, median, greatest) of the source's images, pixels; empty for vectors.
        modes: how the source's images are stored (Pillow's mode names, or a dtype), with counts.
        depth: of which range values of more than 8 bits are taken to be, "integers" and "floats" apart, and "bytes" of few
            levels; see `aegan.data.depth`. Empty where there are none.
        classes: name of each class, with the count of its examples; empty where there are no labels.
        duplicates: examples that repeat an earlier one exactly, as the model sees them.
        skipped: what was left out, by reason.
        notes: what was done to the data, and what deserves a thought before training on it.
        labels_from: where the labels come from: "sub-folders", a file and its column; or "none: " and why.
    """

    kind: str
    count: int
    held_out: int
    size: int | str | None
    suggested_size: int | None
    channels: int
    widths: tuple[int, ...] = ()
    heights: tuple[int, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict)
    depth: Mapping[str, list[float]] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fit: str = "crop"
    background: str = "white"
    labels_from: str = ""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from aegan.cells import lines

        return lines(self.lines())

    @property
    def skipped_count(self) -> int:
        return sum(each.count for each in self.skipped.values())

    def as_dict(self) -> dict[str, Any]:
        """The same, of lists, dicts, numbers and text, ready for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Inspection:
        """The inverse of `as_dict`.

        >>> i = Inspection("images", 9, 1, 32, 32, 3, skipped={"empty file": Skipped(1, ("a.png",))})
        >>> Inspection.from_dict(i.as_dict()) == i
        True
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()
        }
        values["skipped"] = {why: Skipped(s["count"], tuple(s["names"])) for why, s in plain["skipped"].items()}
        return Inspection(**values)

    def lines(self) -> list[str]:
        """The same for people, one fact a line."""
        if self.kind == "images":
            colour = {1: "grey", 3: "colour", 4: "colour with alpha"}[self.channels]
            out = [f"{self.count:,} images, used as {colour} {size_shown(self.size)}"]
            if self.widths:
                (w0, w1, w2), (h0, h1, h2) = self.widths, self.heights
                various = f"widths {w0} to {w2} (median {w1}), heights {h0} to {h2} (median {h1})"
                out.append(f"stored as {w0}×{h0}" if (w0, h0) == (w2, h2) else various)
            if self.modes:
                out.append("modes: " + ", ".join(f"{mode} {n:,}" for mode, n in self.modes.items()))
            if self.suggested_size != self.size:
                out.append(f"suggested size: {self.suggested_size}")
        else:
            out = [f"{self.count:,} vectors of {self.channels} numbers"]
        out.append(f"{self.count - self.held_out:,} to learn from, {self.held_out:,} held out for evaluation")
        if self.classes:
            shown = [f"{name} {n:,}" for name, n in list(self.classes.items())[:12]]
            more = f", … ({len(self.classes)} in all)" if len(self.classes) > 12 else ""
            out.append(f"{len(self.classes)} classes: {', '.join(shown)}{more}")
        if self.duplicates:
            out.append(f"{self.duplicates:,} exact duplicates")
        return out + self.skipped_lines() + list(self.notes)

    def skipped_lines(self) -> list[str]:
        """What was left out, for people, one reason a line."""
        out, reasons = [], list(self.skipped.items())
        for why, each in reasons[:REASONS_SHOWN]:
            more = f", … {each.count - 3:,} more" if each.count > 3 else ""
            out.append(f"skipped {each.count:,}: {why} ({', '.join(each.names[:3])}{more})")
        if rest := reasons[REASONS_SHOWN:]:
            out.append(f"skipped {sum(each.count for _, each in rest):,} for {len(rest)} other reasons")
        return out
