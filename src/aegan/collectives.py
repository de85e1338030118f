"""Several processes, called ranks, that compute one loss: each has its rows of one batch.

Most losses are means over examples, and so need nothing of this: the mean over ranks of the means over their rows is the
mean. What needs it is what looks at more than one example (`all_gather_rows`, `all_reduce_mean`, batch normalisation) and
noise, which must be the whole batch's (`BatchDraws`). With one process, and outside of a ranked run's losses, all of it does
nothing.

A rank's rows are every `size`-th of the batch, not a stretch of it. So the first half of a rank's rows are rows of the
first half of the batch, and what a strategy cuts in halves, or joins, is cut and joined as in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from aegan.errors import LostRank


@dataclass(frozen=True)
class Share:
    """Which rows of a batch are this rank's.

    >>> Share(1, 2).rows(torch.arange(6)).tolist(), Share(1, 2, grain=2).rows(torch.arange(8)).tolist()
    ([1, 3, 5], [2, 3, 6, 7])
    """

    rank: int
    size: int
    grain: int = 1  # rows that stay together, such as those that a critic judges as one pack

    def rows(self, whole: Any) -> Any:
        """This rank's rows of a tensor or an array (N, ...), (N / size, ...)."""
        if self.size == 1:
            return whole
        rest, grain = whole.shape[1:], self._grain(len(whole) // self.size)
        return whole.reshape(-1, self.size, grain, *rest)[:, self.rank].reshape(-1, *rest)

    def whole(self, mine: Tensor) -> Tensor:
        """All ranks' rows in the batch's order, (N, ...); without gradient. The inverse of `rows`."""
        # in fp32, as not every backend knows every narrow type
        sent = mine.detach().contiguous()
        wide = sent.float() if sent.dtype in (torch.float16, torch.bfloat16) else sent
        parts = [torch.empty_like(wide) for _ in range(self.size)]
        with broken_connections():
            dist.all_gather(parts, wide)
        grain = self._grain(len(mine))
        stacked = torch.stack([p.view(-1, grain, *mine.shape[1:]) for p in parts], 1)
        return stacked.reshape(-1, *mine.shape[1:]).to(mine.dtype)

    def _grain(self, rows: int) -> int:
        return self.grain if rows % self.grain == 0 else 1


_share: Share | None = None  # while a ranked run computes a loss


def all_gather_rows(x: Tensor) -> Tensor:
    """Rows of the whole batch (N, ...) of this rank's rows, with gradient: for losses that compare examples.

    What is made of them is the same on every rank. Each rank's gradient is then that of all ranks' losses together, of
    which the engine takes the mean.
    """
    return x if _share is None else _Gathered.apply(x, _share)


def all_reduce_mean(x: Tensor) -> Tensor:
    """The mean over ranks, with gradient: for what is not linear in a mean over the batch."""
    return x if _share is None else _Averaged.apply(x, _share.size)


@contextmanager
def computing(share: Share) -> Iterator[None]:
    """Within the context a loss is computed on this rank's rows."""
    global _share
    if share.size == 1:
        yield
        return
    _share = share
    try:
        with BatchDraws():
            yield
    finally:
        _share = None


@contextmanager
def replicated_random() -> Iterator[None]:
    """Within the context all ranks draw the same numbers: for what has no row for each example."""
    global _share
    kept, _share = _share, None
    try:
        yield
    finally:
        _share = kept


@contextmanager
def broken_connections() -> Iterator[None]:
    """Turns what a broken connection to another rank says into one line."""
    try:
        yield
    except RuntimeError as error:  # each backend has its own words for it
        raise LostRank(
            "Another process of this run has ended, so this one stopped too.",
            "Go on from the last checkpoint: --resume",
        ) from error


def mean_over_ranks(x: Tensor, size: int) -> Tensor:
    """A new tensor, the same on all ranks."""
    # a sum of 16 bits would be rounded more than the terms it is made of
    total = x.detach().to(torch.promote_types(x.dtype, torch.float32), copy=True).contiguous()
    with broken_connections():
        dist.all_reduce(total)
    return (total / size).to(x.dtype)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Share) -> Tensor:
        ctx.share = share
        return share.whole(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        mean = mean_over_ranks(gradient, ctx.share.size)
        return ctx.share.rows(mean) * ctx.share.size, None


class _Averaged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        ctx.size = size
        return mean_over_ranks(x, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return mean_over_ranks(gradient, ctx.size), None


# --- noise ------------------------------------------------------------------------------------------------------------


class BatchDraws(TorchFunctionMode):
    """Every draw of numbers is the whole batch's, of which this rank keeps its rows.

    All ranks' generators are in the same state, and stay so. What is drawn with a first axis is taken to have a row for
    each example, unless it is drawn under `replicated_random`; permutations and single numbers are the same on all ranks.
    Batch normalisation is by the whole batch's moments.

    PyTorch's calls are intercepted, rather than given a generator for each (seed, step, row), because losses are also
    written by people who do not think of several processes, and networks of their own bring dropout and batch
    normalisation: with explicit generators every one of these draws would have to be changed, and one that was forgotten
    would give wrong losses without a word.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        special = SPECIAL.get(func)
        if special is None or _share is None:
            return func(*args, **(kwargs or {}))
        return special(_share, func, *args, **(kwargs or {}))


def _sized(share: Share, func: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """randn, rand and randint of a size: the last argument, or as many numbers."""
    low_high: tuple[Any, ...] = ()
    if "size" in kwargs:
        low_high, size = args, kwargs.pop("size")
    elif args and isinstance(args[-1], (tuple, list, torch.Size)):
        low_high, size = args[:-1], args[-1]
    else:
        size = args
    if not len(size):
        return func(*low_high, size, **kwargs)
    return share.rows(func(*low_high, (share.size * size[0], *size[1:]), **kwargs)).contiguous()


def _wide(share: Share, x: Tensor) -> Tensor:
    """An empty tensor for the whole batch, that lies in memory as x does: values are drawn in that order."""
    order = sorted(range(x.ndim), key=lambda d: -x.stride()[d])
    return torch.empty_permuted((share.size * len(x), *x.shape[1:]), order, dtype=x.dtype, device=x.device)


def _like(share: Share, func: Callable[..., Tensor], x: Tensor, **kwargs: Any) -> Tensor:
    """randn_like and rand_like."""
    if not x.ndim:
        return func(x, **kwargs)
    return torch.empty_like(x, **kwargs).copy_(share.rows(func(_wide(share, x), **kwargs)))


def _in_place(share: Share, func: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """uniform_ and similar functions."""
    if not x.ndim:
        return func(x, *args, **kwargs)
    return x.copy_(share.rows(func(_wide(share, x), *args, **kwargs)))


def _of_rows(share: Share, func: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """bernoulli, and multinomial: of each row of x, or of one row that is everybody's."""
    if func is torch.multinomial and x.ndim == 1:
        count = kwargs.pop("num_samples") if "num_samples" in kwargs else args[0]
        return share.rows(func(x, share.size * count, *args[1:], **kwargs)).contiguous()
    return share.rows(func(share.whole(x), *args, **kwargs)).contiguous()


def _dropout(
    share: Share, func: Callable[..., Tensor], x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    if not training or not p:
        return x
    return x * share.rows(func(_wide(share, x).fill_(1), p, True))


def _batch_norm(
    share: Share,
    func: Callable[..., Tensor],
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training:
        return func(input, running_mean, running_var, weight, bias, training, momentum, eps)
    x = input.float()
    axes = (0, *range(2, x.ndim))
    mean = all_reduce_mean(x.mean(axes, keepdim=True))
    var = all_reduce_mean((x - mean).square().mean(axes, keepdim=True))
    count = share.size * x.numel() // x.shape[1]
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.flatten(), momentum)
            running_var.lerp_(var.flatten() * (count / max(count - 1, 1)), momentum)
    out = (x - mean) * (var + eps).rsqrt()
    shape = (1, -1, *(1,) * (x.ndim - 2))
    if weight is not None:
        out = out * weight.view(shape)
    return (out if bias is None else out + bias.view(shape)).to(input.dtype)


SPECIAL: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((torch.randn, torch.rand, torch.randint), _sized),
    **dict.fromkeys((torch.randn_like, torch.rand_like), _like),
    **dict.fromkeys(
        (Tensor.uniform_, Tensor.normal_, Tensor.bernoulli_, Tensor.exponential_, Tensor.random_), _in_place
    ),
    **dict.fromkeys((torch.multinomial, torch.bernoulli), _of_rows),
    F.dropout: _dropout,
    F.batch_norm: _batch_norm,
}
