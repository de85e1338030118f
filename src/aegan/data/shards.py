"""Images in uncompressed tar files, as WebDataset writes them or as `tar -cf` packs a folder.

A tar is read where it is. Its members lie in it as they are, so an index of (file, offset, length) gives what the
loader needs, any image at any time: the order is the full permutation that a folder gets, resuming is two integers, and
neither a shuffle buffer nor the webdataset library, which reads shards from their beginnings only, has a place in it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from aegan.data.choosing import LABELS_FROM, choose, facts_of
from aegan.data.decode import SUFFIXES
from aegan.data.files import RULES, ByteRange, Entry, Found, Skips, copies, stamp
from aegan.data.inspection import printable
from aegan.data.labels import Label, Vector, label_of
from aegan.data.layout import STRAY
from aegan.data.listing import Listed, unfit
from aegan.data.parquet import held_files, may_read, training
from aegan.data.tables import may_tell
from aegan.data.tar import Member, members
from aegan.errors import UserError
from aegan.names import as_bytes

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
    if not 0 < (count := math.prod(map(len, choices))) <= MOST_SHARDS:
        raise UserError(
            f"{printable(source)} means {count:,} shards.", f"Write {{FIRST..LAST}}, of at most {MOST_SHARDS:,}."
        )
    return [Path("".join(each)) for each in itertools.product(*choices)]


def listed_shards(path: Path) -> list[Path]:
    """The files that a list names, one a line, relative to the list's own folder; lines that begin with # are notes."""
    shards, shown, fix = [], printable(str(path)), "A list of shards has one path a line."
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE), ""), 1):
            if not (text := line.strip()) or text.startswith("#"):
                continue
            if not text.endswith(".tar") or remote(text):
                what = f"{shown}, line {number}: '{printable(text[:80])}' is no .tar file on this machine."
                raise UserError(what, fix)
            shards.append(path.parent / text)
            if len(shards) > MOST_SHARDS:
                raise UserError(f"{shown} names over {MOST_SHARDS:,} shards.", "Name fewer.")
    if not shards:
        raise UserError(f"{shown} names no shards.", fix)
    return shards


def remote(source: str) -> bool:
    """Whether a source is an address or a command, not a file.

    >>> remote("https://example.org/000.tar"), remote("pipe:cat 000.tar"), remote("000.tar")
    (True, True, False)
    """
    return source.startswith("pipe:") or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def in_tars(files: Iterable[Path], listing: Iterable[Listed] = (), everything: bool = False) -> Found:
    """The images of some shards, and of those of a listing; of the training split unless `everything` is asked for."""
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
            key.update(as_bytes(f"{stamp(file)}\0"))
            total += file.stat().st_size
        except OSError as why:
            raise UserError(
                f"There is no shard {printable(str(file))} ({why.strerror}).", "Fetch it, or name fewer."
            ) from why
    sample, seen = list[Entry](), 0
    for file in dict.fromkeys(chosen[:: max(1, len(chosen) // SAMPLED)]):
        first = list(itertools.islice(_images([file], Skips()), 1_000 // SAMPLED))
        sample += first
        # up to the end of the last image seen: what an image takes in the archive, header, label and all
        if first and isinstance(last := first[-1].read, ByteRange):
            seen += last.offset + last.length
    likely = round(total * len(sample) / seen) if seen else 0
    images = _images(chosen, skips)
    found = Found(key.hexdigest(), images, sample, max(likely, 1), likely, skips, notes, shards=True)
    if not everything:
        found.entries = _chosen(found, chosen)
    return found


def _chosen(found: Found, files: Sequence[Path]) -> Iterator[Entry]:
    """The images of some shards to train on, with their labels; what they are is decided when the first is asked for.

    The headers are read once more for that. Names are kept only where a label file, or a folder that may be a copy, asks
    for them: shards may hold more images than fit in memory as names.
    """
    sidecar = any(entry.label is not None for entry in found.sample)
    labels = list[Entry]()

    def names() -> Iterator[str]:
        for path in files:
            with suppress(OSError), open(path, "rb") as file:
                for member in members(file):
                    if not member.why and not unfit(member.size):
                        name = inner(f"/{member.name}")
                        if may_tell(name) and not sidecar:
                            labels.append(Entry(name, ByteRange(str(path), member.offset, member.size)))
                        yield name

    def images() -> Iterator[tuple[str, Entry]]:
        return ((inner(entry.name), entry) for entry in _images(files, Skips()))

    def same(again: Mapping[str, str]) -> frozenset[str]:
        folders = {*again, *again.values()}
        return copies(again, {name: entry for name, entry in images() if posixpath.dirname(name) in folders})

    facts = facts_of(names())
    title = files[0].stem if len(files) == 1 else files[0].resolve().parent.name
    choice = choose(lambda: [name for name, _ in images()], facts, labels, title, same)
    if sidecar:
        choice.labels_from = SIDECAR
        choice.notes = [*choice.layout.notes, LABELS_FROM.format(SIDECAR)]
    found.notes.extend(choice.notes)
    found.labels_from, found.classes = choice.labels_from, choice.classes
    for entry in _images(files, found.skips, choice.used):
        label, why = choice.of(inner(entry.name))
        if why and not (sidecar and why == STRAY):
            found.skips.add(entry.name, why)
        else:
            yield entry if sidecar else replace(entry, label=label)


def inner(name: str) -> str:
    """The path inside a shard, of an entry's name.

    >>> inner("000.tar/./cats/1.png")
    'cats/1.png'
    """
    return "/".join(part for part in name.partition("/")[2].split("/") if part not in ("", "."))


def _images(files: Sequence[Path], skips: Skips, used: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """The images of some shards, without the label files that were used; what can't be read is added to `skips`."""
    for path in files:
        try:
            with open(path, "rb") as file:
                fields = _fields(file, path.name, skips, used)
                for key, group in itertools.groupby(fields, lambda member: _key(member.name)):
                    while some := list(itertools.islice(group, MOST_GROUP)):
                        yield from _of_sample(key, some, file, path, skips)
        except OSError as why:
            skips.add(path.name, f"can't be read ({why.strerror})")


def _fields(file: BinaryIO, shard: str, skips: Skips, used: frozenset[str]) -> Iterator[Member]:
    for member in members(file):
        name = f"{shard}/{member.name}"
        if used and inner(name) in used:
            continue
        if member.why:
            skips.add(name, member.why)
        else:
            yield member


def _of_sample(key: str, fields: Sequence[Member], file: BinaryIO, path: Path, skips: Skips) -> Iterator[Entry]:
    """The images among members of one name before its first dot, which stand one after another."""
    images = list[Member]()
    label: Label | None = None
    for member in fields:
        suffix = posixpath.splitext(member.name)[1].lower()
        if suffix in SUFFIXES:
            images.append(member)
        elif suffix in (".cls", ".json") and 0 < member.size <= MOST_LABEL:
            file.seek(member.offset)
            found = _label(suffix, file.read(member.size))
            label = found if label is None or suffix == ".cls" else label
    if not images:
        skips.add(f"{path.name}/{key}", "sample without an image")
    # of a.jpg and a.seg.png, a sample of two fields, the one; but 1.5.png and 1.6.png are both images
    plain = [each for each in images if posixpath.splitext(each.name)[0] == key]
    for member in images:
        name = f"{path.name}/{member.name}"
        if plain and member not in plain:
            skips.add(name, "further image of its sample")
        elif why := unfit(member.size):
            skips.add(name, why)
        else:
            yield Entry(name, ByteRange(str(path), member.offset, member.size), label)


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
