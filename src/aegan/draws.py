"""What a sampler draws, as numbers that are given: a graph has no random generator, and two runtimes have no common one.

Every draw of a strategy's `sample` is a function of standard normal numbers or of numbers uniform in [0, 1):

======================  ======================  ==================================================
draw                    from                    as
======================  ======================  ==================================================
N(0, I)                 `noise` (N, A)          itself
U(0, 1)                 `uniform` (N, B)        itself
one of K alike          `uniform`               ⌊K u⌋
one of K by weight      `uniform`               the first whose cumulative weight is above u · total
======================  ======================  ==================================================

`Recording` runs a sampler as it is and notes what it drew, in these terms; `Replaying` runs it on given numbers. So no
strategy has to be written twice, and what is exported can be compared with what the strategy itself has drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Sides = tuple[Any, ...]  # a shape, whose sides are symbols while a graph is traced

_refused = {
    torch.bernoulli, torch.normal, torch.poisson, torch.randperm, torch.randn_like, torch.rand_like, torch.randint_like,
    torch.binomial, Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_,
    Tensor.bernoulli, Tensor.cauchy_, Tensor.geometric_, Tensor.log_normal_,
}  # fmt: skip


class UnknownDraw(Exception):
    """A sampler draws in a way that is not in the table above."""


def by_weight(weights: Tensor, u: Tensor) -> Tensor:
    """The index (N,) of the first of K cumulative weights, (K,) or (N, K), that is above u (N,) times their sum.

    >>> by_weight(torch.tensor([1.0, 0.0, 3.0]), torch.tensor([0.0, 0.2, 0.25, 0.99])).tolist()
    [0, 0, 2, 2]
    """
    # sums in float64, as hundreds of small weights are added; a comparison, as ONNX has no search
    cumulative = weights.double().cumsum(-1)
    return (cumulative <= (u.double() * cumulative[..., -1])[:, None]).sum(1).clamp_max(weights.shape[-1] - 1)


class Draws(TorchFunctionMode):
    """Hands each draw to one of four methods; `other` gets those that are not in the table above."""

    normal: Callable[[Sides, dict[str, Any]], Tensor]
    uniform: Callable[[Sides, dict[str, Any]], Tensor]
    index: Callable[[int, Sides, dict[str, Any]], Tensor]
    choice: Callable[[Tensor, int, dict[str, Any]], Tensor]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.randn, torch.rand):
            size = args[0] if args else kwargs["size"]
            shape = tuple(size) if isinstance(size, (tuple, list, torch.Size)) else args
            return self.normal(shape, kwargs) if func is torch.randn else self.uniform(shape, kwargs)
        if func is torch.randint:
            high, shape = args  # the only form in use
            return self.index(int(high), tuple(shape), kwargs)
        if func in (torch.multinomial, Tensor.multinomial):
            return self.choice(args[0], int(args[1]) if args[0].ndim == 2 else args[1], kwargs)
        if func in _refused:
            return self.other(func, args, kwargs)
        return func(*args, **kwargs)

    def other(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise UnknownDraw(getattr(func, "__name__", str(func)))


class Recording(Draws):
    """Draws as asked for, and keeps the numbers that lead to the same draws."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n  # examples: the first axis of every draw
        self._noise: list[Tensor] = []
        self._uniform: list[Tensor] = []

    @property
    def noise(self) -> Tensor:
        """(n, A), float32."""
        return torch.cat(self._noise, 1) if self._noise else torch.zeros(self.n, 0)

    @property
    def uniforms(self) -> Tensor:
        """(n, B), float32, below 1."""
        return torch.cat(self._uniform, 1) if self._uniform else torch.zeros(self.n, 0)

    def _keep(self, into: list[Tensor], drawn: Tensor) -> Tensor:
        if drawn.shape[0] != self.n:
            raise UnknownDraw(f"numbers of shape {tuple(drawn.shape)} for {self.n} examples")
        into.append(drawn.reshape(self.n, -1).float())
        return drawn

    def _between(self, low: Tensor, high: Tensor) -> None:
        """The middle of the interval of u that leads to a choice."""
        self._keep(self._uniform, (low.double() + high.double()) / 2)

    def normal(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        return self._keep(self._noise, torch.randn(shape, **kwargs))

    def uniform(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        drawn = torch.rand(shape, **kwargs)
        self._keep(self._uniform, drawn.double().clamp_max(1 - 2**-24))  # float32 must not round it to 1
        return drawn

    def index(self, high: int, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        drawn = torch.randint(high, shape, **kwargs)
        self._between(drawn / high, (drawn + 1) / high)
        return drawn

    def choice(self, weights: Tensor, n: int, kwargs: dict[str, Any]) -> Tensor:
        drawn = torch.multinomial(weights, n, **kwargs)
        k = drawn.reshape(-1)
        ends = weights.double().cumsum(-1) / weights.double().sum(-1, keepdim=True)
        starts = torch.cat((torch.zeros_like(ends[..., :1]), ends[..., :-1]), -1)
        rows = (k,) if weights.ndim == 1 else (torch.arange(len(k)), k)
        self._between(starts[rows], ends[rows])
        return drawn


class Replaying(Draws):
    """Takes draws from given numbers, in their order: noise (N, A), standard normal, and uniform (N, B), in [0, 1)."""

    def __init__(self, noise: Tensor, uniform: Tensor) -> None:
        super().__init__()
        self.given_noise, self.given_uniform = noise, uniform
        self._noise_at = self._uniform_at = 0

    def normal(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        rest = tuple(int(side) for side in shape[1:])
        start, self._noise_at = self._noise_at, self._noise_at + math.prod(rest)
        return self.given_noise[:, start : self._noise_at].reshape(-1, *rest)

    def uniform(self, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        rest = tuple(int(side) for side in shape[1:])
        start, self._uniform_at = self._uniform_at, self._uniform_at + math.prod(rest)
        u = self.given_uniform[:, start : self._uniform_at].reshape(-1, *rest)
        return u.to(kwargs.get("dtype") or u.dtype)

    def index(self, high: int, shape: Sides, kwargs: dict[str, Any]) -> Tensor:
        return (self.uniform(shape, {}) * high).long().clamp_max(high - 1)

    def choice(self, weights: Tensor, n: int, kwargs: dict[str, Any]) -> Tensor:
        k = by_weight(weights, self.uniform((n,) if weights.ndim == 1 else (n, 1), {}).reshape(-1))
        return k if weights.ndim == 1 else k[:, None]
