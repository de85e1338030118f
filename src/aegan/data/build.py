"""Decodes the images of a source, once, in parallel, into the cache."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from aegan.data import cache, formats
from aegan.data.assemble import Draft, from_disk, inspection_of_images, to_disk
from aegan.data.choosing import ARCHIVES, LABELS_FROM, suffix_of
from aegan.data.decode import MOST_BYTES, NO_MEMORY, TOO_LARGE, Decoded, Skip, Unscaled, open_image, quiet, survey
from aegan.data.depth import Depth, Measure
from aegan.data.files import ByteRange, Entry, Found, Skips, closed_on_error
from aegan.data.fit import describe_fit, of_images, seen_through, suggest
from aegan.data.format import ImageFormat
from aegan.data.inspection import Inspection, printable
from aegan.data.labels import number_labels
from aegan.data.listing import RUN, TOOLS, UNREAD
from aegan.data.parquet import ABSENT
from aegan.data.spec import Data, FileNames
from aegan.data.split import DIGEST
from aegan.data.stream import AT_ONCE, PACK, Places, Streamed, workers
from aegan.errors import UserError
from aegan.folders import cache_root

AS_THEY_ARE = (0.0, 255.0)  # the scale of 8 bits
HEADER = 2**18  # bytes that hold an image's size
MOST_PIXELS_KEPT = 2**32  # bytes of decoded pixels above which shards are streamed
PLACE_BYTES = 100  # of the index, an image: hash, place, label, name
REMARKS = {  # what was done to images, in words
    "converted": "converted from another colour profile to sRGB",
    "unusable": "of a colour profile that can't be used: their colours are taken as sRGB",
    "by rule": "CMYK or Lab without a colour profile: converted by a plain formula",
    "exif": "of a damaged Exif orientation: used as they lie",
    "missing": "without a value in some pixels (NaN or marked as no data): these are taken as transparent",
    "bands": "of more bands than colours: the first, or the first three, are used",
    "animated": "of several frames: the first is used",
    "flat": "of a single colour",
}
Stream = Literal["auto", "on", "off"]
Advance = Callable[[int], None]
Result: TypeAlias = Decoded | Unscaled | str  # or the reason to skip it


@dataclass(frozen=True)
class Asked:
    """How a data set is to be opened, as `aegan.data.open_data` takes it."""

    wanted: ImageFormat
    labelled: bool = True  # whether labels are wanted
    cache_dir: str | None = None
    progress: bool = False
    stream: Stream = "auto"
    divide: bool = True  # into training and held-out examples; else all are of one split, however few

    @property
    def whole(self) -> list[str]:
        """What the name of a cache says of that."""
        return [] if self.divide else ["whole"]

    def divided(self, draft: Draft) -> Draft:
        """A draft of which nothing is held out, if it is not to be divided."""
        return draft if self.divide else replace(draft, held=np.zeros(len(draft.rows), bool))


def open_found(found: Found, name: str, source: str, asked: Asked) -> Data:
    """The `Data` of images in files: from the cache, or decoded into it; or, streamed, decoded as they are asked for.

    Streamed, every image is decoded once as well, and forgotten but for its hash and its place: so the split, the
    labels, what is left out and the fingerprint are those of the same images in a folder.

    Where `asked.stream` is "auto", shards are streamed whose pixels would take more than `MOST_PIXELS_KEPT`.

    Raises:
        UserError: nothing, or too little, of it is usable; the cache can't be written.
    """
    with closed_on_error(found.archive):
        return _open_found(found, name, source, asked)


def _open_found(found: Found, name: str, source: str, asked: Asked) -> Data:
    if not asked.labelled:
        found = found.unlabelled()
    if not found.total:
        raise _nothing(found.skips, source)
    wanted = asked.wanted
    if wanted.size is None:
        with quiet():
            wanted = replace(wanted, size=(suggest(_short_side(found.sample)),) * 2)
    pixels = found.likely * math.prod(wanted.sides) * (wanted.channels or 3)
    many = found.shards and pixels > MOST_PIXELS_KEPT
    streamed = asked.stream == "on" or (asked.stream == "auto" and many)
    key = cache.key_of(found.key, wanted, asked.labelled, *(["stream"] if streamed else []), *asked.whole)
    # as decoded, and again in order; or, streamed, the index alone
    need = found.likely * PLACE_BYTES if streamed else 2 * pixels

    def make(folder: Path, advance: Advance) -> Draft:
        with quiet():
            return _decode_all(found, source, folder, wanted, asked.labelled, advance, streamed)

    def mended(before: Inspection) -> bool:
        with quiet():
            return _mended(before, found.entries, wanted)

    data = cached(key, name, source, need, found.total, make, asked, mended)
    # with the folders of runs as they are now: a run inside the data changes no image
    skipped = {why: each for why, each in data.inspection.skipped.items() if why not in (RUN, TOOLS)}
    skipped |= {why: each for why, each in found.skips.found().items() if why in (RUN, TOOLS)}
    return replace(data, inspection=replace(data.inspection, skipped=skipped))


def cached(
    key: str,
    name: str,
    source: str,
    need: int,
    total: int,
    make: Callable[[Path, Advance], Draft],
    asked: Asked,
    mended: Callable[[Inspection], bool] = lambda _: False,
) -> Data:
    """The `Data` of a cache, made if it isn't there or is damaged.

    Args:
        need: bytes that making it writes, about.
        total: examples in the source, for the progress bar.
        make: given a folder to write in and a function to report progress to, the examples.
        mended: given what the cache says, whether making it anew would find more.
    """
    root = cache_root(asked.cache_dir)
    final = root / key
    data = from_disk(final, name, source)
    if data and not readable_now(data.inspection) and not mended(data.inspection):
        return data
    del data  # Windows removes no file that is mapped
    with cache.unfinished(root, need) as folder:
        if final.exists():
            cache.discard(final)
        with _bar(total, asked.progress) as advance:
            draft = asked.divided(make(folder, advance))
        to_disk(draft, folder / "done")
        del draft  # Windows removes no file that is mapped
        cache.publish(folder / "done", final)
        if data := from_disk(final, name, source):
            return data
    raise UserError(
        f"What was written to {final} could not be read back.", "Is the disk sound? Try another cache folder."
    )


def readable_now(found: Inspection) -> bool:
    """Whether something was left out for want of a package that is there now."""
    said = "\n".join([*found.skipped, *found.notes])
    wanted = re.findall(r": pip install (?:--upgrade )?([\w-]+)", said)
    return any(map(formats.readable, wanted))


def _mended(before: Inspection, entries: Iterable[Entry], wanted: ImageFormat) -> bool:
    """Whether an image that could not be read, or for which memory was short, can be used now.

    Where the images are read lazily, that is not known before all are read: then it is taken to be so.
    """
    failed = [each for why, each in before.skipped.items() if why == NO_MEMORY or why.startswith(UNREAD)]
    if not failed or not isinstance(entries, Sequence):
        return bool(failed)
    names = {name for each in failed for name in each.names}
    again = (entry for entry in entries if printable(entry.name) in names)
    return any(not isinstance(_one(entry, wanted, False)[1], str) for entry in again)


@dataclass
class Tally:
    """What is learned of images while they are decoded."""

    widths: array[int] = field(default_factory=lambda: array("i"))
    heights: array[int] = field(default_factory=lambda: array("i"))
    modes: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    measure: Measure = field(default_factory=Measure)

    def add(self, one: Decoded) -> None:
        self.widths.append(one.width)
        self.heights.append(one.height)
        self.modes[one.mode] += 1
        self.counts.update(
            one.remarks, colour=not one.grey, transparent=one.transparent, animated=one.animated, flat=one.flat
        )

    def depth(self, given: Depth | None) -> Depth:
        """The scale of all images of more than 8 bits, and of those of few levels: as given, else as measured."""
        found, given = self.measure.depth(), given or Depth()
        bytes_ = given.bytes or found.bytes
        return Depth(given.integers or found.integers, given.floats or found.floats, bytes_)

    def settle(self) -> None:
        """Once all are seen: where any image is bright, those of few levels are dark ones, and all are taken as they are."""
        if self.modes or not self.measure.found.get("bytes", (0, 0, 0))[1]:
            self.measure.found.pop("bytes", None)

    def inspection(self, wanted: ImageFormat, notes: Sequence[str]) -> Inspection:
        """What `Draft` needs."""
        widths, heights = np.array(self.widths), np.array(self.heights)
        lines = describe_fit(widths, heights, wanted) + self.measure.lines(wanted.depth)
        lines += seen_through(self.counts["transparent"], len(widths), wanted)
        for remark, what in REMARKS.items():
            lines += of_images(self.counts[remark], len(widths), what)
        modes, channels = dict(self.modes.most_common()), wanted.channels or (3 if self.counts["colour"] else 1)
        return inspection_of_images(widths, heights, modes, channels, wanted, (*notes, *lines))


def _decode_all(
    found: Found, source: str, folder: Path, wanted: ImageFormat, labelled: bool, advance: Advance, streamed: bool
) -> Draft:
    """Every image of a source that can be used, in its order; pixels go to a file in `folder`, not to memory.

    Streamed, no pixels are kept, but where each image lies; images without a place of their own (in parquet, or
    compressed in a zip) are copied into the cache as they are stored.
    """
    tally, marks, digests, known = Tally(), list[Any](), bytearray(), dict[Any, Any]()
    raw, places = folder / "raw", Places(folder / PACK)
    late: list[tuple[int, int]] = []  # images that wait for the scale: their place among all, and among `places`
    blank = bytes(math.prod(wanted.sides) * (wanted.channels or 3))

    def names() -> Iterator[str]:
        with places, open(raw, "wb") as file:
            for entry, stored, result in _results(found.entries, wanted, keep=streamed):
                advance(1)
                if isinstance(result, str):
                    found.skips.add(entry.name, result)
                    continue
                if isinstance(result, Unscaled):
                    tally.measure.add(result.kind, result.low, result.high)
                    late.append((len(marks), len(places)))
                    pixels, digest = blank, bytes(DIGEST)
                else:
                    tally.add(result)
                    pixels, digest = result.pixels.tobytes(), result.digest
                if streamed or isinstance(result, Unscaled):
                    places.add(entry.read, stored)
                if not streamed:
                    file.write(pixels)
                digests.extend(digest)
                marks.append(known.setdefault(entry.label, entry.label))  # one object for each class, not one an image
                yield entry.name

    kept = FileNames(*FileNames.pack(names()))  # packed: a list of a million names would weigh as much as their index
    if not len(kept):
        raise _nothing(found.skips, source)
    tally.settle()
    scale = tally.depth(wanted.depth)
    # what waited in vain is not to wait again
    asked, wanted = wanted, replace(wanted, depth=replace(scale, bytes=scale.bytes or AS_THEY_ARE))
    with open(raw, "r+b") as file:
        for row, one in _scaled(late, kept, places.streamed(wanted)):
            tally.add(one)
            digests[row * DIGEST : (row + 1) * DIGEST] = one.digest
            if not streamed:
                file.seek(row * len(blank))
                file.write(one.pixels.tobytes())
    labels, classes, origin, notes = _labels(found, marks if labelled else None)
    hashes = np.frombuffer(bytes(digests), np.uint8).reshape(-1, DIGEST)
    scale = replace(scale, bytes=None if scale.bytes == AS_THEY_ARE else scale.bytes)
    inspection = replace(
        tally.inspection(asked, notes), depth=scale.as_dict(), labels_from=origin, skipped=found.skips.found()
    )
    if streamed:
        rows = cast(np.ndarray, places.streamed(wanted))
    else:
        rows = np.memmap(raw, np.uint8, "r", shape=(len(kept), *wanted.sides, wanted.channels or 3))
    return Draft(rows, hashes, labels, classes, kept, inspection)


def _labels(found: Found, marks: list[Any] | None) -> tuple[np.ndarray | None, tuple[str, ...], str, list[str]]:
    """Numbers of classes, names of these, where they are from, and notes; of what each image has for a label."""
    notes, origin = list(found.notes), found.labels_from
    unused = [note for note in notes if note != LABELS_FROM.format(origin)]
    if marks is None:
        return None, (), "none: left out as asked", unused
    if all(mark is None for mark in marks):
        return None, (), origin, notes
    labels, classes, said = number_labels(marks, found.classes)
    if labels is None:
        notes, origin = unused, f"none: {said[0]}"
    return labels, classes, origin, notes + list(said)


def _scaled(late: Sequence[tuple[int, int]], names: Sequence[str], images: Streamed) -> Iterator[tuple[int, Decoded]]:
    """(its place among all, the image) of those that had to wait for the scale of the set, read anew."""
    entries = (Entry(names[row], images.byte_range(at)) for row, at in late)
    for (row, _), (entry, _, one) in zip(late, _results(entries, images.wanted), strict=True):
        if not isinstance(one, Decoded):
            raise UserError(f"{printable(entry.name)} changed while it was read: it is {one}.", "Start again.")
        yield row, one


def _results(
    entries: Iterable[Entry], wanted: ImageFormat, keep: bool = False
) -> Iterator[tuple[Entry, bytes, Result]]:
    """(entry, what is stored if `keep` and it has no place to be found at again, image or reason to skip it), in order.

    Threads, not processes: Pillow lets go of the interpreter while it decodes and resamples. Only a few pieces of work
    are under way at a time, so memory doesn't grow with the source.
    """

    def work(some: list[Entry]) -> list[tuple[Entry, bytes, Result]]:
        return [(entry, *_one(entry, wanted, keep)) for entry in some]

    pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
    try:
        source, pending = iter(entries), deque[Future[list[tuple[Entry, bytes, Result]]]]()
        while some := list(islice(source, AT_ONCE)):
            pending.append(pool.submit(work, some))
            if len(pending) > 2 * workers():
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _one(entry: Entry, wanted: ImageFormat, keep: bool) -> tuple[bytes, Result]:
    try:
        raw = entry.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:  # what an archive says of a size need not be true
            raise Skip(TOO_LARGE)
        result = survey(raw, wanted, entry.name)
        keep = keep or isinstance(result, Unscaled)  # which is read again
        return raw if keep and not isinstance(entry.read, ByteRange) else b"", result
    except Skip as why:
        return b"", str(why)
    except MemoryError:
        return b"", NO_MEMORY


def _short_side(sample: Sequence[Entry]) -> float:
    """The median shorter side of some images, pixels, from their headers alone."""
    sides = []
    for entry in sample:
        for most in (HEADER, MOST_BYTES):  # nearly always the beginning tells; a TIFF's header may come last
            with suppress(Skip, MemoryError):
                sides.append(min(open_image(entry.read(most), entry.name).size))
                break
    return float(np.median(sides)) if sides else 0.0


def _nothing(skips: Skips, source: str) -> UserError:
    found = skips.found()
    if not found:
        return UserError(
            f"{source} is empty.", "Name a folder of images, a .zip or .tar of one, or an .npy, .npz or .parquet file."
        )
    total = sum(each.count for each in found.values())
    reasons = ", ".join(f"{each.count:,} {why} (as {each.names[0]})" for why, each in list(found.items())[:4])
    names = [name for each in found.values() for name in each.names]
    inner = next((name for name in names if suffix_of(name) in {*ARCHIVES, ".npy", ".npz", ".parquet"}), "")
    fix = "Name a folder of images."
    if inner and (suffix_of(source) in ARCHIVES or suffix_of(inner) in ARCHIVES - {".zip", ".tar"}):
        fix = f"Unpack {inner}, and name the folder that comes out."
    elif sum(suffix_of(name) == ".npy" for name in names) > 1:
        fix = "Make one array of the .npy files, and name that: np.save(FILE, np.stack([np.load(file) for file in files]))."
    elif inner:
        fix = f"To use {inner}, name that file itself."
    if needed := next((why.partition(": ")[2] for why in found if ": pip install" in why), ""):
        fix = f"To read them: {needed}"
    if ABSENT in found:
        fix = "Put the parquet file beside them, so that its paths lead to them, or name their folder."
    if any("-ubyte" in name for name in names):
        fix = "For the files of Fashion-MNIST, name the data 'fashion-full' and this folder as the data folder."
    return UserError(f"No usable image among the {total:,} files of {source}: {reasons}.", fix)


@contextmanager
def _bar(total: int, progress: bool) -> Iterator[Advance]:
    from rich.console import Console

    console = Console(stderr=True)
    if not progress or not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("decoding", total=total)
        yield lambda n: bar.advance(task, n)
