"""Files that are whole or not there: text and bytes, written atomically. Needs no torch."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name; `sweep` finds it."""
    mine = f".{os.getpid()}.part"
    return path.with_name(f".{shortened(path.name, LONGEST - len(mine) - 1)}{mine}")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing: beside its place first, flushed to disk, then renamed over it."""
    part = part_of(path)
    with explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _settle(path.parent)
        except BaseException:  # Ctrl-C too
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """A whole text file or nothing, UTF-8 on every machine.

    Stray bytes of names, which are lone surrogates, become `\\udcNN`: to JSON the very same name, to people its spelling.
    """
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def write_arrays(path: Path, **arrays: Any) -> None:
    """A compressed .npz, whole or not at all, of what is not None."""
    import numpy as np

    with io.BytesIO() as buffer:
        np.savez_compressed(buffer, **{k: v for k, v in arrays.items() if v is not None})
        write_atomically(path, buffer.getvalue())


def _settle(folder: Path) -> None:
    """Flushes a folder's entries: without it, a power cut may take a new name back after older files have been let go."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while writing has left below `folder`; nobody else may be writing there."""
    for part in folder.rglob(".*.part"):
        with contextlib.suppress(OSError):
            part.unlink()
