"""Weights of our own making, kept in the cache as safetensors: whole or not at all, made again when damaged."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.folders import cache_root
from aegan.metrics.features._base import Progress
from aegan.tensor_files import read_tensors, write_tensors


def kept(kind: str, parts: tuple[object, ...], net: nn.Module, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Loads the weights of `net` from KIND/HASH.safetensors, or makes and keeps them; what was kept with them.

    Args:
        parts: all that determines the weights.
        make: trains `net`, and returns what is to be kept with its weights.
    """
    key = hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    path = cache_root() / kind / f"{key}.safetensors"
    with contextlib.suppress(UserError, RuntimeError, ValueError, KeyError):
        tensors, meta = read_tensors(path)
        net.load_state_dict(tensors)
        return meta
    meta = make()
    with contextlib.suppress(UserError, OSError):  # a full disk or a read-only home must not stop an evaluation
        write_tensors(path, net.state_dict(), meta)
    return meta


def fit(
    net: nn.Module, loss: Callable[[int], Tensor], steps: int, rate: float, decay: float, progress: Progress | None
) -> None:
    """AdamW with one rise and fall of the rate (Smith & Topin 2017, 1708.07120) on the loss of each step."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    net.train()
    for step in range(steps):
        value = loss(step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, steps)
    net.eval()


def hash_of(net: nn.Module) -> str:
    """sha256 over the names, types, shapes and values of a state dict, in its order."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        t = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
