"""A model as up to three graphs without state: encoder, decoder, generator."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from aegan.density.prior import Frequencies, Prior
from aegan.draws import Recording, Replaying, UnknownDraw, by_weight
from aegan.errors import UserError
from aegan.model import Model
from aegan.networks.custom import copied
from aegan.strategies import Networks, Strategy
from aegan.strategies._space import RecordedNetworks


class GivenPrior:
    """A prior P whose component follows from numbers, without Python that looks at values: a graph has none of that.

    Args:
        shape: of a code.
        label: (N,) classes, −1 to draw one; None where the prior knows no classes.
    """

    def __init__(self, prior: Prior, shape: tuple[int, ...], label: Tensor | None) -> None:
        self.prior, self.shape, self.label = prior, shape, label
        self.normalise, self.restore = prior.normalise, prior.restore

    def draw(self, n: int, y: None, truncation: Any, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """As `Prior.draw`, in the same order of draws."""
        if self.prior.parzen is not None:
            u, drawn = self.prior.parzen.sample_with_classes(n, self.label, truncation)
            return u, None if self.label is None else drawn
        mixture = self.prior.mixture
        weights = mixture.weights
        if self.label is not None:
            wanted = self.label[:, None]
            weights = weights * ((mixture.classes == wanted) | (wanted < 0))
        k = by_weight(weights, torch.rand(n))
        e = torch.randn(n, mixture.means.shape[1])
        u = mixture.means[k] + truncation * (mixture.chols[k] @ e[:, :, None]).squeeze(2)
        classes = None if self.label is None else mixture.classes[k]
        if self.prior.mdn is not None:
            u = self.prior.mdn.sample(n, classes, truncation, rng)
        return u, classes

    def sample(self, n: int, y: None, truncation: Any, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """As `Prior.sample`."""
        u, classes = self.draw(n, y, truncation, rng)
        return self.prior.whitening.flat(u).view(-1, *self.shape), classes


class GivenClasses:
    """Class frequencies Y of the data that draw only where no class is given: where the label (N,) is −1."""

    def __init__(self, frequencies: Frequencies, label: Tensor) -> None:
        self.frequencies, self.label = frequencies, label

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(N,) classes."""
        drawn = self.frequencies.sample(n, rng)
        return torch.where(self.label < 0, drawn, self.label)  # type: ignore[arg-type]


class Used(RecordedNetworks):
    """Those of the networks that a piece asks for."""

    def taken(self) -> Networks:
        """Copies of those that were asked for, whose tensors lie in memory as files have them: whole and in order."""
        fix = "Its class must be one that copy.deepcopy takes; of Keras it needs get_config()."
        asked = {name: net for name, net in self.items() if name in self.asked}
        found = {name: copied(name, net, "what is exported are copies", fix) for name, net in asked.items()}
        for net in found.values():
            for tensor in (*net.parameters(), *net.buffers()):
                tensor.data = tensor.detach().clone(memory_format=torch.contiguous_format)
        return found


class _Piece(nn.Module):
    """Holds the networks under their names."""

    def __init__(self, strategy: Strategy, networks: Networks) -> None:
        super().__init__()
        self.strategy = strategy
        self.networks = nn.ModuleDict(networks)
        self.eval().requires_grad_(False)

    @property
    def by_name(self) -> Networks:
        return dict(self.networks.items())


class EncoderGraph(_Piece):
    """Examples to codes."""

    def forward(self, x: Tensor) -> Tensor:
        return self.strategy.encode(self.by_name, x)


class DecoderGraph(_Piece):
    """Codes to examples."""

    def forward(self, code: Tensor) -> Tensor:
        return self.strategy.decode(self.by_name, code)


class GeneratorGraph(_Piece):
    """Numbers to new examples. Inputs that a strategy has no use for are not given, and so are not in the graph."""

    def __init__(self, strategy: Strategy, networks: Networks) -> None:
        super().__init__(strategy, networks)
        prior = networks.get("P")
        # as whole numbers, since a graph cannot take a shape from a tensor's values
        self.code_shape = tuple(prior.whitening.shape.tolist()) if isinstance(prior, Prior) else ()

    def forward(
        self,
        *,
        truncation: Tensor,
        noise: Tensor | None = None,
        uniform: Tensor | None = None,
        label: Tensor | None = None,
    ) -> Tensor:
        given = noise if noise is not None else uniform
        assert given is not None  # no sampler draws nothing
        nets: dict[str, Any] = self.by_name
        prior, frequencies = nets.get("P"), nets.get("Y")
        if isinstance(prior, Prior):
            nets["P"] = GivenPrior(prior, self.code_shape, label)
        if isinstance(frequencies, Frequencies) and label is not None:
            nets["Y"] = GivenClasses(frequencies, label)
        with Replaying(given if noise is None else noise, given if uniform is None else uniform):
            # a generator of random numbers that nothing asks: all draws are replayed
            return self.strategy.sample(nets, given.shape[0], None, truncation, torch.Generator())  # type: ignore[arg-type]


Checks = list[tuple[dict[str, Tensor], Tensor]]  # inputs by name, and what is to come of them


@dataclass(frozen=True)
class Piece:
    """A graph to export."""

    name: str  # encoder, decoder or generator
    module: nn.Module  # called with its inputs by name, gives one tensor
    output: str  # the name of what it gives
    checks: Callable[[int], Checks]  # by batch size; the first will be traced


def takes_labels(model: Model) -> bool:
    """Whether its sampler obeys a class."""
    prior = model.networks.get("P")
    return bool(model.spec.classes) and ("Y" in model.networks or (isinstance(prior, Prior) and prior.has_classes))


def labels_known(model: Model) -> list[int]:
    """The classes that can be asked for: a prior has none of those that no example had."""
    prior = model.networks.get("P")
    if isinstance(prior, Prior):
        return sorted(set(prior.mixture.classes.tolist()))
    return list(range(len(model.spec.classes)))


class _Itself:
    """What the strategy itself gives, which a graph has to give for the same inputs."""

    def __init__(self, model: Model) -> None:
        self.model, self.strategy, self.networks = model, model.strategy, model.networks

    def drawn(self, n: int, networks: Networks | None = None) -> tuple[Recording, Tensor]:
        """n samples, and the random numbers that they are made of."""
        try:
            with torch.inference_mode(), Recording(n) as record:
                rng = torch.Generator().manual_seed(n)
                made = self.strategy.sample(networks or self.networks, n, None, 1.0, rng)
        except UnknownDraw as draw:
            raise UserError(
                f"The sampler of '{self.strategy.name}' cannot be exported: it draws {draw} where a graph has no random "
                "numbers.",
                "Export a model of another strategy.",
            ) from None
        return record, made.float()

    def examples(self, n: int) -> Tensor:
        if "sample" not in self.model.capabilities:
            return torch.rand(n, *self.model.spec.shape, generator=torch.Generator().manual_seed(n)) * 2 - 1
        made = self.drawn(n)[1]
        return made.clamp(-1, 1) if self.model.spec.is_image else made

    @torch.inference_mode()
    def encoder(self, n: int) -> Checks:
        x = self.examples(n)
        return [({"x": x}, self.strategy.encode(self.networks, x).float())]

    @torch.inference_mode()
    def decoder(self, n: int) -> Checks:
        code = self.encoder(n)[0][1]
        return [({"code": code}, self.strategy.decode(self.networks, code).float())]

    def generator(self, graph: GeneratorGraph, n: int) -> Checks:
        record, made = self.drawn(n)
        inputs = {k: v for k, v in {"noise": record.noise, "uniform": record.uniforms}.items() if v.shape[1]}
        if not takes_labels(self.model):
            return [({**inputs, "truncation": torch.tensor(1.0)}, made)]
        inputs |= {"label": torch.full((n,), -1), "truncation": torch.tensor(1.0)}
        wanted = list(itertools.islice(itertools.cycle(labels_known(self.model)), n))
        asked = {**inputs, "label": torch.tensor(wanted), "truncation": torch.tensor(0.7)}
        with torch.inference_mode():
            return [(inputs, made), (asked, graph(**asked))]


def pieces(model: Model) -> list[Piece]:
    """What there is to export, on the CPU and in fp32.

    Raises:
        UserError: the strategy has nothing, or draws in a way that is not known here.
    """
    strategy, able, itself = model.strategy, model.capabilities, _Itself(model)

    def used(call: Callable[[Networks], Any]) -> Networks:
        asked = Used(model.networks)
        with torch.inference_mode():
            call(asked)
        return asked.taken()

    out = []
    if "encode" in able:
        networks = used(lambda nets: strategy.encode(nets, itself.examples(2)))
        out.append(Piece("encoder", EncoderGraph(strategy, networks), "code", itself.encoder))
    if {"encode", "decode"} <= able:
        networks = used(lambda nets: strategy.decode(nets, itself.encoder(2)[0][1]))
        out.append(Piece("decoder", DecoderGraph(strategy, networks), "x", itself.decoder))
    if "sample" in able:
        generator = GeneratorGraph(strategy, used(lambda nets: itself.drawn(2, nets)))
        out.append(Piece("generator", generator, "x", partial(itself.generator, generator)))
    if not out:
        raise UserError(f"A model of strategy '{strategy.name}' has no encoder, decoder or generator to export.")
    return out
