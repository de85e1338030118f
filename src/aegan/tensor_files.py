"""Files of named tensors, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aegan.errors import UserError
from aegan.files import write_atomically
from aegan.names import is_utf8

FORMAT = 1  # of files of tensors


class NewerFormat(UserError):
    """A file that a later version of aegan has written."""


def digest(tensors: dict[str, Tensor]) -> str:
    """Content hash of named tensors: safetensors notices a cut file, this notices a flipped bit."""
    h = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        t = tensors[name].detach().cpu().contiguous()
        h.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        h.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return h.hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """One safetensors file with a JSON header that holds `meta`, the format's version and the content hash."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():  # the format has no two names for one tensor, and weights may be tied
        t = tensor.detach().cpu().contiguous()
        place = t.untyped_storage().data_ptr()
        plain[name] = t.clone() if place in seen else t
        seen.add(place)
    header = json.dumps({"format": FORMAT, "digest": digest(plain), **meta})
    write_atomically(path, save(plain, {"aegan": header}))


@contextmanager
def _openable(path: Path) -> Iterator[str]:
    """A name of a file that safetensors can open: it takes UTF-8 alone, where names on Linux are any bytes."""
    if is_utf8(path):
        yield str(path)
        return
    with open(path, "rb") as file:
        yield f"/dev/fd/{file.fileno()}"


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `write_tensors` wrote, and checks it.

    Raises:
        UserError: the file is damaged, is not ours, or is from a newer version.
    """
    try:
        with _openable(path) as where, safe_open(where, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("aegan", "null"))
            if header is not None and header["format"] > FORMAT:
                raise NewerFormat(
                    f"{path} has format {header['format']}, newer than this aegan knows ({FORMAT}).",
                    "Update: pip install --upgrade aegan",
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged and cannot be read ({type(error).__name__}).") from error
    if header is None:
        raise UserError(f"{path} was not written by aegan.")
    if header.pop("digest", None) != digest(tensors):
        raise UserError(f"{path} is damaged: its content does not match its checksum.")
    header.pop("format")
    return tensors, header
