"""Codes of an encoder that is not trained: made once for all training examples, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from aegan.data import cache
from aegan.data.loader import to_tensor
from aegan.data.spec import Data
from aegan.engine.view import DataView
from aegan.folders import cache_root

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


def give_codes(engine: Engine) -> None:
    """Gives the engine's training images their codes, if its strategy has an encoder that no stage trains."""
    encoder = engine.strategy.fixed_codes
    if not encoder:
        return
    count = f"{len(engine.data.train):,}"
    # one process after the other: the first makes them, the others read them
    engine.data = engine.ranks.in_turn(
        lambda: with_codes(
            engine.data,
            lambda x: engine.strategy.encode(engine.networks, x),
            encoder=encoder,
            mirror=engine.config.mirror,
            device=engine.device,
            begin=lambda: engine.display.say(f"codes of {count} images are made, and kept for other runs"),
        )
    )
    engine.loader.split = engine.data.train
    engine.view = DataView(engine.data, engine.spec, engine.device)


def with_codes(
    data: Data,
    encode: Callable[[Tensor], Tensor],
    *,
    encoder: str,
    mirror: bool,
    device: torch.device,
    begin: Callable[[], None] = lambda: None,
) -> Data:
    """The data with codes of its training images, and with `mirror` of their mirror images too.

    They are computed in fp32 and in an order that never changes, so that a run repeats; a damaged file is made again.

    Args:
        encoder: names it and its weights.
        begin: called before codes are made, which takes long.
    """
    root = cache_root() / "codes"
    final = root / cache.key_of("codes", data.fingerprint, encoder, mirror)
    if (found := cache.read(final)) is None:
        if final.exists():
            cache.discard(final)
        begin()
        make = _codes(data, encode, mirror, device)
        first = next(make)
        shape = (1 + mirror, len(data.train), *first.shape[1:])
        with cache.unfinished(root, first[0].nbytes * shape[0] * shape[1]) as folder:
            cache.write_rows(folder / "codes.npy", shape, np.float32, _all(first, make))
            cache.write_manifest(folder, {"encoder": encoder})
            cache.publish(folder, final)
        found = cache.read(final)
        assert found is not None, f"{final} was damaged as soon as it was written"
    return replace(data, train=replace(data.train, codes=found[1]["codes"]))


@torch.inference_mode()
def _codes(data: Data, encode: Callable[[Tensor], Tensor], mirror: bool, device: torch.device) -> Iterator[np.ndarray]:
    items, size = data.train.items, data.spec.at_once
    for flip in (False, True) if mirror else (False,):
        for start in range(0, len(items), size):
            part = np.asarray(items[start : start + size])
            x = to_tensor(part[:, :, ::-1] if flip else part)
            yield encode(x.to(device)).float().cpu().numpy()


def _all(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from others
