"""Flow matching on codes: what diffusion does in an autoencoder's space, as the control of the games there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.density.prior import Prior
from aegan.networks.velocity import Velocity
from aegan.objectives.reconstruction import l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register, typed
from aegan.strategies._groups import standard_normal
from aegan.strategies._on_codes import OnCodes
from aegan.strategies._pieces import normalised_codes


@register
@dataclass(frozen=True)
class LatentFlow(OnCodes):
    """A field of velocities V carries noise to codes; no adversary at all.

    *compress*  min_{E,G} |x − G(E(x) + ε)|
    *fit*       z = norm(E(x)): whitened if flat, centred and of unit variance if spatial; how often each class is
    *flow*      min_V |V(z_t, t) − (z − ε)|²,  z_t = (1 − t) ε + t z,  ε ~ N(0, I),  t = 1 / (1 + e^−n), n ~ N(0, 1)
    sampling    z_0 = ε, dz/dt = V(z, t) by Heun's rule in `sampling_steps` steps, then G(norm⁻¹ z_1)

    References:
        Lipman et al. 2023 (flow matching), arXiv 2210.02747; Liu et al. 2023 (rectified flow), 2209.03003; Rombach et al.
        2022 (in an autoencoder's space), 2112.10752; Esser et al. 2024 (the density of t), 2403.03206.
    """

    name = "latent-flow"
    paper = "Lipman et al. 2023, arXiv 2210.02747; Rombach et al. 2022, 2112.10752"
    summary = "Compresses, then learns velocities that carry noise to codes: flow matching, without an adversary."
    where = "as the space the generator works in"

    flow_share: float = option(0.4, "part of the budget", most=1)
    flow_width: int = option(512, "width of V's hidden layers", least=1, most=65_536)
    flow_blocks: int = option(4, "residual layers of V", least=1)
    draws: int = option(8, "noises and times for each code of a batch: E is asked once for all of them", least=1)
    lr_flow: float = option(1e-3, "AdamW's learning rate of V", searchable=True)
    flow_matrix_lr: float = option(2e-3, "Muon's learning rate of V's matrices; 0: AdamW for them, too")
    ema_decay: float = option(0.995, "of V's average", most=0.999999)
    sampling_steps: int = option(10, "of Heun's rule, two evaluations of V each but for the last", least=1)

    def build(self, spec: DataSpec) -> Networks:
        nets, classes = super().build(spec), len(spec.classes)
        return {**nets, "V": Velocity(self.code(spec), width=self.flow_width, blocks=self.flow_blocks, classes=classes)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        flow = Phase("V", ("V",), self.flow, lr=self.lr_flow, matrix_lr=self.flow_matrix_lr, weight_decay=0.0, clip=1.0)
        return (
            *self.first_stages(),
            Stage("flow", self.flow_share, (flow,), warmup=100, ema=("V",), ema_decay=self.ema_decay),
        )

    def flow(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_V = |V(z_t, t) − (z − ε)|²,  z_t = (1 − t) ε + t z."""
        z, y = normalised_codes(nets, batch, self.encode)
        # the whole batch again and again: several processes then draw for each code what one would
        z = z.repeat(self.draws, *(1,) * (z.ndim - 1))
        y = None if y is None else y.repeat(self.draws)
        noise, t = torch.randn_like(z), torch.randn(len(z), device=z.device).sigmoid()
        share = t.view(-1, *(1,) * (z.ndim - 1))
        found = nets["V"]((1 - share) * noise + share * z, t, y).float()
        return Loss({"L_V": l2(found, z - noise).view(self.draws, -1).mean(0)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """G(norm⁻¹ z_1) of ε scaled by `truncation`."""
        P = typed(nets, "P", Prior)
        _, y = P.draw(n, y, 1.0, rng)
        z = truncation * standard_normal(nets["G"], n, rng)
        times = torch.linspace(0, 1, self.sampling_steps + 1, device=z.device)
        for i in range(self.sampling_steps):
            start, step = times[i], times[i + 1] - times[i]
            slope = nets["V"](z, start.expand(n), y).float()
            if i + 1 < self.sampling_steps:
                end = nets["V"](z + step * slope, times[i + 1].expand(n), y).float()
                slope = (slope + end) / 2
            z = z + step * slope
        return self.decode(nets, P.restore(z))
