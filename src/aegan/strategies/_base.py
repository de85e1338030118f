"""The contract of a strategy: which networks, trained in which stages, by which losses.

A strategy is one frozen dataclass in one file. Its fields are its hyper-parameters. It never steps an optimiser, moves a
tensor to a device, prints, or reads a file: the engine does all that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec

Networks = dict[str, nn.Module]
Chosen = TypeVar("Chosen", bound="Strategy")
Net = TypeVar("Net", bound=nn.Module)
Capability = Literal["sample", "encode", "decode", "score"]


def typed(nets: Networks, name: str, kind: type[Net]) -> Net:
    """`nets[name]` for its methods: type checkers take it for the `kind` that `build` made.

    Nothing is checked: a network of the user's own, or what stands for a prior in an export, has the same methods.
    """
    return cast(Net, nets[name])


@dataclass(frozen=True)
class Clock:
    """Where a stage stands: `step` counts its optimisation steps from 0, `progress` runs from 0 to 1."""

    step: int
    progress: float


@dataclass(frozen=True)
class Loss:
    """What a phase returns.

    Args:
        terms: named loss terms, in the paper's symbols and with their weights applied, each a scalar or per-sample
            `(N,)`. The engine minimises the sum of their means, and logs each.
        watch: values to log that are not minimised, such as V(G, D).
    """

    terms: dict[str, Tensor]
    watch: dict[str, Tensor] = field(default_factory=dict)

    def total(self) -> Tensor:
        """The scalar that is minimised, in fp32."""
        return torch.stack([term.float().mean() for term in self.terms.values()]).sum()


@dataclass(frozen=True)
class Phase:
    """One optimiser's turn within each step of a stage.

    Args:
        name: the optimiser's name, unique in the stage; terms are logged as `name.term`.
        trains: names of the networks whose weights move; all others are frozen while `loss` runs.
        loss: networks, batch and clock to named loss terms.
        lr: learning rate after warm-up; decays with the cosine to `final` of itself.
        betas: Adam's.
        weight_decay: AdamW's.
        every: runs at the steps that this number divides.
        hold: waits until the stage's warm-up is over, then has its own: a critic's head start.
        clip: the gradient's norm is clipped to it, if given.
        final: last learning rate of the schedule as a share of `lr`.
        critic: whether it trains the adversary, whose rate may be lowered by itself where it wins.
        matrix_lr: if not 0, Muon trains the matrices among the weights with this rate, and AdamW the others with `lr`.
    """

    name: str
    trains: tuple[str, ...]
    loss: Callable[[Networks, Batch, Clock], Loss]
    lr: float
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    every: int = 1
    hold: bool = False
    clip: float | None = None
    final: float = 0.0
    critic: bool = False
    matrix_lr: float = 0.0


@dataclass(frozen=True)
class Stage:
    """A stretch of the budget in which the same phases run in order at each step.

    Args:
        name: shown in progress, log and report.
        share: part of the budget, relative to the other stages' shares.
        phases: run in this order at each step.
        warmup: steps of linear warm-up.
        ema: networks of which a moving average is kept. It makes the pictures, and is what the stage leaves behind.
        ema_decay: of the average, per step, after its own warm-up.
        preview: what the pictures of this stage show.
    """

    name: str
    share: float
    phases: tuple[Phase, ...]
    warmup: int = 50
    ema: tuple[str, ...] = ()
    ema_decay: float = 0.998
    preview: Literal["sample", "reconstruct"] = "sample"


class View(Protocol):
    """What a closed-form fit may see of the data."""

    spec: DataSpec

    def batches(self, split: Literal["train", "held_out"], limit: int | None = None) -> Iterator[Batch]:
        """Once through a split in a fixed order, on the training device; at most `limit` examples, evenly spread."""
        ...


@dataclass(frozen=True)
class Fit:
    """A stage without gradient descent: a closed form or an EM fit, or a decision.

    Args:
        name: shown in progress, log and report.
        share: part of the budget it is expected to take; what it leaves goes to the stages behind it.
        run: changes the networks' buffers; returns notes (plain values) for the log and the report.
    """

    name: str
    share: float
    run: Callable[[Networks, View], dict[str, Any]]


@dataclass(frozen=True)
class Strategy(ABC):
    """Base of all strategies; subclasses are frozen dataclasses decorated with `@register`."""

    name: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    where: ClassVar[str]  # where the autoencoder enters the game, for the catalogue
    capabilities: ClassVar[frozenset[Capability]]
    vectors: ClassVar[bool] = True  # works on (D,) data too
    uses_autoencoder: ClassVar[bool] = True  # claims are about those that do
    pack = 1  # examples that D judges together

    batch_size: int = option(128, "examples per step", least=None)

    @property
    def feature_networks(self) -> tuple[str, ...]:
        """The frozen networks through which critics see images; figures by features of their family favour the model."""
        return ()

    @property
    def fixed_networks(self) -> frozenset[str]:
        """Those that no network of the user's can replace."""
        return frozenset()

    @property
    def penalised(self) -> bool:
        """Whether D pays for its gradient, so that it must judge each example alone."""
        return False

    @property
    def uses_labels(self) -> bool:
        """Whether it learns each class apart, where the data has classes; without, it can draw none by name."""
        return True

    @property
    def fixed_codes(self) -> str:
        """Which encoder codes are of, if none of the stages trains it: they are then made once. "" if it is trained."""
        return ""

    @abstractmethod
    def build(self, spec: DataSpec) -> Networks:
        """The networks by name, freshly initialised from torch's global random state."""

    @abstractmethod
    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        """What is trained, in order."""

    def resolve_auto(self: Chosen, spec: DataSpec) -> Chosen:
        """Itself with nothing left open that depends on the data, such as an option that is "auto"."""
        return self

    def remarks(self, spec: DataSpec) -> list[str]:
        """What `resolve_auto` will choose for this data and what is missing for better, a line each."""
        return []

    def preset(self, spec: DataSpec) -> str:
        """The preset's name when none is asked for: by the kind and size of the data."""
        return "toy" if spec.is_vector else ("32" if max(spec.shape[1:]) <= 32 else "64")

    def settle(self, nets: Networks, view: View) -> dict[str, Any]:
        """Fits buffers that training leaves behind, such as batch normalisation's statistics, to the averaged weights.

        Called whenever networks are stored as the best so far. Changes nothing that training goes on with but buffers,
        which are put back afterwards; returns notes.
        """
        return {}

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """`n` new examples, in the networks' range ([-1, 1] for images).

        Args:
            y: (n,) class labels, or None to draw them as often as the data has them.
            truncation: in (0, 1]; less than 1 trades diversity for typicality.
            rng: the only source of randomness.
        """
        raise NotImplementedError(f"{self.name} cannot sample")

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        """Codes of examples `x`."""
        raise NotImplementedError(f"{self.name} cannot encode")

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        """Examples of codes `z`."""
        raise NotImplementedError(f"{self.name} cannot decode")

    def code_density(self, nets: Networks, z: Tensor) -> Tensor | None:
        """log p(z) in nats a number of the code, (N,), by the density that new codes are drawn from; None: it has none.

        Of a prior `parzen`, which has no density in the whole space, it is that of the mixture that is fitted beside it.
        """
        return None

    def score(self, nets: Networks, x: Tensor) -> dict[str, Tensor]:
        """How unusual examples `x` are, larger is more unusual: "reconstruction" |x − G(E(x))|², a mean over values, and
        "density" −log p(E(x)) where codes have a density; each (N,)."""
        z = self.encode(nets, x)
        found = {"reconstruction": (x - self.decode(nets, z)).square().flatten(1).mean(1)}
        density = self.code_density(nets, z)
        return found if density is None else {**found, "density": -density}
