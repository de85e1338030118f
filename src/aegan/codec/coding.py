"""Symbols to 32-bit words and back, with constriction's range coder under the integer densities of `aegan.codec.fixed`.

Coding and decoding walk the same way, so each walk is written once: `Words` either puts symbols in or gets them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from aegan.codec.fixed import ONE, FixedCodeDensity, FixedPixelDensity, FixedPointMixture, frequencies, sigmoid
from aegan.errors import required
from aegan.hints import Array
from aegan.networks.entropy import PIXEL_UNIT, CodeDensity, PixelDensity

WIDEST = 511  # symbols in a window around a mixture; what lies outside is coded in 16 bits
CELLS = 20
FURTHEST = 2**15  # most steps of a number from 0, and from its window


class Damaged(Exception):
    """The words are not what these densities wrote."""


class Words:
    """A range coder: with symbols it puts them in, without it gets them out of `words`."""

    def __init__(self, words: Array | None = None) -> None:
        with required("Compressing needs constriction", '"aegan[codec]"'):
            import constriction
        model, queue = constriction.stream.model, constriction.stream.queue
        # decoding exact ties to the integer frequencies given: "perfect" would search for roundings of its own
        self.given, self.uniform = model.Categorical(perfect=False), model.Uniform(2 * FURTHEST)
        self.coder = queue.RangeEncoder() if words is None else queue.RangeDecoder(words.astype(np.uint32))

    def symbols(self, freq: Array, symbols: Array | None) -> Array:
        """Symbols (n,) of frequencies (n, K): those given, put in, or those got out."""
        if symbols is not None:
            self.coder.encode(symbols.astype(np.int32), self.given, freq)
            return symbols
        return np.asarray(self.coder.decode(self.given, freq), np.int64)

    def far(self, n: int, values: Array | None) -> Array:
        """Whole numbers (n,) in ± FURTHEST, of which nothing is known."""
        if values is not None:
            self.coder.encode((values + FURTHEST).astype(np.int32), self.uniform)
            return values
        return np.asarray(self.coder.decode(self.uniform, n), np.int64) - FURTHEST

    def done(self) -> Array:
        """All that was put in, uint32 (W,)."""
        return np.asarray(self.coder.get_compressed())


def code_words(density: CodeDensity, step: int, codes: Array) -> Array:
    """Rounded codes, whole numbers (N, P, h, w), to words."""
    words = Words()
    _walk_codes(words, density, step, len(codes), np.clip(codes, -FURTHEST, FURTHEST - 1).astype(np.int32))
    return words.done()


def words_to_codes(words: Array, density: CodeDensity, step: int, n: int) -> Array:
    """What `code_words` was given, int32 (n, P, h, w).

    Raises:
        Damaged: the words were written by another density, or are no such words.
    """
    with _reading():
        return _walk_codes(Words(words), density, step, n, None)


def _walk_codes(words: Words, density: CodeDensity, step: int, n: int, codes: Array | None) -> Array:
    fixed = FixedCodeDensity(density, step, n)
    # int32, and no second array where they are known: of a large image the codes are most of the memory
    out = np.empty((n, *density.shape), np.int32) if codes is None else codes
    for c, row, col in np.ndindex(*density.shape):
        known = None if codes is None else codes[:, c, row, col].astype(np.int64)
        k = _number(words, fixed.mixture(c, row, col), step, known)
        out[:, c, row, col] = k
        fixed.known(c, row, col, k)
    return out


def _number(words: Words, mixture: FixedPointMixture, step: int, k: Array | None) -> Array:
    """One number of every code, int64 (n,): its place in a window around the mixture, whose ends stand for all beyond."""
    # edges count 2^-9, so that a step is 2 step of them
    low = mixture.low // (2 * step)
    high = -(-mixture.high // (2 * step))
    width = min(int((high - low).max()) + 1, WIDEST)
    cell = -(-width // CELLS)  # symbols to a cell: the cell is coded first, and only its own edges are then looked at
    cells = -(-width // cell)
    low = np.clip((low + high - cells * cell + 1) // 2, -FURTHEST, FURTHEST - cells * cell)
    place = None if k is None else np.clip(k - low, 0, cells * cell - 1)
    first = 2 * low[:, None] - 1
    edges = (first + 2 * cell * np.arange(1, cells)) * step
    symbol, ends = _between(words, mixture, (0, ONE), edges, None if place is None else place // cell)
    if cell > 1:
        edges = (first + 2 * (cell * symbol[:, None] + np.arange(1, cell))) * step
        within, _ = _between(words, mixture, ends, edges, None if place is None else place % cell)
        symbol = cell * symbol + within
    out: Array = low + symbol
    beyond = np.flatnonzero((symbol == 0) | (symbol == cells * cell - 1))
    if len(beyond):
        out[beyond] = words.far(len(beyond), None if k is None else k[beyond])
    return out


def _between(
    words: Words, mixture: FixedPointMixture, ends: tuple[Any, Any], edges: Array, known: Array | None
) -> tuple[Array, tuple[Array, Array]]:
    """Symbols (n,) between edges (n or 1, K − 1), where F is `ends` at the outermost; and F at both ends of each one."""
    inner = mixture.cdf(edges)
    low, high = (np.broadcast_to(end, len(inner))[:, None] for end in ends)
    cdf = np.concatenate([low, inner, high], 1)
    symbol, each = words.symbols(frequencies(cdf), known), np.arange(len(cdf))
    return symbol, (cdf[each, symbol], cdf[each, symbol + 1])


def pixel_words(density: PixelDensity, tiles: Array, sizes: Array, joint: bool) -> Array:
    """Tiles to words, nothing lost.

    Args:
        tiles: uint8 (N, H, W, C).
        sizes: (N, 2), rows and columns of each tile that count.
        joint: the channels are those that the density was trained on; else each is coded alone.
    """
    words = Words()
    _walk_pixels(words, density, tiles.shape[1:3], tiles.shape[3], sizes, joint, tiles)
    return words.done()


def words_to_pixels(
    words: Array, density: PixelDensity, tile: tuple[int, int], channels: int, sizes: Array, joint: bool
) -> Array:
    """What `pixel_words` was given; 0 outside of each tile's size.

    Raises:
        Damaged: the words were written by another density, or are no such words.
    """
    with _reading():
        return _walk_pixels(Words(words), density, tile, channels, sizes, joint, None)


def _walk_pixels(
    words: Words,
    density: PixelDensity,
    tile: tuple[int, ...],
    channels: int,
    sizes: Array,
    joint: bool,
    tiles: Array | None,
) -> Array:
    fixed = FixedPixelDensity(density, channels, tile, len(sizes))
    rows, cols = (int(v) for v in sizes.max(0))
    same = bool((sizes == sizes[0]).all())
    for c, row, col in np.ndindex(channels, rows, cols):
        inside = np.flatnonzero((sizes[:, 0] > row) & (sizes[:, 1] > col))
        if len(inside):
            who = slice(None) if same else inside
            known = None if tiles is None else tiles[who, row, col, c].astype(np.int64)
            fixed.known(c, row, col, who, _levels(words, *fixed.outputs(c, row, col, who, joint), known))
    return fixed.images()


def _levels(words: Words, zero: Array, out: Array, x: Array | None) -> Array:
    """One pixel of every image, int64 (n,): whether it is zero; if not, its sixteenth of the range; then its level."""
    p = sigmoid(zero)
    is_zero = words.symbols(
        np.stack([ONE - p, p], 1).astype(np.float32) + np.float32(8), None if x is None else (x == 0)
    ).astype(bool)
    level = np.zeros(len(is_zero), np.int64)
    rest = np.flatnonzero(~is_zero)
    if not len(rest):
        return level
    mixture = FixedPointMixture(out[:, rest], PIXEL_UNIT)
    known = None if x is None else x[rest]
    edges = (2 * np.arange(16, 256, 16) - 1)[None] * 256
    high, ends = _between(words, mixture, (0, ONE), edges, None if known is None else known >> 4)
    edges = (2 * (16 * high[:, None] + np.arange(1, 16)) - 1) * 256
    low, _ = _between(words, mixture, ends, edges, None if known is None else known & 15)
    level[rest] = 16 * high + low
    return level


@contextmanager
def _reading() -> Iterator[None]:
    """Turns what a decoder says of words that are not its own into `Damaged`."""
    try:
        yield
    except (AssertionError, ValueError, IndexError, OverflowError) as error:
        raise Damaged(str(error)) from error
