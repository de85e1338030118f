"""Chosen rows of arrays that may be larger than memory: read when asked for, in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

PIECE = 2**26  # bytes read at a time


class Rows:
    """Some rows of one or more arrays of one row shape, in the order of those arrays.

    Args:
        parts: arrays (N, ...), in memory or memory-mapped.
        index: which rows of their concatenation; None for all.

    >>> rows = Rows([np.arange(3), np.arange(3, 6)], np.array([1, 4]))
    >>> len(rows), rows[:].tolist()
    (2, [1, 4])
    """

    def __init__(self, parts: Sequence[np.ndarray], index: np.ndarray | None = None) -> None:
        self.parts = [p for p in parts if len(p)] or list(parts[:1])
        self.index = np.arange(sum(map(len, self.parts))) if index is None else index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of one row."""
        return tuple(self.parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.parts[0].dtype

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        """These rows, in memory."""
        index = self.index[which]
        out = np.empty((len(index), *self.row), self.dtype)
        start = 0
        for part in self.parts:
            mine = (index >= start) & (index < start + len(part))
            if mine.all():
                return np.array(part[index - start])
            out[mine] = part[index[mine] - start]
            start += len(part)
        return out

    def at(self, places: np.ndarray) -> Rows:
        """Those at these places among them."""
        return Rows(self.parts, self.index[places])

    def choose(self, count: int, seed: int) -> Rows:
        """At most `count` of them, drawn without replacement, in their own order (which reads a memory map forwards)."""
        if len(self) <= count:
            return self
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return Rows(self.parts, self.index[drawn])

    def pieces(self) -> Iterator[np.ndarray]:
        """All of them, at most `PIECE` bytes at a time."""
        step = max(1, PIECE // max(int(np.prod(self.row)) * self.dtype.itemsize, 1))
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def digest(self) -> str:
        """A hash of their content and shape."""
        found = hashlib.sha256(f"{len(self)} {self.row} {self.dtype}".encode())
        for piece in self.pieces():
            found.update(np.ascontiguousarray(piece).data)
        return found.hexdigest()[:32]
