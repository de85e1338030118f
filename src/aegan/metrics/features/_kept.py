"""Weights of our own making, kept in the cache as safetensors: whole or not at all, made again when damaged."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aegan.errors import UserError
from aegan.folders import cache_root
from aegan.tensor_files import read_tensors, write_tensors


def path_of(kind: str, *parts: object) -> Path:
    """KIND/HASH.safetensors in the folder of caches: the parts are all that determines the weights."""
    key = hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache_root() / kind / f"{key}.safetensors"


def kept(path: Path, net: nn.Module) -> dict[str, Any] | None:
    """Loads the weights into `net` and returns what was kept with them; None where there is no whole file of them."""
    if not path.is_file():
        return None
    try:
        tensors, meta = read_tensors(path)
        net.load_state_dict(tensors)
    except (UserError, OSError, RuntimeError, ValueError, KeyError):
        return None
    return meta


def write(path: Path, net: nn.Module, meta: dict[str, Any]) -> None:
    """Keeps weights; a full disk or a read-only home must not stop an evaluation."""
    with contextlib.suppress(UserError, OSError):
        write_tensors(path, {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}, meta)


def hash_of(net: nn.Module) -> str:
    """sha256 over the names, types, shapes and values of a state dict, in its order."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        t = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
