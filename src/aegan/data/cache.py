"""Decoded data kept on disk, memory-mapped when read: written whole or not at all, and rebuilt when damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from aegan.data.spec import FileNames
from aegan.data.split import content_hash
from aegan.errors import UserError
from aegan.evenly import evenly

VERSION = 4  # of the layout and of how pixels are made: a change of either makes older caches stale
META = "meta.json"
CHECKED = 2**25  # bytes of each array of items that are read again and compared with the hashes of their rows, about
STALE = 7 * 24 * 3600  # seconds after which an unfinished folder is one that a killed run left
REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def key_of(*parts: object) -> str:
    """The name of a cache: a hash of what determines its content.

    >>> key_of("a", 32) == key_of("a", 32) != key_of("a", 64)
    True
    """
    return hashlib.blake2b(repr((VERSION, *parts)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@contextmanager
def unfinished(root: Path, need: int, what: str = "Decoded images") -> Iterator[Path]:
    """A fresh folder to write `need` bytes in, about; removed on leaving: what is finished has been renamed by then.

    Raises:
        UserError: no room, or no permission.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        free = shutil.disk_usage(root).free
        if free < need:
            raise _refusal(root, f"{_size(need)} needed, {_size(free)} free", what)
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    except OSError as why:
        raise _refusal(root, why.strerror or str(why), what) from why
    try:
        yield folder
    except OSError as why:
        if why.errno in REFUSED:
            raise _refusal(root, why.strerror or str(why), what) from why
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, final: Path) -> None:
    """Gives a finished folder its name. Where another run was first, its equal work stays."""
    try:
        os.rename(folder, final)
    except OSError:
        if not final.is_dir():
            raise


def discard(final: Path) -> None:
    """Removes a damaged cache: first out of the way in one step, so that nobody opens the half of it."""
    folder = tempfile.TemporaryDirectory(prefix=".unfinished-", dir=final.parent, ignore_cleanup_errors=True)
    with folder as aside, suppress(OSError):  # another run was first
        os.rename(final, Path(aside) / "damaged")


def write_rows(path: Path, shape: tuple[int, ...], dtype: Any, pieces: Iterable[np.ndarray]) -> None:
    """An .npy file, piece by piece, through plain writes: on a full disk a memory map would kill the process."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).data)


def write_split(
    folder: Path, part: str, places: np.ndarray, hashes: np.ndarray, labels: np.ndarray | None, names: Iterable[str]
) -> None:
    """Everything of a split but its items: places int64 (N,), hashes uint8 (N, 16), labels int64 (N,), names."""
    np.save(folder / f"{part}-places.npy", places)
    np.save(folder / f"{part}-hashes.npy", hashes)
    if labels is not None:
        np.save(folder / f"{part}-labels.npy", labels)
    text, ends = FileNames.pack(names)
    np.save(folder / f"{part}-names.npy", text)
    np.save(folder / f"{part}-ends.npy", ends)


def write_manifest(folder: Path, meta: dict[str, Any]) -> None:
    """Writes the description, last: with it, the size of every file, and the checksum of all but the items."""
    files = {}
    for path in sorted([*folder.glob("*.npy"), *folder.glob("*.bin")]):
        items = path.stem.endswith("items") or path.suffix == ".bin"
        files[path.name] = [path.stat().st_size, "" if items else _checksum(path)]
    content = {"version": VERSION, **meta, "files": files}
    (folder / META).write_text(json.dumps({**content, "sum": _sum(content)}, indent=1), encoding="utf-8")


def read(final: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """(description, arrays by name), the arrays memory-mapped; None where there is no cache, or a damaged one.

    Files are compared by size and, all but the items, by checksum. Items, which may be larger than memory, are compared with
    the hashes of their rows, evenly spread ones where they have more than `CHECKED` bytes.
    """
    try:
        meta = json.loads((final / META).read_text(encoding="utf-8"))
        if meta["version"] != VERSION or meta.pop("sum", None) != _sum(meta):
            return None
        for name, (size, checksum) in meta["files"].items():
            path = final / name
            if path.stat().st_size != size or (checksum and _checksum(path) != checksum):
                return None
        # an empty array (names of nothing) can't be mapped
        arrays = {
            Path(name).stem: np.load(final / name, mmap_mode="r" if size > 256 else None, allow_pickle=False)
            for name, (size, _) in meta["files"].items()
            if name.endswith(".npy")
        }
        for part in ("train", "held-out"):
            if f"{part}-items" not in arrays:
                continue  # images that lie elsewhere, which who opens them compares; or codes, which have their checksum
            items, hashes = arrays[f"{part}-items"], arrays[f"{part}-hashes"]
            for i in probes(len(items), items[:1].nbytes):
                if content_hash(items[i]) != bytes(hashes[i]):
                    return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return meta, arrays


def _sum(meta: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16).hexdigest()


def probes(count: int, size: int) -> np.ndarray:
    """Which of so many rows of `size` bytes are read again and compared."""
    return evenly(count, CHECKED // max(1, size) + 1)


def _checksum(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _sweep(root: Path) -> None:
    """Removes what killed runs left."""
    for folder in root.glob(".unfinished-*"):
        with suppress(OSError):  # another run sweeps too
            if time.time() - folder.stat().st_mtime > STALE:
                shutil.rmtree(folder, ignore_errors=True)


def _refusal(root: Path, why: str, what: str) -> UserError:
    return UserError(
        f"{what} can't be kept in {root}: {why}.",
        "Make room, or name another folder for the cache: the environment variable AEGAN_CACHE, or cache_dir.",
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
