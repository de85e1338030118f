"""A trained model: makes, encodes, decodes and reconstructs.

Everything goes in and comes out as numpy arrays: images uint8 (N, H, W, C), vectors float32 (N, D), in the data's own units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aegan.bundle import read_bundle, write_bundle
from aegan.cells import table
from aegan.config import as_plain
from aegan.data import DataSpec
from aegan.data.loader import to_items, to_tensor
from aegan.engine.device import autocast, pick_device, pick_precision
from aegan.engine.state import prefixed, under
from aegan.errors import Diverged, UserError
from aegan.folders import expanded
from aegan.hints import AnyPath, Array
from aegan.model_config import read_config
from aegan.model_inputs import Examples, as_classes, as_codes, as_examples
from aegan.networks import Own, use_networks
from aegan.networks.custom import giving, made, own_names
from aegan.seeds import Seeded, check_seed, whole_number
from aegan.strategies import Networks, Strategy
from aegan.torch_state import kept_random, usual_torch
from aegan.version import __version__


class Model:
    """A trained strategy: its networks and what they know of the data.

    Args:
        strategy: the method, with its hyper-parameters.
        spec: shape and classes of the data.
        networks: with trained weights.
        mean, scale: vectors only: how the data was standardised.
        notes: what the closed-form stages found.
        device: where to compute.
    """

    def __init__(
        self,
        strategy: Strategy,
        spec: DataSpec,
        networks: Networks,
        *,
        mean: Array | None = None,
        scale: Array | None = None,
        notes: Mapping[str, Any] | None = None,
        device: str = "auto",
    ) -> None:
        self.strategy, self.spec = strategy, spec
        self.mean, self.scale, self.notes = mean, scale, dict(notes or {})
        self.device = pick_device(device)
        self.networks = {k: net.to(self.device).eval().requires_grad_(False) for k, net in networks.items()}

    @property
    def capabilities(self) -> frozenset[str]:
        """What the strategy can do, of: sample, encode, decode, score."""
        return frozenset(self.strategy.capabilities)

    @usual_torch()
    def sample(
        self,
        n: int | None = None,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        label: str | int | Sequence[str | int] | Array | None = None,
        truncation: float = 1.0,
        batch_size: int | None = None,
    ) -> Array:
        """New examples. Each has a seed of its own: the same seed gives the same one, whatever is drawn beside it.

        `sample(n, seed=s)` gives the examples of the seeds s, s + 1, ..., s + n - 1. All random numbers of an example
        depend on its seed alone; how many are computed at once may move a value by rounding (a pixel by 1 of 255).

        Args:
            n: how many; with `seeds`, as many as those.
            seed: the first one's.
            seeds: one for each example, in place of `n` and `seed`; any whole numbers from 0 to 2^63 - 1, in any order.
            label: a class name or index for all, or one of them for each; None draws classes as often as the data has them.
            truncation: in (0, 1]; less than 1 trades diversity for typicality.
            batch_size: how many are computed at once; None: 500, of images above 64×64 fewer.

        Returns:
            uint8 (n, H, W, C), or float32 (n, D) for vectors.

        Raises:
            UserError: a value that cannot be used, or a class that the model does not know.
        """
        if not 0 < truncation <= 1:
            raise UserError(f"Truncation is in (0, 1], not {truncation:g}.", "1 leaves samples as varied as the data.")
        chosen = _chosen(n, seed, seeds)
        labels = self._labels(len(chosen), label)
        rng = torch.Generator(self.device).manual_seed(0)  # asked for by the contract; `Seeded` draws in its place

        def make(part: slice) -> Tensor:
            y = None if labels is None else labels[part]
            with Seeded(chosen[part]):
                return self.strategy.sample(self.networks, part.stop - part.start, y, truncation, rng)

        # In 16 bits where the device gains from it: pixels have 8. Codes and reconstructions stay in 32.
        with autocast(self.device, "fp32" if self.spec.is_vector else pick_precision("auto", self.device)):
            return self._items(self._batched(len(chosen), make, batch_size))

    @usual_torch()
    def encode(self, items: Examples, *, batch_size: int | None = None) -> Array:
        """Codes, float32 (N, d) or (N, c, h, w), of examples as `sample` returns them.

        PIL images, one or a list, of any size and mode are brought to that form as training images are; so in `score`,
        `reconstruct` and `interpolate`.

        Raises:
            UserError: examples of another form, or vectors that are not finite.
        """
        self._can("encode")
        items = as_examples(items, self.spec)
        if not len(items):
            return self.encode(np.zeros((1, *items.shape[1:]), items.dtype))[:0]

        def make(part: slice) -> Tensor:
            return self.strategy.encode(self.networks, self._tensor(items[part]))

        return np.concatenate([t.float().numpy() for t in self._batched(len(items), make, batch_size)])

    @usual_torch()
    def decode(self, codes: Array, *, batch_size: int | None = None) -> Array:
        """Examples of codes as `encode` returns them."""
        self._can("decode")
        return self._decoded(as_codes(codes), batch_size)

    def _decoded(self, codes: Array, batch_size: int | None = None) -> Array:
        """`decode` of codes of this model's own, which need not be checked."""

        def make(part: slice) -> Tensor:
            return self.strategy.decode(self.networks, torch.as_tensor(codes[part], device=self.device))

        return self._items(self._batched(len(codes), make, batch_size))

    @usual_torch()
    def reconstruct(self, items: Examples, *, batch_size: int | None = None) -> Array:
        """Examples through their codes and back."""
        self._can("encode", "decode")
        items = as_examples(items, self.spec)
        parts = [self._decoded(self.encode(items[part]), batch_size) for part in self._parts(len(items), batch_size)]
        return np.concatenate(parts) if parts else self._decoded(self.encode(items))

    @usual_torch()
    def score(self, items: Examples, *, batch_size: int | None = None) -> dict[str, Array]:
        """How unusual examples are to the model, float32 (N,) by name; larger is more unusual.

        Returns:
            reconstruction: mean squared error of the example through its code and back, of values in [-1, 1] for images
                and standardised for vectors.
            density: −log p of the code, in nats a number of it; only where the strategy has a density of codes.
        """
        self._can("score")
        items = as_examples(items, self.spec)
        if not len(items):
            return {k: v[:0] for k, v in self.score(np.zeros((1, *items.shape[1:]), items.dtype)).items()}
        parts = []
        with torch.inference_mode():
            for part in self._parts(len(items), batch_size):
                found = self.strategy.score(self.networks, self._tensor(items[part]))
                parts.append({k: v.float().cpu().numpy() for k, v in found.items()})
        return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}

    @usual_torch()
    def interpolate(
        self,
        rows: int = 8,
        steps: int = 10,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        start: Examples | None = None,
        end: Examples | None = None,
    ) -> Array:
        """Straight walks between codes.

        Args:
            rows: number of walks, if no examples or seeds are given.
            steps: examples in a walk, both ends included.
            seed: of the first of the 2 * rows samples between which the walks go.
            seeds: two or more: walks from the sample of each to that of the next instead.
            start, end: examples (rows, ...) to walk between instead.

        Returns:
            rows * steps examples, row by row.
        """
        self._can("encode", "decode")
        rows, steps = whole_number(rows, "The number of walks"), whole_number(steps, "The number of steps")
        if seeds is not None:
            ends = self.sample(seeds=seeds)
            if len(ends) < 2:
                raise UserError("A walk needs at least two seeds.", "Example: 1,5,9")
            start, end = ends[:-1], ends[1:]
        elif (start is None) != (end is None):
            raise UserError("A walk between examples needs both ends.", "Give start and end.")
        elif start is None or end is None:
            ends = self.sample(2 * rows, seed=seed)
            start, end = ends[:rows], ends[rows:]
        a, b = self.encode(start), self.encode(end)
        if len(a) != len(b):
            raise UserError(f"A walk needs both ends: there are {len(a)} starts and {len(b)} ends.")
        t = np.linspace(0, 1, steps, dtype=np.float32).reshape(1, steps, *(1,) * (a.ndim - 1))
        codes = a[:, None] * (1 - t) + b[:, None] * t
        return self._decoded(codes.reshape(-1, *a.shape[1:]))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        spec = self.spec
        weights = {name: sum(p.numel() for p in net.parameters()) for name, net in self.networks.items()}
        images = f"images {spec.width}×{spec.height}, {spec.channels} channels"
        return table(
            [
                ("model", f"{self.strategy.name}: {self.strategy.summary}"),
                ("makes", images if spec.is_image else f"vectors {spec.shape}"),
                ("trained on", f"{spec.count:,} examples"),
                ("classes", ", ".join(spec.classes) or "none"),
                ("can", ", ".join(sorted(self.capabilities))),
                ("weights", ", ".join(f"{name} {n:,}" for name, n in weights.items() if n)),
                ("device", self.device),
            ]
        )

    # --- storing --------------------------------------------------------------------------------------------------

    def save(self, folder: AnyPath) -> Path:
        """Writes the model's two files; `load` reads them back."""
        folder = expanded(folder)
        write_model(folder, self.strategy, self.spec, self.networks, self.mean, self.scale, self.notes)
        return folder

    @classmethod
    @usual_torch()
    @kept_random()  # building networks draws weights, which those of the file replace
    def read(cls, folder: AnyPath, device: str = "auto", networks: Mapping[str, Own] | None = None) -> Model:
        """A model from its two files; `networks` are copies of those that were the user's own, which no file can hold."""
        folder = expanded(folder)
        tensors, config = read_bundle(folder)
        found = read_config(config, folder)
        chosen, spec, own, given = found.strategy, found.spec, found.own, networks or {}
        if set(own) != set(given):
            missing, extra = [n for n in own if n not in given], [n for n in given if n not in own]
            raise UserError(
                f"{folder} was trained with networks of your own, which it cannot hold: {', '.join(missing)}."
                if missing
                else f"{folder} holds its own {', '.join(extra)}: they were not given when it was trained.",
                f"Give the same modules: aegan.load(path, {giving(own)})" if own else "Leave networks= out.",
            )
        try:
            nets = chosen.build(spec)
            if own:
                new, fixed = made(given, spec, anew=True), chosen.fixed_networks
                nets = use_networks(nets, new, spec, strategy=chosen.name, fixed=fixed)
            for name, net in nets.items():
                try:
                    net.load_state_dict(under(tensors, f"{name}/"))
                except RuntimeError as error:
                    if name not in own:
                        raise
                    raise UserError(
                        f"The given {name} is not the one that was trained: {str(error).splitlines()[-1].strip()}",
                        "Build it as for training.",
                    ) from error
        except (KeyError, TypeError, RuntimeError) as error:  # whole files, other networks
            raise UserError(
                f"{folder} was written by aegan {config.get('aegan')}, whose networks are not those of {__version__}.",
                "Use that version, or train again.",
            ) from error
        return cls(chosen, spec, nets, mean=found.mean, scale=found.scale, notes=found.notes, device=device)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _can(self, *needed: str) -> None:
        for capability in needed:
            if capability not in self.capabilities:
                raise UserError(
                    f"A model of strategy '{self.strategy.name}' cannot {capability}.",
                    "Strategies with an encoder can; see `aegan strategies`.",
                )

    def _labels(self, n: int, label: Any) -> Tensor | None:
        if label is None:
            return None
        return torch.tensor(as_classes(label, n, self.spec.classes), dtype=torch.long, device=self.device)

    def _parts(self, n: int, batch_size: int | None) -> Iterator[slice]:
        """The places of n examples, so many at once; None: as the memory of their pixels allows."""
        size = self.spec.at_once if batch_size is None else whole_number(batch_size, "The batch size")
        if size < 1:
            raise UserError(f"A batch size of {size} computes nothing.", "Leave it out, or give 1 or more.")
        return (slice(i, min(i + size, n)) for i in range(0, n, size))

    def _batched(self, n: int, make: Callable[[slice], Tensor], batch_size: int | None) -> Iterator[Tensor]:
        """One part after the other, so that floats of all examples are never held."""
        for part in self._parts(n, batch_size):
            with torch.inference_mode():
                try:
                    made = make(part).cpu()
                except RuntimeError:  # some draw by probabilities, which these cannot be
                    self.check_weights()
                    raise
            if not bool(made.isfinite().all()):
                self.check_weights()
            yield made

    def check_weights(self) -> None:
        """Refuses a model whose weights are not finite: as bytes its images would look like any other black ones.

        Raises:
            Diverged: some are not.
        """
        ill = [
            name for name, net in self.networks.items() if not all(bool(p.isfinite().all()) for p in net.parameters())
        ]
        if ill:
            raise Diverged(
                f"The model's weights are not finite ({', '.join(ill)}): its training has diverged.",
                "Train again with lower rates; a run may have kept a better model (aegan evaluate RUN --checkpoint best).",
            )

    def _tensor(self, items: Array) -> Tensor:
        return to_tensor(np.asarray(items), self.mean, self.scale).to(self.device)

    def _items(self, parts: Iterator[Tensor]) -> Array:
        none = to_items(torch.empty((0, *self.spec.shape)), self.mean, self.scale)
        return np.concatenate([none, *(to_items(t, self.mean, self.scale) for t in parts)])


def _chosen(n: int | None, seed: int, seeds: Sequence[int] | None) -> Sequence[int]:
    """The seed of each example."""
    if seeds is None:
        if n is None:
            raise UserError("How many examples to draw was not said.")
        n = whole_number(n, "The count")
        if n < 0:
            raise UserError(f"{n} examples cannot be drawn.")
        seed = check_seed(seed, n)
        return range(seed, seed + n)
    if not isinstance(seeds, Iterable) or isinstance(seeds, str):
        raise UserError("`seeds` is a list of whole numbers, one for each example.", "The first of n: seed=0")
    chosen = [check_seed(one) for one in seeds]
    if n is not None and n != len(chosen):
        raise UserError(f"There are {len(chosen)} seeds for {n} examples.", "Leave n out: each seed gives one.")
    return chosen


def write_model(
    folder: Path,
    strategy: Strategy,
    spec: DataSpec,
    networks: Networks,
    mean: Array | None,
    scale: Array | None,
    notes: Mapping[str, Any],
) -> None:
    """Writes networks, finished or still in training, as a model folder."""
    config = {
        "aegan": __version__,
        "strategy": strategy.name,
        "options": as_plain(dataclasses.asdict(strategy)),
        "spec": as_plain(dataclasses.asdict(spec)),
        "mean": None if mean is None else np.asarray(mean, float).tolist(),
        "scale": None if scale is None else float(scale),
        "notes": as_plain(notes),
        "own": own_names(networks),
    }
    write_bundle(folder, prefixed(networks), config)
