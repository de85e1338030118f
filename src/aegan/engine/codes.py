"""Codes of an encoder that is not trained: made once for all training examples, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from aegan.data import cache
from aegan.data.loader import to_tensor
from aegan.data.spec import Data
from aegan.engine.memory import out_of_memory
from aegan.engine.view import DataView
from aegan.errors import TooLittleMemory
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

    They are computed in an order that never changes, without 16 bits, so that a run repeats on the same machine with as
    many threads; a damaged file is made again.

    Args:
        encoder: names it and its weights.
        begin: called before codes are made, which takes long.

    Raises:
        TooLittleMemory: not even one image can be encoded.
        UserError: codes cannot be kept on disk.
    """
    root = cache_root() / "codes"
    final = root / cache.key_of("codes", data.fingerprint, encoder, mirror, device.type)
    if (found := cache.read(final)) is None:
        if final.exists():
            cache.discard(final)
        begin()
        make = _codes(data, encode, mirror, device)
        first = next(make)
        shape = (1 + mirror, len(data.train), *first.shape[1:])
        with cache.unfinished(root, first[0].nbytes * shape[0] * shape[1], "Codes") as folder:
            cache.write_rows(folder / "codes.npy", shape, np.float32, chain([first], make))
            cache.write_manifest(folder, {"encoder": encoder})
            cache.publish(folder, final)
        found = cache.read(final)
        assert found is not None, f"{final} was damaged as soon as it was written"
    # as a plain array: a memmap's own class makes each small gather slower
    return replace(data, train=replace(data.train, codes=np.asarray(found[1]["codes"])))


@torch.inference_mode()
def _codes(data: Data, encode: Callable[[Tensor], Tensor], mirror: bool, device: torch.device) -> Iterator[np.ndarray]:
    """Codes of all images, then of all mirror images, in pieces that memory has room for."""
    items, size = data.train.items, data.spec.at_once
    for flip in (False, True) if mirror else (False,):
        start = 0
        while start < len(items):
            part = np.asarray(items[start : start + size])
            x = to_tensor(part[:, :, ::-1] if flip else part)
            try:
                made = encode(x.to(device)).float().cpu().numpy()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise TooLittleMemory(
                        "Memory ran out while an image was encoded for --space.",
                        "Use a smaller --size, or free memory.",
                    ) from error
                size //= 2
                continue
            yield made
            start += len(part)
