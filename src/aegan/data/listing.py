"""The files under a folder, and which of them are safe and worth reading."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aegan.data.decode import MOST_BYTES, too_large
from aegan.data.litter import RUN, left_by_a_program, results_inside

LITTER = ("__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "@eadir", "icon\r")
EMPTY_FOLDER = "an empty folder"


class Listed(NamedTuple):
    """One file.

    Args:
        name: its path inside the folder, with forward slashes.
        path: its path.
        why: why it is not to be read; "" if it may be.
        size: bytes.
        changed: time of its last change, nanoseconds.
    """

    name: str
    path: str
    why: str = ""
    size: int = 0
    changed: int = 0

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.name)[1].lower()


def walk(root: Path) -> Iterator[Listed]:
    """Every file under a folder, sorted by name; links to folders, and links out of it, are reported, not followed.

    Folders that a program left (a run of aegan or of others) are reported in one line each, and so are empty ones.

    Plain strings and directory entries, no `Path` a file: with those, listing 50,000 files took seconds.
    """
    real = os.path.realpath(root)
    inside = [real]
    parent, snapshots = os.path.split(os.path.dirname(real))
    if snapshots == "snapshots":  # the Hugging Face cache: snapshots/REVISION is made of links into blobs
        inside.append(os.path.join(parent, "blobs"))
    yield from _walk(os.fspath(root), "", tuple(os.path.join(each, "") for each in inside))


def _walk(folder: str, prefix: str, within: tuple[str, ...]) -> Iterator[Listed]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        if not prefix:
            raise
        yield Listed(prefix[:-1], folder, "can't be read")
        return
    inside = [entry.name for entry in entries]
    results = set() if prefix else results_inside(inside)
    if prefix and (why := left_by_a_program(os.path.basename(folder), inside)):
        yield Listed(prefix[:-1], folder, why)
        return
    if prefix and not entries:
        yield Listed(prefix[:-1], folder, EMPTY_FOLDER)
    for entry in entries:
        name = prefix + entry.name
        try:
            link, is_folder = entry.is_symlink(), entry.is_dir()
            if hidden((entry.name,)):
                yield Listed(name, entry.path, "hidden")
            elif entry.name in results:
                yield Listed(name, entry.path, RUN)
            elif link and is_folder:
                yield Listed(name, entry.path, "linked folder")
            elif link and not os.path.realpath(entry.path).startswith(within):
                yield Listed(name, entry.path, "symbolic link that leads out of the folder")
            elif is_folder:
                yield from _walk(entry.path, name + "/", within)
            else:
                status = entry.stat()
                why = unfit(status.st_size, stat.S_ISREG(status.st_mode))
                yield Listed(name, entry.path, why, status.st_size, status.st_mtime_ns)
        except OSError:
            yield Listed(name, entry.path, "broken symbolic link" if entry.is_symlink() else "can't be read")


def hidden(parts: Sequence[str]) -> bool:
    """Whether a path is one that file managers and archivers keep for themselves.

    >>> hidden(("__MACOSX", "cat.png")), hidden(("cats", "cat.png"))
    (True, False)
    """
    return any(part.startswith(".") or part.lower() in LITTER for part in parts)


def unfit(size: int, regular: bool) -> str:
    """Why a file of such a size must not be read as an image; "" if it may be."""
    if not regular:
        return "not a file"
    return "empty" if size == 0 else too_large() if size > MOST_BYTES else ""
