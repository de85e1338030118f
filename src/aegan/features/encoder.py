"""A scikit-learn transformer that learns codes, or takes those of a trained run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aegan.config import as_plain
from aegan.data import arrays
from aegan.data.build import AS_THEY_ARE
from aegan.data.depth import SLACK, Depth, kind_of, number
from aegan.data.files import Found
from aegan.data.fit import fit_all
from aegan.data.format import ImageFormat
from aegan.data.given import in_python
from aegan.errors import UserError, required
from aegan.hints import AnyPath, Array

with required("aegan.Encoder needs scikit-learn 1.6 or later", '"aegan[features]"'):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data

DEEP = {"I", "I;16", "I;16B", "I;16L", "F"}  # Pillow's modes of more than 8 bits
PLAIN = Depth(integers=(0, 255), floats=(0, 1), bytes=AS_THEY_ARE)  # scales of values that `fit` has not seen
LEAST = 8  # examples that training needs, different ones


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Codes of images or vectors as features, learned without labels.

    `fit` trains a strategy on X, in a temporary folder; labels y are never used. The tenth of X that training always holds
    out, by content, is not learned from. With `run` it takes a trained run instead and trains nothing.

    Args:
        strategy: one that encodes and decodes; see `aegan strategies`.
        code_dim: numbers of a code, for strategies that have this option; None: the strategy's own.
        steps, minutes: the budget, one of them; steps repeat exactly on the same machine. Neither: 1,000 steps.
        size: to which images are brought, a side or "WIDTHxHEIGHT", in `transform` too; None: their own.
        seed: of everything random.
        preset: named numbers of the strategy; None: by the size of X.
        batch_size: examples a step; None: the strategy's.
        options: of the strategy, by name, over the preset's.
        device: where to compute.
        run: folder of a trained run.

    Attributes:
        model_: the trained `aegan.Model`.
        n_features_in_: numbers of one example: columns of (N, D), H · W · C of an image.
        depth_: the scale of images that are not of bytes, found in `fit` and used again in `transform`; None: of bytes.
            Of values that `fit` has not seen, bytes are taken as they are, other whole numbers as of [0, 255], floats as of
            [0, 1], whatever else a batch holds; beyond that they are refused.

    X is float (N, D), vectors, or uint8 images (N, H, W) or (N, H, W, C); C = 4 is learned with its
    alpha. Codes are float32 (N, d), spatial ones flattened.

    >>> Encoder(strategy="autoencoder", code_dim=8, steps=200).get_params()["code_dim"]
    8
    """

    def __init__(
        self,
        strategy: str = "autoencoder",
        *,
        code_dim: int | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        size: int | str | None = None,
        seed: int = 0,
        preset: str | None = None,
        batch_size: int | None = None,
        options: Mapping[str, Any] | None = None,
        device: str = "auto",
        run: AnyPath | None = None,
    ) -> None:
        self.strategy = strategy
        self.code_dim = code_dim
        self.steps = steps
        self.minutes = minutes
        self.size = size
        self.seed = seed
        self.preset = preset
        self.batch_size = batch_size
        self.options = options
        self.device = device
        self.run = run

    @classmethod
    def from_run(cls, run: AnyPath, *, device: str = "auto") -> Encoder:
        """The encoder of a trained run, or of a model's folder, already fitted.

        Raises:
            UserError: there is none, or its strategy has no encoder.
        """
        return cls(run=run, device=device)._taken()

    def fit(self, X: Array, y: object = None) -> Encoder:
        """Learns codes of X (N, ...); y is not used.

        Raises:
            UserError: the settings do not fit the data.
            ValueError: X is neither vectors nor images, or not finite.
        """
        from aegan.api import fit
        from aegan.strategies import strategy

        if self.run is not None:
            self._taken()
            self._items(X, reset=False)
            return self
        if not {"encode", "decode"} <= strategy(self.strategy).capabilities:
            raise UserError(f"Strategy '{self.strategy}' cannot encode.", "Those that can: see `aegan strategies`.")
        items = self._items(X, reset=True)
        if len(items) < LEAST:
            raise ValueError(f"n_samples={len(items)}: Encoder needs at least {LEAST} examples to learn from.")
        options = dict(self.options or {})
        if self.code_dim is not None:
            options["code_dim"] = self.code_dim
        steps = 1000 if self.steps is None and self.minutes is None else self.steps
        size = (items.shape[2], items.shape[1]) if items.ndim == 4 and not self.size else self.size
        with tempfile.TemporaryDirectory(prefix="aegan-encoder-") as folder:
            run = fit(
                items, strategy=self.strategy, out=Path(folder) / "run", steps=steps, minutes=self.minutes, seed=self.seed,
                size=size, preset=self.preset,
                batch_size=self.batch_size, options=as_plain(options), device=self.device, progress=False,
                transparent=items.ndim == 4 and items.shape[3] == 4,
            )  # fmt: skip
            self.model_ = run.model
        self._know()
        return self

    def transform(self, X: Array) -> Array:
        """Codes of X (N, ...), float32 (N, d)."""
        check_is_fitted(self)
        codes = self.model_.encode(self._items(X, reset=False))
        return codes.reshape(len(codes), -1)

    def inverse_transform(self, X: Array) -> Array:
        """Examples of codes (N, d): float32 (N, D), or uint8 images (N, H, W, C)."""
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float32)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(f"Codes have {self._n_features_out} features, got {codes.shape[1]}.")
        return self.model_.decode(codes.reshape(len(codes), *self.code_shape_))

    def score_samples(self, X: Array) -> Array:
        """How usual each example of X is, float32 (N,), larger is more usual: minus the mean of what `Model.score` gives."""
        check_is_fitted(self)
        scores = self.model_.score(self._items(X, reset=False))
        return -np.asarray(np.mean(list(scores.values()), axis=0), np.float32)

    def _taken(self) -> Encoder:
        from aegan.api import load

        assert self.run is not None
        self.model_ = load(self.run, self.device)
        self._know()
        self.depth_ = self.model_.spec.depth
        self.n_features_in_ = int(np.prod(self.model_.spec.shape))
        return self

    def _know(self) -> None:
        """What `transform` will give."""
        spec = self.model_.spec
        shape = (*spec.shape[1:], spec.shape[0]) if spec.is_image else spec.shape
        code = self.model_.encode(np.zeros((1, *shape), np.uint8 if spec.is_image else np.float32))
        self.code_shape_ = code.shape[1:]
        self._n_features_out = int(np.prod(self.code_shape_))

    def _items(self, X: Any, *, reset: bool) -> Array:
        """X as a model takes it: uint8 (N, H, W, C) or float32 (N, D)."""
        if reset:
            self.depth_ = None
        if not _may_be_images(X):
            return np.asarray(validate_data(self, X, reset=reset, dtype=np.float32), np.float32)
        try:
            if isinstance(X, list | tuple) and isinstance(X[0], Image.Image):
                X = _of_one_mode(X)
            held = in_python(X)
            if isinstance(held, Found):
                raise ValueError("Images must be of one size here: scale them before.")
            if held.ndim == 2:
                return np.asarray(validate_data(self, held, reset=reset, dtype=np.float32), np.float32)
            how = arrays.plan(arrays.from_array(held, "X"), None if reset else self._scale(held))
        except UserError as why:
            raise ValueError(str(why)) from why
        alpha = held.ndim == 4 and held.shape[1 if how.first else 3] == 4
        images = arrays.examples(held, how, ImageFormat(channels=4 if alpha else None))[0]
        if reset:
            self.depth_ = how.depth
            self.n_features_in_ = int(np.prod(images.shape[1:]))
        elif self.size and self.model_.spec.is_image:
            images = fit_all(images, self.model_.spec.format)
        return images

    def _scale(self, images: Array) -> Depth:
        """Of the values of images, the same for every batch: that of `fit`, or the plain one."""
        kind = kind_of(images.dtype)
        if self.depth_ is not None and self.depth_.span(kind):
            return self.depth_
        low, high = PLAIN.span(kind) or AS_THEY_ARE
        slack = SLACK if kind == "floats" else 0
        if images.size and (images.min() < low - slack or images.max() > high + slack):
            raise ValueError(
                f"X holds {images.dtype} from {number(images.min())} to {number(images.max())}, and the encoder was "
                f"fitted to images of another type, which says nothing of their scale: bring them to bytes, or to the "
                f"range [{low}, {high}]."
            )
        return PLAIN

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _of_one_mode(images: Sequence[Image.Image]) -> list[Array]:
    """Images of Pillow as arrays: of what is not grey, colour or deep, the colours."""
    modes = {image.mode for image in images}
    if modes & DEEP and not modes <= DEEP:
        raise ValueError("Some of the images have 8 bits, others more: bring them to one depth before.")
    if not modes <= DEEP and (len(modes) > 1 or not modes <= {"L", "RGB", "RGBA"}):
        images = [image.convert("RGBA" if "RGBA" in modes else "RGB") for image in images]
    return [np.asarray(image) for image in images]


def _may_be_images(X: Any) -> bool:
    """Whether X is an array or tensor of three or four axes, or a list of arrays, tensors or PIL images."""
    if isinstance(X, list | tuple) and len(X):
        return np.ndim(X[0]) in (2, 3) if hasattr(X[0], "dtype") else isinstance(X[0], Image.Image)
    if isinstance(X, np.ndarray):
        return X.ndim in (3, 4) and X.dtype.kind in "uifb"
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor)
