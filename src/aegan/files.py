"""Files that are whole or not there: text and bytes, written atomically. Needs no torch."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from aegan.errors import UserError
from aegan.names import LONGEST, shortened


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals while writing `path` into one line a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk is full: {path} could not be written.",
                "Free space, then give the same command again, of a training with --resume.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"No permission to write {path}.", "Choose another folder with --out.") from error
        why = error.strerror or error
        raise UserError(f"{path} could not be written: {why}.", "Choose another place with --out.") from error


def need_empty(folder: Path, fix: str) -> None:
    """Refuses a folder that holds something, and a file of that name."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; nothing was written.", fix)


def need_suffix(path: Path | None, suffixes: Collection[str], what: str, fix: str) -> None:
    """Refuses a file of another kind before the work, not after it."""
    if path is not None and path.suffix.lower() not in suffixes:
        raise UserError(f"{what}, not {path.suffix or 'a folder'}.", fix)


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name; `sweep` finds it."""
    mine = f".{os.getpid()}.part"
    return path.with_name(f".{shortened(path.name, LONGEST - len(mine) - 1)}{mine}")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write to, which gets its name at the end: all of it or nothing. An empty one of that name is replaced."""
    path = path.absolute()
    part = part_of(path)
    try:
        part.mkdir(parents=True)
        yield part
        if path.is_dir() and path.samefile(Path()):  # the working folder: whoever is in it would be nowhere
            for each in part.iterdir():
                each.rename(path / each.name)
            return
        if path.is_dir():
            path.rmdir()
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, whole or not there: beside its place first, flushed to disk, then renamed over it."""
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _settle(path.parent)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing."""
    with explained(path), whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """A whole text file or nothing, UTF-8 on every machine.

    Stray bytes of names, which are lone surrogates, become `\\udcNN`: to JSON the very same name, to people its spelling.
    """
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: Any, *, ensure_ascii: bool = True) -> None:
    """The same of plain values, as JSON in lines."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=ensure_ascii) + "\n")


def npz_bytes(**arrays: Any) -> bytes:
    """A compressed .npz of what is not None."""
    import numpy as np

    with io.BytesIO() as buffer:
        np.savez_compressed(buffer, **{k: v for k, v in arrays.items() if v is not None})
        return buffer.getvalue()


def write_arrays(path: Path, **arrays: Any) -> None:
    """The same as a file, whole or not at all."""
    write_atomically(path, npz_bytes(**arrays))


def _settle(folder: Path) -> None:
    """Flushes a folder's entries: without it, a power cut may take a new name back after older files have been let go.

    Windows and some network file systems cannot do that; the file is in its place all the same.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):  # a disk that fails
            raise


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while writing has left below `folder`; nobody else may be writing there."""
    for part in folder.rglob(".*.part"):
        if part.stem.rpartition(".")[2].isdecimal():  # the number of a process: other people's files have none
            with contextlib.suppress(OSError):
                part.unlink()
