"""Images in a folder or a zip archive: what is there, and what may be read."""

from __future__ import annotations

import hashlib
import stat
import threading
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from aegan.data.cache import key_of
from aegan.data.choosing import ARCHIVES, NO_LABEL, WITHOUT, Choice, choose, facts_of, suffix_of
from aegan.data.decode import MOST_BYTES, SUFFIXES, Entry, Skip
from aegan.data.formats import refuse_pointer
from aegan.data.inspection import NAMES_KEPT, Skipped, printable
from aegan.data.layout import STRAY, WANTING
from aegan.data.listing import EMPTY_FOLDER, UNREAD, Listed, changed, hidden, unfit
from aegan.data.tables import may_tell
from aegan.data.zipnames import zip_names
from aegan.errors import UserError
from aegan.names import as_bytes

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others decompress without bound, whatever size is declared
MOST_DIRECTORY = 2**28  # bytes of a zip's list of members, which is read whole: two to four million of them
RULES = b"3"  # by which files become data and get labels: a change of these makes older caches stale
MOST_COMPARED = 2**20  # files that are compared with those they may be copies of


class Skips:
    """Counts what is left out, by reason, keeping the first names of each."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._names = defaultdict[str, list[str]](list)

    def add(self, name: str, why: str) -> None:
        self._counts[why] += 1
        if len(self._names[why]) < NAMES_KEPT:
            self._names[why].append(printable(name))

    def forget(self, *begins: str) -> None:
        """What was left out for reasons that begin so is used after all."""
        for why in [why for why in self._counts if why.startswith(begins)]:
            del self._counts[why]

    def found(self) -> dict[str, Skipped]:
        """By reason, the most frequent first."""
        order = sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))
        return {why: Skipped(count, tuple(self._names[why])) for why, count in order}


@dataclass
class Found:
    """The images of a source, not yet decoded.

    Of shards, which are read lazily, `total` and `likely` are estimates for tars, and `skips`, `notes`, `labels_from` and
    `classes` are complete once `entries` have been read.
    """

    key: str  # changes whenever the source does
    entries: Iterable[Entry]  # every image that may be read, in a fixed order; to be read once
    sample: Sequence[Entry]  # some of them, spread over the source, at most 1,000
    total: int
    likely: int  # how many of them are images by their names
    skips: Skips  # what has been left out so far
    notes: list[str]  # what was decided about the source
    labels_from: str = ""  # where its labels come from, in words; "none: " and why
    classes: tuple[str, ...] = ()  # names by number, where the source has them
    shards: bool = False  # the images lie in a few large files, whose name begins the names of the images
    archive: zipfile.ZipFile | None = None  # that the entries are read from
    every: Sequence[Entry] = ()  # with those too that were left out for want of a label; empty: there are none such

    def unlabelled(self) -> Found:
        """With the images, too, that were left out for want of a label."""
        if not self.every:
            return self
        self.skips.forget(NO_LABEL, STRAY)
        more = len(self.every) - self.total
        return replace(
            self, key=key_of(self.key, "every"), entries=self.every, total=self.total + more, likely=self.likely + more,
            notes=[note for note in self.notes if WANTING not in note and WITHOUT not in note], every=(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Reads bytes that lie in a file as they are: all of it, or a member of an uncompressed archive.

    The file is opened for each reading. That takes some ten microseconds, and there is no limit on how many shards a
    set may have, no state that threads share, and no memory map whose pages would count as this process's memory.
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
            raise Skip(UNREAD) from why


def stamp(path: Path) -> str:
    """Changes whenever a file does: where it lies, its size, and when it and what is said of it were last changed."""
    status = path.stat()
    return f"{path.resolve()}\0{status.st_size}\0{changed(status)}"


def spread(entries: Sequence[Entry], most: int = 1_000) -> list[Entry]:
    """At most so many, evenly spaced."""
    return [entries[i * len(entries) // most] for i in range(most)] if len(entries) > most else list(entries)


def in_folder(root: Path, listing: Iterable[Listed], everything: bool = False) -> Found:
    """The images under a folder, of its listing; with `everything`, whatever splits, classes or copies its folders may be.

    The key hashes path, size and time of change of every file, not the contents: reading 100 GB to learn that nothing
    has changed would take longer than training. Contents are hashed when they are decoded, and it is those hashes that
    decide the split and the fingerprint, so a file rewritten unnoticed (same size, same nanosecond) costs no more than
    a stale cache. The folder's own path counts too: unpacking may give all files one time, and uncompressed images all
    have one size. The time at which a file's entry changed counts as well: unpacking may give all files the times that they
    had elsewhere, and a change of permissions makes a file readable that was not.
    """
    skips, found = Skips(), []
    key = hashlib.blake2b(RULES + as_bytes(str(root.resolve())), digest_size=16)
    for each in listing:
        if each.why:
            skips.add(each.name, each.why)
            if each.why == EMPTY_FOLDER:  # which may be meant as a class
                key.update(as_bytes(f"{each.name}/"))
        else:
            key.update(as_bytes(f"{each.name}\0{each.size}\0{each.changed}\0"))
            found.append(Entry(each.name, ByteRange(each.path, 0, each.size)))
    return _found(found, skips, key.hexdigest(), root.resolve().name, everything)


def in_zip(path: Path, everything: bool = False) -> Found:
    """The images in a zip archive, read where they are: nothing is unpacked, so no name in it can lead anywhere."""
    check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
        names, guessed = zip_names(archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as why:
        raise UserError(f"{path} is not a whole zip archive ({why}).", "Fetch or pack it again.") from why
    with closed_on_error(archive):
        out = _in_archive(archive, names, path, everything)
    if guessed:
        out.notes.append(guessed)
    return out


@contextmanager
def closed_on_error(archive: zipfile.ZipFile | None) -> Iterator[None]:
    """Closes an archive if the block raises: what is raised holds the frames, and these would hold the file."""
    try:
        yield
    except BaseException:
        if archive is not None:
            archive.close()
        raise


def _in_archive(archive: zipfile.ZipFile, names: list[str], path: Path, everything: bool) -> Found:
    members = [(n.replace("\\", "/"), m) for n, m in zip(names, archive.infolist(), strict=True)]
    skips, found, lock = Skips(), [], threading.Lock()
    key = hashlib.blake2b(RULES + as_bytes(str(path.resolve())), digest_size=16)
    full = {above for name, _ in members if not name.endswith("/") for above in _above(name)}
    for each in sorted({above for name, _ in members for above in _above(name)} - full):
        if not hidden(PurePosixPath(each).parts):
            skips.add(each, EMPTY_FOLDER)
    for name, member in sorted((m for m in members if not m[0].endswith("/")), key=lambda m: m[0]):
        if reason := unsafe(name) or _unreadable(member):
            skips.add(name, reason)
        else:
            key.update(as_bytes(f"{name}\0{member.file_size}\0{member.CRC}\0"))
            found.append(Entry(name, _MemberReader(archive, member, lock)))
    return replace(_found(found, skips, key.hexdigest(), path.resolve().stem, everything), archive=archive)


def unsafe(name: str) -> str:
    """Why a file of such a path in an archive must not be read; "" if it may be."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        return "path that leads out of the archive"
    return "hidden" if hidden(parts) else ""


def _unreadable(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 1:
        return "encrypted"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "symbolic link"
    if member.compress_type not in METHODS:
        return "compressed by another method than deflate"
    return unfit(member.file_size)


def _above(name: str) -> Iterator[str]:
    """The folders that a path lies in."""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)


def check_directory(path: Path) -> None:
    """Refuses a zip archive whose list of members is too large to be read whole, before it is."""
    refuse_pointer(path)
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


def _found(found: list[Entry], skips: Skips, key: str, title: str, everything: bool) -> Found:
    """Of all files those to train on, with their labels."""
    by_name = {entry.name: entry for entry in found}
    choice = Choice.all()
    if not everything:
        choice = choose(
            lambda: [e.name for e in found if suffix_of(e.name) in SUFFIXES or not suffix_of(e.name)],
            facts_of(by_name),
            [entry for name, entry in by_name.items() if may_tell(name)],
            title,
            lambda again: copies(again, by_name),
        )
    used, every = [], []
    for entry in found:
        if entry.name in choice.used:
            continue
        label, why = choice.of(entry.name)
        if why:
            skips.add(entry.name, why)
        else:
            used.append(replace(entry, label=label))
        if not why or why.startswith((NO_LABEL, STRAY)):
            every.append(replace(entry, label=None))
    likely = [e for e in used if suffix_of(e.name) in SUFFIXES]
    # what the label files say counts, too: one that can't be read now may be readable at the next opening
    said = hashlib.blake2b(as_bytes("\0".join([key, *choice.notes])), digest_size=16)
    return Found(
        said.hexdigest(),
        used,
        spread(likely or used),
        len(used),
        len(likely),
        skips,
        choice.notes,
        choice.labels_from,
        choice.classes,
        every=every if len(every) > len(used) else (),
    )


def copies(again: Mapping[str, str], entries: Mapping[str, Entry]) -> frozenset[str]:
    """Of files by their paths those in the folders `again` that stand, byte for byte, in the other folder of each too."""
    out = set[str]()
    for name, entry in entries.items():
        folder, _, base = name.rpartition("/")
        other = again.get(folder)
        twin = entries.get(f"{other}/{base}" if other else base) if other is not None else None
        if twin and len(out) < MOST_COMPARED and suffix_of(base) not in ARCHIVES:
            with suppress(Skip):
                if entry.read(MOST_BYTES) == twin.read(MOST_BYTES):
                    out.add(name)
    return frozenset(out)


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
        except MemoryError:
            raise
        except OSError as why:
            raise Skip(UNREAD) from why
        except Exception as why:  # zipfile lets the errors of its decompressors through
            raise Skip("damaged in the archive") from why
