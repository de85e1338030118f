"""Autoencoders of diffusers (the extra `diffusers`) as E and G."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from aegan.errors import UserError, first_line, required

KINDS = ("AutoencoderTiny", "AutoencoderKL", "AutoencoderDC")
PARTS = {"E": ("encoder", "quant_conv"), "G": ("decoder", "post_quant_conv")}  # what each side of a model needs


class Borrowed(nn.Module):
    """One side of an autoencoder, always in evaluation mode: its normalisations keep the statistics they came with.

    Args:
        model: of one of the `KINDS`; it loses its other side.
        side: "E" or "G".
        shape: (C, H, W) of the images.
    """

    def __init__(self, model: nn.Module, side: str, shape: tuple[int, ...], code_shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        for name in PARTS["G" if side == "E" else "E"]:
            if hasattr(model, name):
                setattr(model, name, None)
        self.model, self.grey, self.code_shape = model, shape[0] == 1, code_shape
        self.eval()

    def train(self, mode: bool = True) -> Borrowed:
        return super().train(False)


class BorrowedEncoder(Borrowed):
    """E: images (N, 1 or 3, H, W) in [-1, 1] to codes (N, c, h, w), the means where the model gives a density."""

    def forward(self, x: Tensor) -> Tensor:
        model: Any = self.model
        found = model.encode(x.expand(-1, 3, -1, -1) if self.grey else x)
        if hasattr(found, "latent_dist"):
            return found.latent_dist.mode()
        return found.latents if hasattr(found, "latents") else found.latent


class BorrowedDecoder(Borrowed):
    """G: codes (N, c, h, w) to images (N, 1 or 3, H, W), about [-1, 1]; grey is the mean of the colours."""

    def forward(self, z: Tensor) -> Tensor:
        model: Any = self.model
        x: Tensor = model.decode(z).sample
        return x.mean(1, keepdim=True) if self.grey else x


def diffusers_class(kind: str) -> Any:
    """A class of diffusers by its name, one of `KINDS`.

    Raises:
        UserError: it is another, or diffusers is missing.
    """
    if kind not in KINDS:
        raise UserError(
            f"{kind} is no autoencoder that can be taken from diffusers.", f"Those are: {', '.join(KINDS)}."
        )
    with required(f"{kind} is a network of diffusers", '"aegan[diffusers]"'):
        import diffusers
    return getattr(diffusers, kind)


def build_borrowed(kind: str, config: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """E and G of an autoencoder of diffusers, with random weights, for images of `shape` (C, H, W).

    Raises:
        UserError: diffusers is missing, or images of this shape do not fit it.
    """
    code = borrowed_code_shape(kind, config, shape)
    make = diffusers_class(kind).from_config
    return (
        BorrowedEncoder(make(dict(config)), "E", shape, code),
        BorrowedDecoder(make(dict(config)), "G", shape, code),
    )


def borrowed_code_shape(kind: str, config: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the codes of images of `shape`, found without weights and without a computation.

    Raises:
        UserError: as `build_borrowed`.
    """
    return _code_shape(kind, json.dumps(config, sort_keys=True), shape)


@lru_cache
def _code_shape(kind: str, config: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    make = diffusers_class(kind).from_config
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UserError("A trained autoencoder of diffusers takes grey or colour images.", "Leave out --transparent.")
    with torch.device("meta"), torch.no_grad():
        E = BorrowedEncoder(make(json.loads(config)), "E", shape)
        G = BorrowedDecoder(make(json.loads(config)), "G", shape)
        try:
            z = E(torch.zeros(1, *shape))
            back = tuple(G(z).shape[1:])
        except (RuntimeError, ValueError) as error:
            raise _unfit(kind, shape, first_line(error)) from error
    if back != shape:
        raise _unfit(kind, shape, f"it gives {back[2]}×{back[1]} back")
    return tuple(z.shape[1:])


def _unfit(kind: str, shape: tuple[int, ...], why: str) -> UserError:
    return UserError(
        f"Images of {shape[2]}×{shape[1]} do not fit this {kind}: {why}.",
        "Choose sides that are multiples of what it divides them by, mostly 8 or 32 (--size).",
    )
