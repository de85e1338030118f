"""When memory runs out: the same batch in smaller pieces, whose gradients add up to the whole's.

Losses that are means over examples have the same gradient, but for rounding. Losses that compare the examples of a batch
(MMD, contrastive ones, batch normalisation, minibatch discrimination) see one piece at a time: to them the batch is smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from aegan.data.loader import Batch
from aegan.strategies import Loss

LEAST = 2  # examples in a piece: losses compare them


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or in the machine."""
    # on a CPU, torch has no class of its own for it
    on_cpu = isinstance(error, RuntimeError) and "allocate memory" in str(error)
    return on_cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def split(batch: Batch, parts: int, pack: int = 1) -> list[Batch]:
    """A batch in so many pieces, of sizes that differ by one pack (examples that are judged together) at most.

    >>> batch = Batch(torch.zeros(10, 2), None, np.arange(10))
    >>> [len(piece.x) for piece in split(batch, 4)], [len(piece.x) for piece in split(batch, 2, pack=2)]
    ([3, 3, 2, 2], [6, 4])
    """
    if parts == 1:
        return [batch]
    whole, more = divmod(len(batch.x) // pack, parts)
    sizes = [pack * (whole + (i < more)) for i in range(parts)]
    xs = batch.x.split(sizes)
    ys = [None] * parts if batch.y is None else batch.y.split(sizes)
    zs = [None] * parts if batch.z is None else batch.z.split(sizes)
    indices = np.split(batch.index, np.cumsum(sizes)[:-1])
    return [Batch(*piece) for piece in zip(xs, ys, indices, zs, strict=True)]


def halved(parts: int, count: int, pack: int = 1) -> int | None:
    """Twice as many pieces of `count` examples, or None where these would be too small.

    >>> halved(1, 8), halved(2, 8), halved(4, 8), halved(1, 8, pack=4), halved(2, 8, pack=4)
    (2, 4, None, 2, None)
    """
    least = max(LEAST, pack)
    return 2 * parts if (count // pack) // (2 * parts) * pack >= least else None


def accumulate(
    pieces: Sequence[Batch],
    loss: Callable[[Batch], Loss],
    scale: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Loss]:
    """Adds the gradients of a batch's loss up over its pieces, each by its share of the examples.

    Args:
        scale: what is differentiated in the place of a total.

    Returns:
        the total and the means of terms and watched values, over all pieces, detached.
    """
    count = sum(len(piece.x) for piece in pieces)
    total, sums = torch.zeros((), device=pieces[0].x.device), Loss({}, {})
    for piece in pieces:
        share = len(piece.x) / count
        found = loss(piece)
        part = found.total() * share
        scale(part).backward()
        total = total + part.detach()
        for into, values in ((sums.terms, found.terms), (sums.watch, found.watch)):
            for name, value in values.items():
                mean = value.detach().float().mean() * share
                into[name] = into[name] + mean if name in into else mean
    return total, sums
