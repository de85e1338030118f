"""The densities of `aegan.networks.entropy` in whole numbers: the same frequencies on every machine and thread count.

A codec reads a file rightly only if both sides give every symbol the very same probability, and float sums differ with
their order. So weights are rounded to multiples of 2^-12 and everything after that is a whole number: products and sums
stay below 2^53, where float64 is exact in whatever order a library adds, and scales, sigmoids and logarithms come from
tables made in decimal arithmetic, not from a mathematics library.

Units are powers of two: values (of codes, and of pixels in grey levels) are multiples of 2^-8, edges between symbols and
means multiples of 2^-9, frequencies of 2^-22.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import lru_cache

import numpy as np
from torch import Tensor, nn

from aegan.hints import Array
from aegan.networks.entropy import AROUND, CAUSAL, OCTAVES, OTHER, OWN, REACH, CodeDensity, PixelDensity, earlier

UNIT = 256  # values are multiples of 1 / UNIT
ONE = 2**22  # a probability of 1
WEIGHT = 2.0**12  # weights are multiples of 1 / WEIGHT
MOST_WEIGHT = 2.0**17  # ± 32 in those units: keeps every sum below 2^53
MOST_HIDDEN = 2.0**22
ARGUMENT = 1024  # sigmoids are tabled at multiples of 1 / ARGUMENT, up to ± SATURATED
SATURATED = 16
PER_OCTAVE = 16  # scales are tabled
TAIL = 8  # scales beyond both means
FLOOR = 8.0  # least frequency, of ONE
DIGITS = Context(prec=25)


@lru_cache(1)
def sigmoids() -> Array:
    """σ(t / ARGUMENT) ONE for t of −SATURATED ARGUMENT … SATURATED ARGUMENT, int64."""
    with localcontext(DIGITS):
        step, e = (Decimal(1) / ARGUMENT).exp(), Decimal(1)
        upper = []
        for _ in range(SATURATED * ARGUMENT + 1):
            upper.append(round(ONE * e / (1 + e)))
            e *= step
    half = np.array(upper, np.int64)
    return np.concatenate([ONE - half[:0:-1], half])


def sigmoid(logit: Array) -> Array:
    """σ ONE, int64, of whole numbers in units of 2^-24."""
    limit = SATURATED * ARGUMENT
    out: Array = sigmoids()[np.clip(np.floor(logit * 2.0**-14), -limit, limit).astype(np.int64) + limit]
    return out


@lru_cache(1)
def scales() -> tuple[Array, Array]:
    """512 σ and 2^14 / σ for log₂ σ of OCTAVES in steps of 1 / PER_OCTAVE, int64."""
    low, high = (int(o * PER_OCTAVE) for o in OCTAVES)
    with localcontext(DIGITS):
        powers = [2 ** (Decimal(q) / PER_OCTAVE) for q in range(low, high + 1)]
        sigma, inverse = [round(512 * p) for p in powers], [round(2**14 / p) for p in powers]
        return np.array(sigma, np.int64), np.array(inverse, np.int64)


def log2_units(step: int) -> int:
    """log₂(step / UNIT) in units of 2^-8."""
    with localcontext(DIGITS):
        return round(256 * (Decimal(step) / UNIT).ln() / Decimal(2).ln())


def whole(t: Tensor, unit: float = WEIGHT, most: float = MOST_WEIGHT) -> Array:
    """A weight in whole numbers of 1 / unit, float64."""
    return np.clip(np.rint(t.detach().cpu().double().numpy() * unit), -most, most)


class FixedPointMixture:
    """A batch of mixtures of two logistics, F = w F₁ + (1 − w) F₂.

    Args:
        out: (5, N), a network's outputs in units of 2^-24, whole numbers.
        unit: that μ is counted in, a power of two.
        octaves: added to log₂ σ.

    Almost all of the mass lies between `low` and `high`, int64 (N,), in units of 2^-9.
    """

    def __init__(self, out: Array, unit: float, octaves: int = 0) -> None:
        self.w = (sigmoid(out[0]) >> 10)[:, None]
        mu = np.clip(np.floor(out[1:3] * (unit * 2.0**-15)), -(2.0**26), 2.0**26).astype(np.int64)
        low, high = (o * PER_OCTAVE for o in OCTAVES)
        q = np.floor(out[3:5] * (PER_OCTAVE * 2.0**-24) + (octaves * PER_OCTAVE + 0.5))
        q = (np.clip(q, low, high) - low).astype(np.int64)
        scale, inverse = scales()
        reach = TAIL * scale[q]
        self.low, self.high = (mu - reach).min(0), (mu + reach).max(0)
        self.mu, self.inverse = mu[..., None], inverse[q][..., None]

    def cdf(self, edges: Array) -> Array:
        """F ONE at edges int64 (N or 1, K), in units of 2^-9; int64 (N, K)."""
        limit, table = SATURATED * ARGUMENT, sigmoids()
        below = []
        for mu, inverse in zip(self.mu, self.inverse, strict=True):
            t = (edges - mu) * inverse
            t >>= 13
            t += limit
            np.clip(t, 0, 2 * limit, out=t)
            below.append(np.take(table, t))
        first, second = below
        first -= second
        first *= self.w
        first >>= 12
        first += second
        return first


def frequencies(cdf: Array) -> Array:
    """Of the symbols between neighbouring edges: float32 (N, K − 1) of whole numbers, never zero."""
    return (np.diff(cdf, axis=1) + FLOOR).astype(np.float32)


class FixedNet:
    """A network of two hidden layers, as `hidden_net` makes it, on inputs that count 2^-8; outputs count 2^-24."""

    def __init__(self, net: nn.Sequential) -> None:
        linear = [layer for layer in net if isinstance(layer, nn.Linear)]
        # hidden numbers count 2^-10, so that sums count 2^-20, 2^-22 and 2^-22
        self.layers = [
            (whole(m.weight), whole(m.bias, unit, 2.0**40)[:, None])
            for m, unit in zip(linear, (2.0**20, 2.0**22, 2.0**22), strict=True)
        ]

    def __call__(self, inputs: Array) -> Array:
        """(outputs, N) of (inputs, N), float64 of whole numbers."""
        (w1, b1), (w2, b2), (w3, b3) = self.layers
        h = np.clip(np.floor((w1 @ inputs + b1) * 2.0**-10), 0, MOST_HIDDEN)
        h = np.clip(np.floor((w2 @ h + b2) * 2.0**-12), 0, MOST_HIDDEN)
        out: Array = (w3 @ h + b3) * 4.0
        return out


def place(v: int, side: int) -> float:
    """Where a row or column lies, from −1/2 to 1/2, in units of 2^-8."""
    return float((2 * v - (side - 1)) * UNIT // (2 * side))


class FixedCodeDensity:
    """`CodeDensity` at one step s, in units of 1 / UNIT, walked through number by number for n codes at once."""

    def __init__(self, density: CodeDensity, step: int, n: int) -> None:
        self.shape, self.step, self.size = density.shape, step, log2_units(step)
        planes, height, width = density.shape
        self.octaves = [int(e) for e in density.octaves.cpu()]
        self.nets = [FixedNet(net) for net in density.nets]  # type: ignore[arg-type]
        self.values = np.zeros((planes, height + 4, width + 4, n), np.int32)  # y / 2^e in units of 2^-8

    def mixture(self, c: int, row: int, col: int) -> FixedPointMixture:
        """Of the number at a place of plane c, given those before, of which `known` was given."""
        r, q = row + 2, col + 2
        read = [self.values[c, r + dy, q + dx] for dy, dx in CAUSAL]
        read += [self.values[b, r + dy, q + dx] for b in earlier(c) for dy, dx in AROUND]
        inputs = np.empty((len(read) + 3, self.values.shape[-1]))
        np.stack(read, out=inputs[:-3], casting="unsafe")
        inputs[-3:] = np.array([[self.size], [place(row, self.shape[1])], [place(col, self.shape[2])]])
        return FixedPointMixture(self.nets[c](inputs), 2.0 ** self.octaves[c], self.octaves[c])

    def known(self, c: int, row: int, col: int, k: Array) -> None:
        """The numbers at a place are k s; k int64 (N,)."""
        y = (k * (self.step << 8)) >> (8 + self.octaves[c])
        self.values[c, row + 2, col + 2] = np.clip(y, -(2**20), 2**20)


class FixedPixelDensity:
    """`PixelDensity`, asked for one place of n images of `planes` × H × W at once."""

    def __init__(self, density: PixelDensity, planes: int, size: tuple[int, ...], n: int) -> None:
        self.height, self.width = size
        self.nets = [FixedNet(net) for net in density.nets]  # type: ignore[arg-type]
        self.values = np.zeros((planes, self.height + 2 * REACH, self.width + 2 * REACH, n), np.uint8)

    def outputs(self, c: int, row: int, col: int, who: Array | slice, joint: bool) -> tuple[Array, Array]:
        """The logit of "it is zero", (n,), in units of 2^-24, and what makes a `FixedPointMixture`, (5, n).

        `joint`: the planes are those that the density was trained on; else each is as the first, alone.
        """
        r, q = row + REACH, col + REACH
        read = [self.values[c, r + dy, q + dx, who] for dy, dx in OWN]
        if joint:
            read += [self.values[b, r + dy, q + dx, who] for b in range(c) for dy, dx in OTHER]
        inputs = np.empty((len(read) + 2, len(read[0])))
        np.stack(read, out=inputs[:-2], casting="unsafe")
        inputs[-2:] = np.array([[place(row, self.height)], [place(col, self.width)]])
        out = self.nets[c if joint else 0](inputs)
        return out[0], out[1:]

    def known(self, c: int, row: int, col: int, who: Array | slice, levels: Array) -> None:
        """The pixels at a place."""
        self.values[c, row + REACH, col + REACH, who] = levels

    def images(self) -> Array:
        """uint8 (N, H, W, C) of what is known."""
        inner = self.values[:, REACH : REACH + self.height, REACH : REACH + self.width]
        return np.ascontiguousarray(inner.transpose(3, 1, 2, 0))
