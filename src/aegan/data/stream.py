"""Images decoded as they are asked for: an index of places takes the place of the pixels, so memory holds neither."""

from __future__ import annotations

import os
import warnings
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

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

Array = NDArray[Any]

PACK = "images.bin"  # in a cache: stored images that have no place of their own elsewhere, one after another
AT_ONCE = 16  # images in one piece of work
MOST_WHOLE = 2**32  # bytes of pixels that may be asked for at once


def workers() -> int:
    """Threads that decode: the cores that this process may use, at most 16, and no more than `--threads`."""
    return min(16, allowed())


class Pending:
    """Images on their way.

    Args:
        parts: pieces of them, in order.
    """

    def __init__(self, parts: Sequence[Future[Array]]) -> None:
        self._parts = parts

    def result(self) -> Array:
        """The images, uint8 (n, H, W, C); waits for them."""
        return np.concatenate([part.result() for part in self._parts])


class Streamed:
    """Images (N, H, W, C) that are read like an array, `items[index]`, and decoded at that moment.

    Args:
        files: the files they lie in; "" is the pack of the cache.
        which, offset, length: where each lies: number of the file, and bytes.
        wanted: the form to decode to, of a known size.
        channels: C, to which what was decoded is brought.
        pack: path of the pack.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        files: Sequence[str],
        which: Array,
        offset: Array,
        length: Array,
        wanted: ImageFormat,
        channels: int,
        pack: Path,
    ) -> None:
        self.files, self.which, self.offset, self.length = files, which, offset, length
        self.wanted, self.channels, self.pack = wanted, channels, pack
        self.shape = (len(which), *wanted.sides, channels)
        # for good, since filters belong to the process and decoding goes on in threads; what Pillow has to say was of
        # interest when the images were first looked at
        warnings.filterwarnings("ignore", module=r"PIL\.")

    @classmethod
    def read(cls, folder: Path, arrays: Mapping[str, Array], part: str, wanted: ImageFormat, channels: int) -> Streamed:
        """What `write_files` and `write_places` wrote in a cache."""
        files = FileNames(arrays["files"], arrays["files-ends"])
        which, offset, length = (np.asarray(arrays[f"{part}-{key}"]) for key in ("which", "offset", "length"))
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
        for key, values in (("which", self.which), ("offset", self.offset), ("length", self.length)):
            np.save(folder / f"{part}-{key}.npy", values[here])

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
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, index: Any) -> Array:
        if isinstance(index, int | np.integer):
            return self._decoded(range(len(self))[int(index)])
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return self.start(index).result() if len(index) else np.empty((0, *self.shape[1:]), np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.nbytes > MOST_WHOLE:
            raise UserError(
                f"This needs all {len(self):,} images in memory, {self.nbytes / 1e9:.0f} GB.",
                "Name fewer of the shards.",
            )
        return self[:] if dtype is None else self[:].astype(dtype)

    def start(self, index: Array) -> Pending:
        """Begins to decode the images of these places, and does not wait."""
        pieces = [index[i : i + AT_ONCE] for i in range(0, len(index), AT_ONCE)]
        return Pending([self._pool.submit(self._some, piece) for piece in pieces])

    def take(self, index: Array) -> Streamed:
        """Some of the images, still to be decoded."""
        places = self.which[index], self.offset[index], self.length[index]
        return Streamed(self.files, *places, self.wanted, self.channels, self.pack)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(workers(), thread_name_prefix="decode")

    def _some(self, index: Array) -> Array:
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in zip(out, index, strict=True):
            row[...] = self._decoded(int(i))
        return out

    def byte_range(self, i: int) -> ByteRange:
        """Where an image lies."""
        path = self.files[int(self.which[i])] or str(self.pack)
        return ByteRange(path, int(self.offset[i]), int(self.length[i]))

    def _decoded(self, i: int) -> Array:
        place = self.byte_range(i)
        path = place.path
        try:
            return with_channels(decode_pixels(place(MOST_BYTES), self.wanted, path), self.channels)
        except Skip as why:
            raise UserError(
                f"{printable(path)}, at byte {int(self.offset[i]):,}: an image that was whole is {why}.",
                "Bring the file back, or train in a new folder, where it is looked at anew.",
            ) from why


class Places:
    """Gathers where images lie, while they are looked at for the first time; closes what it opened on leaving.

    Args:
        pack: where stored images go that have no place of their own.
    """

    def __init__(self, pack: Path) -> None:
        self.pack = pack
        self._files: dict[str, int] = {}
        self._which, self._offset, self._length = array("i"), array("q"), array("q")
        self._packed: BinaryIO | None = None

    def __enter__(self) -> None:
        return None

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
