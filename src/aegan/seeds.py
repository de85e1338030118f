"""Samples by seed: sample k is the same whatever is drawn beside it, however many are computed at once."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from aegan.draws import Draws, Sides, by_weight
from aegan.errors import UserError

LARGEST = 2**63 - 1
MOST = 1_000_000  # seeds in one list


def whole_number(value: Any, what: str, fix: str = "") -> int:
    """Python's own integer of one of any library.

    >>> whole_number(np.uint8(200), "n") + 100
    300

    Raises:
        UserError: it is none; `what` is its name in the message, `fix` what to do.
    """
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        # an array of several numbers raises
        with contextlib.suppress(TypeError, ValueError):
            return operator.index(value)
    shown = repr(value) if isinstance(value, bool | float | str | None) else f"of type {type(value).__name__}"
    raise UserError(f"{what} {shown} is no whole number.", fix)


def check_seed(seed: int, count: int = 1) -> int:
    """A first seed of `count`, as Python's own integer.

    Raises:
        UserError: it is no whole number from 0 to 2^63 - 1, or the last would be larger.
    """
    seed = whole_number(seed, "The seed", "Example: seed=0; of several: seeds=[5, 9, 2]")
    if seed < 0:
        raise UserError(f"The seed {seed} is negative.", "Seeds are whole numbers from 0 to 2^63 - 1.")
    if seed > LARGEST:
        raise UserError(f"The seed {seed} is too large.", "Seeds are whole numbers from 0 to 2^63 - 1.")
    if seed + count - 1 > LARGEST:
        raise UserError(
            f"The seed {seed} is too large for {count:,}: each has a seed of its own, from that one on.",
            f"Seeds end at 2^63 - 1; the first may be {LARGEST - count + 1} at most.",
        )
    return seed


def parse_seeds(text: str) -> list[int]:
    """Seeds as they are written on a command line: single ones and ranges, both ends included.

    >>> parse_seeds("1,5,9-12")
    [1, 5, 9, 10, 11, 12]

    Raises:
        UserError: it is not written like that, names a seed that cannot be, or more than `MOST`.
    """
    ranges = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not all(piece.isascii() and piece.isdigit() for piece in (first, last if dash else first)):
            raise UserError(f"'{part.strip()}' is no seed and no range of seeds.", "Example: --seeds 0-63 or 1,5,9-12")
        low, high = int(first[:30]), int((last if dash else first)[:30])
        if high < low:
            raise UserError(f"The range of seeds {part.strip()} runs backwards.", f"Write it as {high}-{low}.")
        check_seed(high)
        ranges.append(range(low, high + 1))
    if sum(each.stop - each.start for each in ranges) > MOST:  # len() is limited to 63 bits
        raise UserError(f"'{text}' names more than {MOST:,} seeds.", "Draw them in several calls.")
    return [seed for each in ranges for seed in each]


class Seeded(Draws):
    """While it is active, row k of everything that a strategy's `sample` draws depends on seed k alone.

    Numbers are numpy's Philox (counter-based, so that a row can begin anywhere at no cost): its key is the row's seed, the
    highest word of its counter numbers the draws. They are drawn on the CPU, so that all devices get the same.

    >>> with Seeded([5]):
    ...     alone = torch.randn(1, 3)
    >>> with Seeded([4, 5, 6]):
    ...     beside = torch.randn(3, 3)
    >>> torch.equal(beside[1], alone[0])
    True
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        self.seeds = seeds  # one for each example that is sampled
        self._draws = 0
        self._philox = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._philox)
        self._state: Any = self._philox.state

    def normal(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        draw = self._generator.standard_normal
        return self._rows(draw, shape, kwargs) if self._has_rows(shape) else torch.randn(shape, **kwargs)

    def uniform(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        draw = self._generator.random
        return self._rows(draw, shape, kwargs) if self._has_rows(shape) else torch.rand(shape, **kwargs)

    def index(self, high: int, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        if not self._has_rows(shape):
            return torch.randint(high, shape, **kwargs)
        u = self._rows(self._generator.random, shape, {"dtype": torch.float64})
        return (u * high).long().clamp_max(high - 1).to(kwargs.get("device"))

    def choice(self, weights: Tensor, n: int, kwargs: dict[str, Any]) -> Tensor:
        many = weights.ndim == 1  # n draws by the same weights, else one draw a row
        if not self._has_rows((n,) if many else weights.shape) or not (many or n == 1):
            return torch.multinomial(weights, n, **kwargs)
        u = self._rows(self._generator.random, (len(self.seeds),), {"dtype": torch.float64})
        k = by_weight(weights.cpu(), u).to(weights.device)
        return k if many else k[:, None]

    def other(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Networks of one's own may draw in other ways: as the example given, by seed; else as they always did."""
        if func not in (torch.randn_like, torch.rand_like):
            return func(*args, **kwargs)
        draw = self.normal if func is torch.randn_like else self.uniform
        return draw(tuple(args[0].shape), {"dtype": args[0].dtype, "device": args[0].device, **kwargs})

    def _has_rows(self, shape: Sequence[int]) -> bool:
        return len(shape) > 0 and shape[0] == len(self.seeds)

    def _rows(self, draw: Callable[..., Any], shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        """Draws (N, ...), each row from its own seed."""
        dtype = kwargs.get("dtype") or torch.get_default_dtype()
        out = np.empty((len(self.seeds), math.prod(shape[1:])), np.float64 if dtype == torch.float64 else np.float32)
        counter, key = self._state["state"]["counter"], self._state["state"]["key"]
        counter[3] = self._draws
        for row, seed in zip(out, self.seeds, strict=True):
            key[0] = seed
            self._philox.state = self._state
            draw(dtype=row.dtype, out=row)
        self._draws += 1
        return torch.from_numpy(out).view(tuple(shape)).to(kwargs.get("device"), dtype)
