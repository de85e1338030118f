"""Images in uncompressed tar files, as WebDataset writes them or as `tar -cf` packs a folder.

A tar is read where it is. Its members lie in it as they are, so an index of (file, offset, length) gives what the
loader needs, any image at any time: the order is the full permutation that a folder gets, resuming is two integers, and
neither a shuffle buffer nor the webdataset library, which reads shards from their beginnings only, has a place in it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from aegan.data.choosing import LABELS_FROM, choose, facts_of
from aegan.data.decode import SUFFIXES
from aegan.data.files import RULES, ByteRange, Entry, Found, Origin, Skips, copies
from aegan.data.inspection import printable
from aegan.data.labels import Label, Vector, label_of
from aegan.data.layout import STRAY
from aegan.data.listing import Listed, unfit
from aegan.data.parquet import held_files, may_read, training
from aegan.data.tables import LabelFile, may_tell
from aegan.data.tar import Member, members
from aegan.errors import UserError

MOST_LINE = 2**16  # characters of a line of a list of shards
MOST_LABEL = 2**16  # bytes of a .cls or .json
MOST_GROUP = 256  # members of one sample
MOST_SHARDS = 1_000_000  # that a pattern may mean
LABEL_KEYS = ("label", "cls", "class", "class_name", "class_label")
SIDECAR = "the .cls or .json beside each image"
SAMPLED = 8  # shards of which the first images tell the size


def named_shards(source: str) -> list[Path] | None:
    """The files that a pattern means, `shards/{000..099}.tar` or `{train,more}.tar`; None where it is no pattern.

    >>> [path.name for path in named_shards("{08..10}.tar")]
    ['08.tar', '09.tar', '10.tar']
    """
    parts = re.split(r"\{([^{}]*)\}", source)
    if len(parts) == 1 or not source.endswith(".tar"):
        return None
    choices: list[Sequence[str]] = []
    for i, part in enumerate(parts):
        if i % 2 == 0:
            choices.append([part])
        elif span := re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", part):
            first, last = int(span[1]), int(span[2])
            if last - first >= MOST_SHARDS:
                raise UserError(f"{printable(source)} means over {MOST_SHARDS:,} shards.", "Name fewer.")
            choices.append([str(n).zfill(len(span[1])) for n in range(first, last + 1)])
        else:
            choices.append(part.split(","))
    count = 1
    for each in choices:
        count *= len(each)
    if not 0 < count <= MOST_SHARDS:
        raise UserError(
            f"{printable(source)} means {count:,} shards.", f"Write {{FIRST..LAST}}, of at most {MOST_SHARDS:,}."
        )
    return [Path("".join(each)) for each in itertools.product(*choices)]


def listed_shards(path: Path) -> list[Path]:
    """The files that a list names, one a line, relative to the list's own folder; lines that begin with # are notes.

    Raises:
        UserError: it is no such list.
    """
    shards = []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number in itertools.count(1):
            if not (line := file.readline(MOST_LINE)):
                break
            if not (text := line.strip()) or text.startswith("#"):
                continue
            if not text.endswith(".tar") or remote(text):
                raise UserError(
                    f"{printable(str(path))}, line {number}: '{printable(text[:80])}' is no .tar file on this machine.",
                    "A list of shards has one path a line.",
                )
            shards.append(path.parent / text)
            if len(shards) > MOST_SHARDS:
                raise UserError(f"{printable(str(path))} names over {MOST_SHARDS:,} shards.", "Name fewer.")
    if not shards:
        raise UserError(f"{printable(str(path))} names no shards.", "A list of shards has one path a line.")
    return shards


def remote(source: str) -> bool:
    """Whether a source is an address or a command, not a file.

    >>> remote("https://example.org/000.tar"), remote("pipe:cat 000.tar"), remote("000.tar")
    (True, True, False)
    """
    return source.startswith("pipe:") or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def in_tars(files: Iterable[Path], listing: Iterable[Listed] = (), everything: bool = False) -> Found:
    """The images of some shards; or of those of a listing, of its training split where there are several.

    Args:
        everything: those of all splits, without labels.

    Raises:
        UserError: a shard is not there.
    """
    skips, notes = Skips(), list[str]()
    chosen = list(files)
    for each in listing:
        if each.suffix == ".tar" and may_read(each):
            chosen.append(Path(each.path))
        elif each.suffix in SUFFIXES:
            skips.add(each.name, "beside the shards")
    if not everything and (some := training(chosen)):
        notes.append(held_files(chosen, some, skips))
        chosen = some
    key, total = hashlib.blake2b(b"tar" + RULES, digest_size=16), 0
    for file in chosen:
        try:
            status = file.stat()
        except OSError as why:
            raise UserError(
                f"There is no shard {printable(str(file))} ({why.strerror}).", "Fetch it, or name fewer."
            ) from why
        total += status.st_size
        real = os.path.realpath(file)
        key.update(f"{real}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    sample: list[Entry] = []
    seen = 0
    for file in dict.fromkeys(chosen[:: max(1, len(chosen) // SAMPLED)]):
        first = list(itertools.islice(_Images([file], Skips()), 1_000 // SAMPLED))
        sample += first
        # up to the end of the last image seen: what an image takes in the archive, header, label and all
        if first and isinstance(last := first[-1].read, ByteRange):
            seen += last.offset + last.length
    likely = round(total * len(sample) / seen) if seen else 0
    images: Iterable[Entry] = _Images(chosen, skips)
    origin = Origin()
    if not everything:
        sidecar = any(entry.label is not None for entry in sample)
        images = _Chosen(chosen, skips, notes, origin, sidecar)
    return Found(key.hexdigest(), images, sample, max(likely, 1), likely, skips, notes, origin, shards="tar")


@dataclass(frozen=True)
class _Chosen:
    """The images of some shards to train on, with their labels; what they are is decided when they are first asked for.

    The headers are read once more for that. Names are kept only where a label file, or a folder that may be a copy, asks
    for them: shards may hold more images than fit in memory as names.

    Args:
        notes, origin: are completed.
        sidecar: the labels stand beside the images.
    """

    files: Sequence[Path]
    skips: Skips
    notes: list[str]
    origin: Origin
    sidecar: bool

    def __iter__(self) -> Iterator[Entry]:
        labels = list[LabelFile]()
        facts = facts_of(self._names(labels))
        title = self.files[0].stem if len(self.files) == 1 else self.files[0].resolve().parent.name
        choice = choose(self._images, facts, [] if self.sidecar else labels, title, self._copies)
        if self.sidecar:
            choice.labels_from = SIDECAR
            choice.notes = [*choice.layout.notes, LABELS_FROM.format(SIDECAR)]
        self.notes.extend(choice.notes)
        self.origin.labels_from, self.origin.classes = choice.labels_from, choice.classes
        for entry in _Images(self.files, self.skips, choice.used):
            label, why = choice.of(inner(entry.name))
            if why and not (self.sidecar and why == STRAY):
                self.skips.add(entry.name, why)
            else:
                yield entry if self.sidecar else replace(entry, label=label)

    def _images(self) -> list[str]:
        return [inner(entry.name) for entry in _Images(self.files, Skips())]

    def _names(self, labels: list[LabelFile]) -> Iterator[str]:
        """The names of all files; those that may hold labels are added to `labels`."""
        for path in self.files:
            with suppress(OSError), open(path, "rb") as file:
                for member in members(file):
                    if not member.why and not unfit(member.size, True):
                        name = inner(f"/{member.name}")
                        if may_tell(name) and not self.sidecar:
                            labels.append(LabelFile(name, ByteRange(str(path), member.offset, member.size)))
                        yield name

    def _copies(self, again: Mapping[str, str]) -> frozenset[str]:
        folders = {*again, *again.values()}
        entries = ((inner(entry.name), entry) for entry in _Images(self.files, Skips()))
        return copies(again, {name: entry for name, entry in entries if posixpath.dirname(name) in folders})


def inner(name: str) -> str:
    """The path inside a shard, of an entry's name.

    >>> inner("000.tar/./cats/1.png")
    'cats/1.png'
    """
    return "/".join(part for part in name.partition("/")[2].split("/") if part not in ("", "."))


@dataclass(frozen=True)
class _Images:
    """The images of some shards, found as they are asked for; what can't be read is added to `skips`.

    Args:
        used: label files, which are no samples.
    """

    files: Sequence[Path]
    skips: Skips
    used: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Entry]:
        for file in self.files:
            yield from self._of(file)

    def _of(self, path: Path) -> Iterator[Entry]:
        shard = path.name
        try:
            with open(path, "rb") as file:
                group = _Sample("")
                for member in members(file):
                    name = f"{shard}/{member.name}"
                    if self.used and inner(name) in self.used:
                        continue
                    if member.why:
                        self.skips.add(name, member.why)
                        continue
                    if (key := _key(member.name)) != group.key or len(group.images) >= MOST_GROUP:
                        yield from group.entries(shard, path, self.skips)
                        group = _Sample(key)
                    group.add(member, file)
                yield from group.entries(shard, path, self.skips)
        except OSError as why:
            self.skips.add(shard, f"can't be read ({why.strerror})")


@dataclass
class _Sample:
    """Members of one name before its first dot, one after another."""

    key: str
    images: list[Member] = field(default_factory=list)
    label: Label | None = None
    others: int = 0

    def add(self, member: Member, file: BinaryIO) -> None:
        suffix = posixpath.splitext(member.name)[1].lower()
        if suffix in SUFFIXES:
            self.images.append(member)
            return
        self.others += 1
        if suffix in (".cls", ".json") and member.size <= MOST_LABEL and not unfit(member.size, True):
            file.seek(member.offset)
            found = _label(suffix, file.read(member.size))
            self.label = found if self.label is None or suffix == ".cls" else self.label

    def entries(self, shard: str, path: Path, skips: Skips) -> Iterator[Entry]:
        if not self.images and self.others:
            skips.add(f"{shard}/{self.key}", "sample without an image")
        # of a.jpg and a.seg.png, a sample of two fields, the one; but 1.5.png and 1.6.png are both images
        plain = [each for each in self.images if posixpath.splitext(each.name)[0] == self.key]
        for member in self.images:
            name = f"{shard}/{member.name}"
            if plain and member not in plain:
                skips.add(name, "further image of its sample")
            elif why := unfit(member.size, True):
                skips.add(name, why)
            else:
                yield Entry(name, ByteRange(str(path), member.offset, member.size), self.label)


def _key(name: str) -> str:
    """WebDataset's key of a member: its path up to the first dot of the file's name."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.partition(".")[0])


def _label(suffix: str, raw: bytes) -> Label | None:
    """What a .cls or .json says of the class: a number or a name; None: nothing."""
    try:
        text = raw.decode("utf-8")
        value = text.strip() if suffix == ".cls" else json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in LABEL_KEYS if key in value), None)
    label = label_of(value)
    if isinstance(label, Vector):
        return None
    return int(label) if isinstance(label, str) and re.fullmatch(r"-?\d{1,9}", label) else label
