"""A model to play with: samples, walks, codes, reconstructions, neighbours, principal directions. Numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from aegan.data.decode import Skip, decode, open_image, quiet
from aegan.errors import UserError
from aegan.evenly import evenly
from aegan.names import printable
from aegan.pictures import encoded, grid, scatter
from aegan.serve.limits import DIRECTIONS, PIXELS

if TYPE_CHECKING:
    from aegan.density.whitening import Whitening
    from aegan.hints import Array
    from aegan.model import Model
    from aegan.runs.folder import Run

FITTED = 1000  # samples whose codes give the principal directions
SEARCHED = 20_000  # images among which neighbours are looked for, at most
SEARCHED_BYTES = 2**30  # of their pixels
KEPT = 8  # sets of samples whose codes are remembered


@dataclass(frozen=True)
class Searched:
    """What neighbours are looked for among."""

    items: Array  # uint8 (N, H, W, C)
    codes: Array  # float32 (N, d), flattened
    names: list[str] | None
    labels: Array | None  # int64 (N,)
    source: Literal["training", "samples"]
    description: str  # the same in words, with counts and the reason


class Play:
    """What the page can do with a model of images. Not for several threads at once.

    Args:
        run: the run that the model is from, whose data are opened for neighbours; None for a model folder.
    """

    def __init__(self, model: Model, run: Run | None) -> None:
        self.model, self.run = model, run
        self._kept = lru_cache(KEPT)(self._drawn)
        self.code_shape = self._code_shape()

    @property
    def has_codes(self) -> bool:
        """Whether images can be taken to codes and back."""
        return {"encode", "decode"} <= self.model.capabilities

    def _code_shape(self) -> tuple[int, ...]:
        """Shape of a code; empty where there are none."""
        if not self.has_codes:
            return ()
        spec = self.model.spec
        shape = (1, *spec.shape[1:], spec.shape[0]) if spec.is_image else (1, *spec.shape)
        blank = np.zeros(shape, np.uint8 if spec.is_image else np.float32)
        return tuple(self.model.encode(blank).shape[1:])

    def about(self) -> dict[str, Any]:
        """What the model is, in plain values. It computes nothing, so any thread may ask."""
        spec = self.model.spec
        data = None if self.run is None else printable(Path(str(self.run.config.run.data)).name)
        return {
            "strategy": self.model.strategy.name,
            "data": data,
            "shape": list(spec.shape),
            "classes": list(spec.classes) if self.model.strategy.uses_labels else [],
            "trained_on": spec.count,
            "capabilities": sorted(self.model.capabilities),
            "code_shape": list(self.code_shape),
            "device": str(self.model.device),
        }

    def samples(self, seeds: Sequence[int], label: str | None, truncation: float) -> tuple[Array, Array | None]:
        """Images (N, H, W, C) of N seeds and their codes (N, ...), None without an encoder; the same for the same wish."""
        return self._kept(tuple(seeds), label, truncation)

    def _drawn(self, seeds: Sequence[int], label: str | None, truncation: float) -> tuple[Array, Array | None]:
        items = self.model.sample(seeds=seeds, label=label, truncation=truncation)
        return items, self.model.encode(items) if self.has_codes else None

    def walk(self, start: Array, end: Array, frames: int) -> tuple[Array, Array]:
        """Images (frames, H, W, C) and codes on the straight line between two codes, both ends included."""
        t = np.linspace(0, 1, frames, dtype=np.float32).reshape(frames, *(1,) * start.ndim)
        codes = start[None] * (1 - t) + end[None] * t
        return self.model.decode(codes), codes

    def read(self, raw: bytes) -> Array:
        """An uploaded image as the model takes it, uint8 (1, H, W, C).

        Raises:
            UserError: it is no image, is damaged, or has too many pixels.
        """
        spec = self.model.spec
        if not spec.is_image:
            raise UserError("This model makes vectors, so it can encode no image.")
        try:
            with quiet():
                width, height = open_image(raw).size  # the header alone, before anything is decoded
                if width * height > PIXELS:
                    raise Skip(f"more than {PIXELS / 1e6:g} million pixels")
                return decode(raw, spec.format).pixels[None]
        except Skip as why:
            raise UserError(f"This file can't be used: {why}.", "Choose a picture, such as a PNG or a JPEG.") from why

    def encode(self, image: Array) -> tuple[Array, Array]:
        """The code of one image (1, H, W, C), and its reconstruction (H, W, C)."""
        code = self.model.encode(image)
        return code[0], self.model.decode(code)[0]

    def code(self, numbers: list[float] | None) -> Array:
        """A code sent by a client, or the mean of the samples' codes, in the model's shape.

        Raises:
            UserError: not as many numbers as a code has.
        """
        if not self.has_codes:
            self.model.reconstruct(np.zeros((1,)))  # refuses, and says why
        if numbers is None:
            return np.asarray(self.directions.mean.numpy()).reshape(self.code_shape)
        size = int(np.prod(self.code_shape))
        if len(numbers) != size:
            raise UserError(f"A code of this model has {size} numbers, not {len(numbers)}.")
        return np.asarray(numbers, np.float32).reshape(self.code_shape)

    @cached_property
    def _codes(self) -> Array:
        return self.model.encode(self.model.sample(FITTED, seed=0))

    @cached_property
    def directions(self) -> Whitening:
        """The principal directions of the codes of samples."""
        import torch

        from aegan.density.whitening import Whitening

        return Whitening(keep=DIRECTIONS).fit(torch.from_numpy(self._codes))

    @cached_property
    def shares(self) -> list[float]:
        """The share of the codes' variance along each principal direction."""
        total = float(self._codes.reshape(FITTED, -1).var(0, ddof=1).sum())
        return [float(v) / max(total, 1e-12) for v in self.directions.scale.square()]

    def moved(self, code: Array, amounts: list[float]) -> tuple[Array, Array]:
        """The image (H, W, C) and the code at so many standard deviations from a code along each direction."""
        d = self.directions
        if len(amounts) > d.dim:
            raise UserError(f"There are {d.dim} directions, and {len(amounts)} amounts.")
        along = np.asarray(amounts, np.float32) * d.scale.numpy()[: len(amounts)]
        code = code + (d.basis.numpy()[:, : len(amounts)] @ along).reshape(code.shape)
        return self.model.decode(code[None])[0], code

    @cached_property
    def searched(self) -> Searched:
        """Training images where the run's data can be opened, else samples; with their codes."""
        spec, why = self.model.spec, "this is a model without its run"
        if self.run is not None:
            try:
                data = self.run.data()
                if data.spec.shape != spec.shape:
                    raise UserError("its images have another shape now")
                split = data.train
                index = evenly(len(split), min(SEARCHED, SEARCHED_BYTES // int(np.prod(spec.shape))))
                items = np.asarray(split.items[index])
                of = f"{len(items):,}" if len(items) == len(split) else f"{len(items):,} of {len(split):,}"
                return Searched(
                    items,
                    self.model.encode(items).reshape(len(items), -1),
                    [printable(split.names[int(i)]) for i in index],
                    None if split.labels is None else split.labels[index],
                    "training",
                    f"{of} training images of {data.name}",
                )
            except (UserError, OSError) as error:
                why = "the training data can't be opened: " + str(error).splitlines()[0].rstrip(".")
        items, codes = self.samples(range(FITTED), None, 1.0)
        assert codes is not None  # only asked for with an encoder
        return Searched(
            items, codes.reshape(len(items), -1), None, None, "samples", f"{FITTED:,} samples of the model, since {why}"
        )

    def neighbours(self, code: Array, count: int) -> list[dict[str, Any]]:
        """The nearest of `searched` by Euclidean distance of codes, nearest first: item, distance, name, label.

        Raises:
            UserError: the model makes vectors.
        """
        if not self.model.spec.is_image:
            raise UserError("This model makes vectors, and neighbours are shown as images.")
        among, classes = self.searched, self.model.spec.classes
        distance = np.sqrt(((among.codes - code.reshape(1, -1)) ** 2).sum(1, dtype=np.float64))
        out = []
        for i in np.argsort(distance, kind="stable")[:count]:
            label = -1 if among.labels is None else int(among.labels[i])
            out.append(
                {
                    "item": among.items[i],
                    "distance": float(distance[i]),
                    "name": among.names[i] if among.names else None,
                    "label": classes[label] if 0 <= label < len(classes) else None,
                }
            )
        return out


def picture(items: Array, columns: int) -> bytes:
    """Images as a grid, or vectors as a scatter plot, as PNG."""
    return encoded(grid(items, columns) if items.ndim == 4 else scatter(items))
