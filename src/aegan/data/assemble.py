"""The last step of opening: from examples and their hashes to two splits, in memory or on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from aegan.data import cache
from aegan.data.depth import Depth
from aegan.data.fit import suggest, with_channels
from aegan.data.format import ImageFormat, colour_text, size_text
from aegan.data.inspection import Inspection
from aegan.data.spec import Data, DataSpec, FileNames, Numbered, Split
from aegan.data.split import duplicates, held_out
from aegan.data.stream import Streamed
from aegan.errors import TooFew, UserError

FEW = 1_000  # examples under which a generator tends to memorise
FEW_OF_CLASS = 10
CHUNK = 2**24  # bytes copied at a time
FINGERPRINT = 1  # version of how fingerprints are made: runs compare theirs when they are resumed
PARTS = ("train", "held-out")


@dataclass(frozen=True)
class Draft:
    """Examples not yet divided."""

    rows: np.ndarray  # images uint8 (N, H, W, C), in memory, memory-mapped or `Streamed`, or vectors float32 (N, D)
    hashes: np.ndarray  # of their contents, uint8 (N, 16)
    labels: np.ndarray | None  # int64 (N,)
    classes: tuple[str, ...]
    names: Sequence[str]
    inspection: Inspection  # all but what follows from the division and the labels
    held: np.ndarray | None = None  # bool (N,), what is held out; None: by content

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the training examples and the held-out ones are."""
        try:
            mask = held_out(self.hashes) if self.held is None else self.held
        except TooFew as why:
            left = self.inspection.skipped_lines()[:4]  # which tells why there are so few
            raise TooFew("; ".join([why.found, *left]), why.fix) from None
        return np.flatnonzero(~mask), np.flatnonzero(mask)

    def examples(self, places: np.ndarray) -> np.ndarray:
        """Some of the rows, with as many channels as all of them need."""
        items = self.rows[places]
        return with_channels(items, self.inspection.channels) if items.ndim == 4 else items

    def finished(self, held: int) -> Inspection:
        """The inspection, complete."""
        found, count = self.inspection, len(self.rows)
        counts: dict[str, int] = {}
        if self.labels is not None:
            numbers = np.bincount(self.labels, minlength=len(self.classes))
            counts = dict(zip(self.classes, numbers.tolist(), strict=True))
        notes = (*found.notes, *_warnings(count, counts, found.kind))
        copies = duplicates(self.hashes)
        return replace(found, count=count, held_out=held, classes=counts, duplicates=copies, notes=notes)


def inspection_of_images(
    widths: np.ndarray,
    heights: np.ndarray,
    modes: dict[str, int],
    channels: int,
    wanted: ImageFormat,
    notes: Sequence[str],
) -> Inspection:
    """What `Draft` needs to know of images that were stored with such widths and heights, pixels."""
    return Inspection(
        kind="images",
        count=0,
        held_out=0,
        size=size_text(wanted.sides),
        suggested_size=suggest(float(np.median(np.minimum(widths, heights)))),
        fit=wanted.fit,
        background=colour_text(wanted.background),
        channels=channels,
        widths=_spread(widths),
        heights=_spread(heights),
        modes=modes,
        notes=tuple(notes),
    )


def _spread(values: np.ndarray) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def in_memory(draft: Draft, name: str, source: str) -> Data:
    """A `Data` whose splits are arrays in memory."""
    splits, places = [], draft.places()
    for here in places:
        names = Numbered(here) if isinstance(draft.names, Numbered) else [draft.names[int(i)] for i in here]
        labels = None if draft.labels is None else draft.labels[here]
        splits.append(Split(draft.examples(here), labels, names, places=here))
    hashes = [draft.hashes[here] for here in places]
    return _data(name, source, splits, hashes, draft.classes, draft.finished(len(places[1])))


def to_disk(draft: Draft, folder: Path) -> None:
    """Writes the splits of a draft as a cache: each one contiguous, so that it can be mapped."""
    folder.mkdir()
    rows, channels, places = draft.rows, draft.inspection.channels, draft.places()
    row = (*rows.shape[1:3], channels) if rows.ndim == 4 else rows.shape[1:]
    meta: dict[str, Any] = {}
    if isinstance(rows, Streamed):
        meta["stream"] = {"wanted": asdict(rows.wanted), "channels": channels}
        rows.write_files(folder)
    for part, here in zip(PARTS, places, strict=True):
        labels = None if draft.labels is None else draft.labels[here]
        names = (draft.names[int(i)] for i in here)
        cache.write_split(folder, part, here, draft.hashes[here], labels, names)
        if isinstance(rows, Streamed) and part == "train":  # the others are few, and looked at often
            rows.write_places(folder, part, here)
        else:
            pieces = (draft.examples(some) for some in _chunks(here, rows))
            cache.write_rows(folder / f"{part}-items.npy", (len(here), *row), rows.dtype, pieces)
    if rows.ndim == 2:
        train = np.load(folder / "train-items.npy", mmap_mode="r", allow_pickle=False)
        mean, scale = standardisation(train, divided=len(places[1]) > 0)
        np.save(folder / "mean.npy", mean)
        np.save(folder / "scale.npy", scale)
    found = draft.finished(len(places[1]))
    cache.write_manifest(folder, {"classes": list(draft.classes), "inspection": found.as_dict(), **meta})


def from_disk(final: Path, name: str, source: str) -> Data | None:
    """The `Data` of a cache; None where there is no sound one."""
    if (stored := cache.read(final)) is None:
        return None
    meta, arrays = stored
    splits, hashes = [], [arrays[f"{part}-hashes"] for part in PARTS]
    for part in PARTS:
        if part == "train" and "stream" in meta:
            wanted = ImageFormat.from_plain(meta["stream"]["wanted"])
            streamed = Streamed.read(final, arrays, part, wanted, meta["stream"]["channels"])
            if not streamed.sound(hashes[0]):
                return None
            items = cast(np.ndarray, streamed)
        else:
            items = np.asarray(arrays[f"{part}-items"])  # np.memmap's own class makes each small gather slower
        labels = np.array(arrays[f"{part}-labels"]) if f"{part}-labels" in arrays else None
        names = FileNames(arrays[f"{part}-names"], arrays[f"{part}-ends"])
        splits.append(Split(items, labels, names, places=arrays[f"{part}-places"]))
    standard = (np.array(arrays["mean"]), np.array(arrays["scale"])) if "mean" in arrays else None
    found = Inspection.from_dict(meta["inspection"])
    return _data(name, source, splits, hashes, tuple(meta["classes"]), found, standard)


def standardisation(vectors: np.ndarray, divided: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The per-axis mean (D,) and the one common standard deviation () of (N, D), float32, read in chunks.

    Vectors that do not differ are refused; those that are not `divided`, as nothing is trained on them, have 1.

    One sd for all axes, because one per axis would change the shape of the distribution.
    """
    chunks = list(_chunks(np.arange(len(vectors)), vectors))
    mean = sum(vectors[some].sum(0, dtype=np.float64) for some in chunks) / len(vectors)
    square = sum(float(np.square(vectors[some] - mean).sum()) for some in chunks)
    scale = np.sqrt(square / vectors.size)
    if not scale > 0 and divided:
        raise UserError("All vectors are the same.", "Give data that varies.")
    scale = scale if scale > 0 else 1.0
    return np.asarray(mean, np.float32), np.asarray(scale, np.float32)


def _data(
    name: str,
    source: str,
    splits: Sequence[Split],
    hashes: Sequence[np.ndarray],
    classes: tuple[str, ...],
    found: Inspection,
    standard: tuple[np.ndarray, np.ndarray] | None = None,
) -> Data:
    train, held = splits
    shape = tuple(int(n) for n in train.items.shape[1:])
    shape = (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape
    digest = hashlib.blake2b(repr((FINGERPRINT, shape, classes, len(train), len(held))).encode(), digest_size=16)
    for split, each in zip(splits, hashes, strict=True):
        digest.update(np.ascontiguousarray(each).data)
        if split.labels is not None:
            digest.update(np.ascontiguousarray(split.labels).data)
    mean, scale = (standard or standardisation(train.items, len(held) > 0)) if len(shape) == 1 else (None, None)
    train, held = (replace(split, mean=mean, scale=scale) for split in splits)
    how = ImageFormat.of(fit=found.fit, background=found.background)
    depth = Depth.from_dict(found.depth) if found.depth else None
    spec = DataSpec(shape, classes, len(train), how.fit, how.background, depth)
    return Data(name, source, spec, train, held, found, digest.hexdigest(), mean, scale)


def _chunks(places: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, CHUNK // max(1, rows[:1].nbytes))
    return (places[start : start + step] for start in range(0, len(places), step))


def _warnings(count: int, counts: Mapping[str, int], kind: str) -> list[str]:
    """What deserves a thought before training on so many examples, in such classes."""
    out = []
    if count < FEW:
        out.append(f"only {count:,} {kind}: a model is likely to memorise them")
    if few := [name for name, n in counts.items() if n < FEW_OF_CLASS]:
        shown = ", ".join(few[:5]) + (", …" if len(few) > 5 else "")
        out.append(f"{len(few)} class{'es' if len(few) > 1 else ''} of under {FEW_OF_CLASS} {kind}: {shown}")
    return out
