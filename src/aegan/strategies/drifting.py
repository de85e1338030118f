"""A generator of codes that follows a drifting field: one step from noise to a code, and no adversary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.collectives import all_gather_rows
from aegan.density.prior import Prior
from aegan.networks import build_residual
from aegan.objectives.drifting import drifting_field
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register, typed
from aegan.strategies._on_codes import OnCodes
from aegan.strategies._pieces import normalised_codes


@register
@dataclass(frozen=True)
class Drifting(OnCodes):
    """H(v) = v + f(v), v of a Gaussian fitted to the codes, moves in each step as a field of real and made codes says.

    *compress*  min_{E,G} |x − G(E(x) + ε)|
    *fit*       z = norm(E(x)), and N(m, S) of them; how often each class is
    *drift*     min_f |H(v) − sg[H(v) + V(H(v))]|²,  V towards codes z and away from other H(v)
    sampling    G(norm⁻¹ H(v))

    The paper has the field in features of a trained network and thousands of examples a class; here codes are the features.

    Reference:
        Deng et al., Generative Modeling via Drifting, 2026, arXiv 2602.04770.
    """

    name = "drifting"
    paper = "Deng et al. 2026, arXiv 2602.04770"
    summary = "Compresses, then lets real codes pull and made codes push made codes: one step, no adversary."
    where = "as the space the generator works in"

    drift_share: float = option(0.4, "part of the budget", most=1)
    drift_width: int = option(256, "half the width of f's hidden layers", least=1, most=65_536)
    draws: int = option(4, "made codes for each real one of a batch", least=1)
    temperatures: tuple[float, ...] = option(
        (0.02, 0.05, 0.2), "τ of the kernels, in mean distances", source="Deng 2026", least=1e-6
    )
    lr_drift: float = option(1e-3, "AdamW's learning rate of f", searchable=True)
    ema_decay: float = option(0.995, "of f's average", most=0.999999)

    def build(self, spec: DataSpec) -> Networks:
        nets, numbers = super().build(spec), math.prod(self.code(spec))
        f = build_residual((numbers,), width=self.drift_width, blocks=3, classes=len(spec.classes))
        return {**nets, "f": f}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        drift = Phase("f", ("f",), self.drift, lr=self.lr_drift, weight_decay=0.0, clip=1.0)
        return (
            *self.first_stages(),
            Stage("drift", self.drift_share, (drift,), warmup=100, ema=("f",), ema_decay=self.ema_decay),
        )

    def make(
        self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Normalised codes H(v), v ~ N(m, S) of the classes y, and the classes."""
        P = typed(nets, "P", Prior)
        z, y = P.sample(n, y, truncation, rng)
        v = P.normalise(z)
        return v + nets["f"](v.flatten(1), y).float().view_as(v), y

    def drift(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_f = |H(v) − sg[H(v) + V(H(v))]|²."""
        real, y = normalised_codes(nets, batch, self.encode)
        classes = None if y is None else y.repeat(self.draws)
        made, _ = self.make(nets, self.draws * len(real), classes, 1.0)
        # all processes' codes make one field
        made, real = all_gather_rows(made.flatten(1)), all_gather_rows(real.flatten(1))
        if y is not None and classes is not None:
            y, classes = all_gather_rows(y), all_gather_rows(classes)
        V, sizes = drifting_field(made, real, self.temperatures, y=classes, y_real=y)
        loss = (made - (made.detach() + V)).square().mean(1).view(self.draws, -1).mean(0)
        return Loss({"L_f": loss}, watch={"|V|": sizes.mean(), "spread": made.detach().std(0).mean()})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        z, _ = self.make(nets, n, y, truncation, rng)
        return self.decode(nets, typed(nets, "P", Prior).restore(z))
