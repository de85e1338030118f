"""Images in a folder or a zip archive: what is there, what may be read, and which classes the sub-folders make."""

from __future__ import annotations

import hashlib
import posixpath
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aegan.data.decode import SUFFIXES, Skip
from aegan.data.inspection import NAMES_KEPT, Skipped, printable
from aegan.data.listing import Listed, hidden, unfit
from aegan.errors import UserError

Array = NDArray[Any]

TRAINING, OTHER_SPLITS = {"train", "training"}, {"test", "testing", "val", "valid", "validation", "dev", "eval"}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others decompress without bound, whatever size is declared
MOST_DIRECTORY = 2**28  # bytes of a zip's list of members, which is read whole: two to four million of them
IN_CLASSES = 0.9  # the share of the images that must lie in sub-folders for these to be classes


class Skips:
    """Counts what is left out, by reason, keeping the first names of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}

    def add(self, name: str, why: str) -> None:
        self._counts[why] = self._counts.get(why, 0) + 1
        if len(names := self._names.setdefault(why, [])) < NAMES_KEPT:
            names.append(printable(name))

    def found(self) -> dict[str, Skipped]:
        """By reason, the most frequent first."""
        order = sorted(self._counts, key=lambda why: (-self._counts[why], why))
        return {why: Skipped(self._counts[why], tuple(self._names[why])) for why in order}


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored image.

    Args:
        name: its path inside the source, with forward slashes.
        read: gives at most so many of its bytes; raises `Skip`.
        label: a class number or name, where the source has one; -1: none.
    """

    name: str
    read: Callable[[int], bytes]
    label: int | str = -1


@dataclass(frozen=True)
class Found:
    """The images of a source, not yet decoded.

    Args:
        key: changes whenever the source does.
        entries: every image that may be read, in a fixed order; an iterable, since they need not all be in memory.
        sample: some of them, spread over the source, at most 1,000.
        total: how many there are.
        likely: how many of them are images by their names.
        skips: what has been left out so far.
        class_depth: the classes are the folders so deep under the source, counted from 0; -1: the folders aren't classes.
        notes: what was decided about the source.
        classes: class names by number, where the source has them.
        labelled: entries carry labels.
        shards: "tar" or "parquet" where the images lie in a few large files, whose name begins the names of the images;
            such a source is read lazily, so `total` and `likely` are estimates for tars, and `skips` grows while it is
            read.
    """

    key: str
    entries: Iterable[Entry]
    sample: Sequence[Entry]
    total: int
    likely: int
    skips: Skips
    class_depth: int = -1
    notes: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    labelled: bool = False
    shards: Literal["", "tar", "parquet"] = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Reads bytes that lie in a file as they are: all of it, or a member of an uncompressed archive.

    The file is opened for each reading. That takes some ten microseconds, and there is no limit on how many shards a
    set may have, no state that threads share, and no memory map whose pages would count as this process's memory.

    Args:
        path: the file's.
        offset, length: bytes.
    """

    path: str
    offset: int
    length: int

    def __call__(self, most: int) -> bytes:
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(self.offset)
                return file.read(min(most, self.length))
        except OSError as why:
            raise Skip("can't be read") from why


def spread(entries: Sequence[Entry], most: int = 1_000) -> list[Entry]:
    """At most so many, evenly spaced."""
    return [entries[i * len(entries) // most] for i in range(most)] if len(entries) > most else list(entries)


def in_folder(root: Path, listing: Iterable[Listed]) -> Found:
    """The images under a folder, of its listing.

    The key hashes path, size and time of change of every file, not the contents: reading 100 GB to learn that nothing
    has changed would take longer than training. Contents are hashed when they are decoded, and it is those hashes that
    decide the split and the fingerprint, so a file rewritten unnoticed (same size, same nanosecond) costs no more than
    a stale cache. The folder's own path counts too: unpacking may give all files one time, and uncompressed images all
    have one size.
    """
    skips, found = Skips(), []
    key = hashlib.blake2b(str(root.resolve()).encode("utf-8", "surrogateescape"), digest_size=16)
    for each in listing:
        if each.why:
            skips.add(each.name, each.why)
        else:
            key.update(f"{each.name}\0{each.size}\0{each.changed}\0".encode("utf-8", "surrogateescape"))
            found.append(Entry(each.name, Stretch(each.path, 0, each.size)))
    return _chosen(found, skips, key.hexdigest())


def in_zip(path: Path) -> Found:
    """The images in a zip archive, read where they are: nothing is unpacked, so no name in it can lead anywhere.

    Raises:
        UserError: not a zip archive, or a damaged one.
    """
    check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
        members, lock = (
            sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename),
            threading.Lock(),
        )
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as why:
        raise UserError(f"{path} is not a whole zip archive ({why}).", "Fetch or pack it again.") from why
    skips, found = Skips(), []
    key = hashlib.blake2b(str(path.resolve()).encode("utf-8", "surrogateescape"), digest_size=16)
    for member in members:
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
            skips.add(name, "path that leads out of the archive")
        elif hidden(parts):
            skips.add(name, "hidden")
        elif member.flag_bits & 1:
            skips.add(name, "encrypted")
        elif stat.S_ISLNK(member.external_attr >> 16):
            skips.add(name, "symbolic link")
        elif member.compress_type not in METHODS:
            skips.add(name, "compressed by another method than deflate")
        elif reason := unfit(member.file_size, True):
            skips.add(name, reason)
        else:
            key.update(f"{name}\0{member.file_size}\0{member.CRC}\0".encode("utf-8", "surrogateescape"))
            found.append(Entry(name, _MemberReader(archive, member, lock)))
    return _chosen(found, skips, key.hexdigest())


def check_directory(path: Path) -> None:
    """Refuses a zip archive whose list of members is too large to be read whole, before it is.

    Raises:
        UserError: it is.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 22))  # the end record, behind which a comment may stand
        tail = file.read()
    if (at := tail.rfind(b"PK\5\6")) < 0 or len(tail) < at + 16:
        return  # no zip archive, which its reader will say
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory == 2**32 - 1 and 0 <= (far := tail.rfind(b"PK\6\6")) <= len(tail) - 48:  # zip64
        directory = int.from_bytes(tail[far + 40 : far + 48], "little")
    if directory > MOST_DIRECTORY:
        raise UserError(
            f"{path} lists too many files: {directory >> 20:,} MB of names, and the most is {MOST_DIRECTORY >> 20}.",
            "Unpack it and name the folder, or pack it as tar shards.",
        )


def folder_labels(names: Sequence[str], depth: int) -> tuple[Array | None, tuple[str, ...]]:
    """The class of each image: the folder it lies in, so deep under the source.

    Returns:
        (labels int64 (N,), class names); (None, ()) where there are fewer than two classes.

    >>> folder_labels(["pets/cat/1.png", "pets/dog/2.png", "pets/cat/3.png"], depth=1)
    (array([0, 1, 0]), ('cat', 'dog'))
    """
    own = [name.split("/")[depth] for name in names]
    classes = sorted(set(own), key=_natural)
    number = {name: i for i, name in enumerate(classes)}
    return (
        (np.array([number[name] for name in own], np.int64), tuple(map(printable, classes)))
        if len(classes) > 1
        else (None, ())
    )


def class_depth(names: Sequence[str]) -> int:
    """How deep under the source, counted from 0, the folders lie that are classes; -1: the folders are no classes.

    >>> class_depth(["a/1.png", "b/1.png", "a/2.png", "b/2.png"]), class_depth(["1.png", "2.png"])
    (0, -1)
    """
    depth = wrappers(names)
    deeper = [name for name in names if name.count("/") > depth]
    classes = {name.split("/")[depth] for name in deeper}
    fit = len(classes) >= 2 and len(deeper) >= IN_CLASSES * len(names) and 2 * len(classes) <= len(names)
    return depth if fit else -1


def _chosen(found: list[Entry], skips: Skips, key: str) -> Found:
    """Of all files those to train on: of the training split where there are several, of the classes where there are any."""
    notes = []
    images = [entry.name for entry in found if _suffix(entry.name) in SUFFIXES]
    depth = wrappers(images)
    tops = {name.split("/")[depth].lower() for name in images if name.count("/") > depth}
    if tops & TRAINING and tops & OTHER_SPLITS and tops <= TRAINING | OTHER_SPLITS:
        here = [e for e in found if any(part.lower() in TRAINING for part in e.name.split("/")[: depth + 1])]
        for name in sorted({e.name for e in found} - {e.name for e in here}):
            skips.add(name, "of another split than train")
        found, images = here, [n for n in images if any(p.lower() in TRAINING for p in n.split("/")[: depth + 1])]
        notes.append("only the folder 'train' is used: name another folder to use that one")
        depth = wrappers(images)
    in_folders = class_depth(images) >= 0
    if in_folders:
        for entry in [e for e in found if e.name.count("/") <= depth]:
            skips.add(entry.name, "outside the class folders")
        found = [e for e in found if e.name.count("/") > depth]
        notes.append("the sub-folders are taken as classes")
    likely = [e for e in found if _suffix(e.name) in SUFFIXES]
    return Found(
        key, found, spread(likely or found), len(found), len(likely), skips, depth if in_folders else -1, notes
    )


def wrappers(names: Sequence[str]) -> int:
    """How many folders, from the outermost, hold all of these."""
    if not names:
        return 0
    first, last = min(names).split("/")[:-1], max(names).split("/")[:-1]
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


@dataclass(frozen=True, slots=True)
class _MemberReader:
    archive: zipfile.ZipFile
    member: zipfile.ZipInfo
    lock: threading.Lock

    def __call__(self, most: int) -> bytes:
        try:
            # reading is safe from several threads; opening and closing are not, as they count the open members
            with self.lock:
                file = self.archive.open(self.member)
            try:
                return file.read(most)
            finally:
                with self.lock:
                    file.close()
        except Exception as why:  # zipfile lets the errors of its decompressors through
            raise Skip("damaged in the archive") from why
