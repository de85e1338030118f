"""A critic that is an autoencoder: an example's energy is the error with which it comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from aegan.networks import ConditionalGenerator
from aegan.networks.autoencoders import Decoder, fold_gaussian
from aegan.objectives.reconstruction import l1, l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, View, option, typed
from aegan.strategies._groups import Coded, Generating
from aegan.strategies._pieces import noisy

FIT_LIMIT = 20_000  # most codes that a Gaussian is fitted to


class Number(nn.Module):
    """One number that a strategy keeps from step to step, and that checkpoints hold."""

    value: Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(value)))

    def now(self) -> Tensor:
        """A copy: what is kept may change before the backward pass."""
        return self.value.clone()

    @torch.no_grad()
    def keep(self, value: Tensor) -> None:
        """The number from now on."""
        self.value.copy_(value)


@dataclass(frozen=True)
class Energetic(Generating, Coded):
    """D(x) = R(E(x)), and the energy |x − D(x)|ᵖ as a mean over values; G plays to make examples of low energy.

    Codes are E's, and what they decode to is R's: the autoencoder, not the generator, is what encodes and reconstructs.
    It sees no classes, and so G would have no reason to obey one.
    """

    capabilities = frozenset({"sample", "encode", "decode", "score"})
    uses_labels = False

    power: Literal[1, 2] = option(1, "p of the energy |x − D(x)|ᵖ: absolute or squared errors")
    noise_code: float = option(
        0.0, "noise on D's codes, in standard deviations: a wide code must not copy", searchable=True
    )
    compress_share: float = option(
        0.0,
        "part of the budget in which D learns e(x) alone; G then begins as its decoder, z in its codes' shape, not z_dim",
        source="ours",
        most=1,
    )
    lr: float = option(1e-3, "AdamW's learning rate of D = (E, R)", searchable=True)
    weight_decay: float = option(0.0, "AdamW's weight decay of D", searchable=True)
    lr_generator: float = option(5e-4, "Adam's learning rate of G", searchable=True)
    beta1: float = option(0.5, "Adam's β₁ of both", most=0.999999)
    ema_decay: float = option(0.998, "of G's average", most=0.999999)

    @property
    def fixed_networks(self) -> frozenset[str]:
        return frozenset({"G"} if self.compress_share else ())  # it begins as R, which is ours

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """As for any autoencoder, but half of a vector's numbers: with all of them every example comes back, data or not."""
        return (self.code_dim or max(1, spec.shape[0] // 2),) if spec.is_vector else super().code(spec)

    def noise_shape(self, spec: DataSpec) -> tuple[int, ...]:
        """The shape of z: that of D's codes, if G begins as R."""
        return self.code(spec) if self.compress_share else super().noise_shape(spec)

    def energy_networks(self, spec: DataSpec) -> Networks:
        """G, Y and the two halves of D."""
        E, R = self.autoencoder(spec)
        return {**self.generator_networks(spec), "E": E, "R": R}

    def energy_stages(self, state: str) -> tuple[Stage | Fit, ...]:
        """The game of `critic` and `generator`; the former also keeps the number called `state`."""
        betas = (self.beta1, 0.99)
        critic = Phase(
            "D", ("E", "R", state), self.critic, self.lr, betas, weight_decay=self.weight_decay, clip=1.0, final=0.1,
            critic=True, matrix_lr=self.matrix_lr,
        )  # fmt: skip
        generator = Phase("G", ("G",), self.generator, self.lr_generator, betas, clip=1.0, final=0.1)
        play = Stage("play", 1 - self.compress_share, (critic, generator), ema=("G",), ema_decay=self.ema_decay)
        if not self.compress_share:
            return self.count_stage(), play
        compress = replace(critic, name="AE", trains=("E", "R"), loss=self.compress, critic=False)
        return (
            self.count_stage(),
            Stage("compress", self.compress_share, (compress,), warmup=100, preview="reconstruct"),
            Fit("start", 0.01, self.begin),
            play,
        )

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """e(x)."""
        return Loss({"e(x)": self.energy(nets, batch.x)[0]})

    def begin(self, nets: Networks, view: View) -> dict[str, Any]:
        """G(ε) <- R(m + L ε), with the mean m and the covariance L Lᵀ of the codes of training examples."""
        codes = torch.cat([self.encode(nets, batch.x) for batch in view.batches("train", FIT_LIMIT)])
        decoder = typed(nets, "G", ConditionalGenerator).decoder
        decoder.load_state_dict(nets["R"].state_dict())
        fold_gaussian(cast(Decoder, decoder), codes)
        return {"codes": len(codes)}

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """What D = (E, R) minimises."""
        raise NotImplementedError

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """What G minimises."""
        raise NotImplementedError

    def energy(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """|x − R(E(x))|ᵖ, (N,), which lets gradients through x on both sides, and the codes E(x)."""
        x = x.float()
        codes = nets["E"](x)
        back = nets["R"](noisy(codes, self.noise_code) if self.noise_code else codes).float()
        return (l1 if self.power == 1 else l2)(x, back), codes.float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        return nets["R"](z).float()
