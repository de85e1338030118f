"""Images decoded as they are asked for: an index of places takes the place of the pixels, so memory holds neither."""

from __future__ import annotations

import math
import os
import warnings
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aegan.cores import allowed
from aegan.data import cache
from aegan.data.decode import MOST_BYTES, Skip, decode_pixels
from aegan.data.files import ByteRange
from aegan.data.fit import with_channels
from aegan.data.format import ImageFormat
from aegan.data.inspection import printable
from aegan.data.spec import FileNames
from aegan.data.split import content_hash
from aegan.errors import UserError
from aegan.hints import Array

PACK = "images.bin"  # in a cache: stored images that have no place of their own elsewhere, one after another
PLACE = ("which", "offset", "length")
AT_ONCE = 16  # images in one piece of work
MOST_WHOLE = 2**32  # bytes of pixels that may be asked for at once


def workers() -> int:
    """Threads that decode: the cores that this process may use, at most 16, and no more than `--threads`."""
    return min(16, allowed())


@dataclass(eq=False, repr=False)
class Streamed:
    """Images (N, H, W, C) that are read like an array, `items[index]`, and decoded at that moment."""

    files: Sequence[str]  # that they lie in; "" is the pack of the cache
    which: Array  # the number of each one's file,
    offset: Array  # and where in it it lies, bytes
    length: Array
    wanted: ImageFormat  # to decode to, of a known size
    channels: int  # C, to which what was decoded is brought
    pack: Path
    ndim = 4
    dtype = np.dtype(np.uint8)

    def __post_init__(self) -> None:
        self.shape = (len(self.which), *self.wanted.sides, self.channels)
        # for good, since filters belong to the process and decoding goes on in threads; what Pillow has to say was of
        # interest when the images were first looked at
        warnings.filterwarnings("ignore", module=r"PIL\.")

    @classmethod
    def read(cls, folder: Path, arrays: Mapping[str, Array], part: str, wanted: ImageFormat, channels: int) -> Streamed:
        """What `write_files` and `write_places` wrote in a cache."""
        files = FileNames(arrays["files"], arrays["files-ends"])
        which, offset, length = (np.asarray(arrays[f"{part}-{key}"]) for key in PLACE)
        return cls(files, which, offset, length, wanted, channels, folder / PACK)

    def write_files(self, folder: Path) -> None:
        """The names of the files, and the pack if there is one, which moves."""
        text, ends = FileNames.pack(self.files)
        np.save(folder / "files.npy", text)
        np.save(folder / "files-ends.npy", ends)
        if self.pack.exists():
            self.pack = self.pack.rename(folder / PACK)

    def write_places(self, folder: Path, part: str, here: Array) -> None:
        """The places of some of the images."""
        for key in PLACE:
            np.save(folder / f"{part}-{key}.npy", getattr(self, key)[here])

    def sound(self, hashes: Array) -> bool:
        """Whether some of the images, read anew, are still those of these content hashes (N, 16)."""
        try:
            return all(
                content_hash(self[int(i)]) == bytes(hashes[i]) for i in cache.probes(len(self), cache.CHECKED // 64)
            )
        except UserError:
            return False

    def __len__(self) -> int:
        return len(self.which)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, index: Any) -> Array:
        if isinstance(index, int | np.integer):
            return self._decoded(range(len(self))[int(index)])
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return self.start(index)() if len(index) else np.empty((0, *self.shape[1:]), np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.nbytes > MOST_WHOLE:
            raise UserError(
                f"This needs all {len(self):,} images in memory, {self.nbytes / 1e9:.0f} GB.",
                "Name fewer of the shards.",
            )
        return self[:] if dtype is None else self[:].astype(dtype)

    def start(self, index: Array) -> Callable[[], Array]:
        """Begins to decode the images of these places; what it returns waits for them, uint8 (n, H, W, C)."""
        pieces = [index[i : i + AT_ONCE] for i in range(0, len(index), AT_ONCE)]
        parts = [self._pool.submit(self._some, piece) for piece in pieces]
        return lambda: np.concatenate([part.result() for part in parts])

    def take(self, index: Array) -> Streamed:
        """Some of the images, still to be decoded."""
        return replace(self, **{key: getattr(self, key)[index] for key in PLACE})

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(workers(), thread_name_prefix="decode")

    def _some(self, index: Array) -> Array:
        return np.stack([self._decoded(int(i)) for i in index])

    def byte_range(self, i: int) -> ByteRange:
        """Where an image lies."""
        path = self.files[int(self.which[i])] or str(self.pack)
        return ByteRange(path, int(self.offset[i]), int(self.length[i]))

    def _decoded(self, i: int) -> Array:
        place = self.byte_range(i)
        try:
            return with_channels(decode_pixels(place(MOST_BYTES), self.wanted, place.path), self.channels)
        except Skip as why:
            raise UserError(
                f"{printable(place.path)}, at byte {int(self.offset[i]):,}: an image that was whole is {why}.",
                "Bring the file back, or train in a new folder, where it is looked at anew.",
            ) from why


class Places(AbstractContextManager[Any]):
    """Gathers where images lie, while they are looked at for the first time; those without a place go into the `pack`."""

    def __init__(self, pack: Path) -> None:
        self.pack = pack
        self._files: dict[str, int] = {}
        self._which, self._offset, self._length = array("i"), array("q"), array("q")
        self._packed: BinaryIO | None = None

    def __exit__(self, *_: object) -> None:
        if self._packed:
            self._packed.close()

    def add(self, read: Callable[[int], bytes], stored: bytes) -> None:
        """One more: where its reader reads, or, for other readers, what is stored."""
        if isinstance(read, ByteRange):
            path, offset, length = os.path.abspath(read.path), read.offset, read.length
        else:
            if self._packed is None:
                self._packed = open(self.pack, "wb")  # noqa: SIM115  # closed on leaving
            path, offset, length = "", self._packed.tell(), len(stored)
            self._packed.write(stored)
        self._which.append(self._files.setdefault(path, len(self._files)))
        self._offset.append(offset)
        self._length.append(length)

    def __len__(self) -> int:
        return len(self._which)

    def streamed(self, wanted: ImageFormat) -> Streamed:
        """The images."""
        places = np.array(self._which, np.int32), np.array(self._offset), np.array(self._length)
        return Streamed(list(self._files), *places, wanted, wanted.channels or 3, self.pack)
