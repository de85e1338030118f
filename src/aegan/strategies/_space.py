"""Codes of an autoencoder that was trained before: a strategy takes it as it is, and its own work begins on the codes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aegan.config import with_options
from aegan.data.spec import shape_text
from aegan.errors import UserError
from aegan.networks.autoencoders import code_shape_of
from aegan.networks.borrowed import borrowed_code_shape, build_borrowed
from aegan.strategies import DataSpec, Networks, Stage, option, strategy
from aegan.strategies._base import Strategy
from aegan.strategies._groups import Compressing

OURS = "aegan"
Self = TypeVar("Self", bound="InSpace")


@dataclass(frozen=True)
class Space:
    """What is needed to build the networks of a trained autoencoder, without its weights.

    Args:
        kind: a class of diffusers; or "aegan".
        config: of that class; or strategy, options, shape and classes of a model.
        weights: their hash.

    The configuration of a model also has the version of aegan that wrote it; `aegan.migrate` brings it to the present one.
    """

    kind: str
    config: dict[str, Any]
    weights: str

    @property
    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Space:
        """The inverse of `text`."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise set_by_space() from error

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """The shape of its codes; errors as of `build`."""
        if spec.is_image and self.kind != OURS:  # which may be large
            return borrowed_code_shape(self.kind, self.config, spec.shape)
        return _code_shape(self.text, spec.shape)

    def build(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E and G, not yet with their weights.

        Raises:
            UserError: they are not for data of this shape, or diffusers is missing.
        """
        if spec.is_vector:
            raise UserError("A trained autoencoder is taken for images alone, and this data is vectors.")
        if self.kind != OURS:
            return build_borrowed(self.kind, self.config, spec.shape)
        shape = tuple(self.config["shape"])
        if shape != spec.shape:
            raise UserError(
                f"The autoencoder of --space is one of {shape_text(shape)}, and this data is {shape_text(spec.shape)}.",
                _for_it(shape) if len(shape) == 3 else "Take one of images.",
            )
        name = self.config["strategy"]
        chosen = with_options(strategy(name)(), self.config["options"], f"strategy '{name}'")
        nets = RecordedNetworks(chosen.build(DataSpec(shape, tuple(self.config["classes"]))))
        with torch.no_grad():
            z = chosen.encode(nets, torch.zeros(2, *shape))
            chosen.decode(nets, z)
        if not nets.asked <= {"E", "G"}:  # a quantiser, say
            raise UserError(
                f"Codes of '{name}' cannot be taken: they need more than E and G.", "Those of 'autoencoder' can."
            )
        code = tuple(z.shape[1:])
        return Side(chosen, "E", nets["E"], code), Side(chosen, "G", nets["G"], code)


class RecordedNetworks(dict[str, nn.Module]):
    """Networks that remember which of them were asked for."""

    def __init__(self, nets: Networks) -> None:
        super().__init__(nets)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> nn.Module:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


class Side(nn.Module):
    """E or G of one of our strategies as a network by itself: from examples to codes, or back."""

    def __init__(self, chosen: Strategy, side: str, net: nn.Module, code_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net, self.chosen, self.side, self.code_shape = net, chosen, side, code_shape

    def forward(self, x: Tensor) -> Tensor:
        convert = self.chosen.encode if self.side == "E" else self.chosen.decode
        return convert({self.side: self.net}, x)


@dataclass(frozen=True)
class InSpace(Compressing):
    """Works on codes of an autoencoder that it trains, or of one that was trained before, whose E it then holds."""

    space: str = option("", "a trained autoencoder whose codes it works on, as --space describes it; empty: its own")

    @property
    def fixed_codes(self) -> str:
        return self.space  # all of it: the same weights in another network give other codes

    def resolve_auto(self: Self, spec: DataSpec) -> Self:
        self.code(spec)  # refuses data that does not fit the space
        return super().resolve_auto(spec)

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        return Space.parse(self.space).code(spec) if self.space else super().code(spec)

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        return Space.parse(self.space).build(spec) if self.space else super().autoencoder(spec)

    def compress_stages(self, share: float) -> tuple[Stage, ...]:
        """*compress*, if the autoencoder is its own."""
        if self.space:
            return ()
        return (Stage("compress", share, (self.autoencode(self.compress),), warmup=100, preview="reconstruct"),)


@lru_cache
def _code_shape(space: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    with torch.random.fork_rng(devices=[]):
        return code_shape_of(Space.parse(space).build(DataSpec(shape))[0])


def set_by_space() -> UserError:
    """The error for an option `space` without the weights that belong to it."""
    return UserError("The option 'space' is set by --space alone.", "Write it as --space PATH.")


def _for_it(shape: tuple[int, ...]) -> str:
    """How data is opened in the shape of a space."""
    channels = {1: " --grey", 3: ", colour images without --grey and --transparent", 4: " --transparent"}.get(
        shape[0], ""
    )
    return f"For it: --size {shape[2]}x{shape[1]}{channels}."
