"""Keeps numbers that are not finite away from the weights.

A step whose loss or gradient is not finite is skipped on the device itself, so that no step waits for the host. After
`patience` such steps in a row the run goes back to its last good checkpoint with half the rates, at most `rollbacks` times.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOOK_EVERY = 8  # steps between looks at the counters, each of which makes the host wait for the device


class Guard:
    """Counts skipped steps. `patience`: bad steps in a row that call for a rollback."""

    patience = 8
    rollbacks = 3

    def __init__(self, device: torch.device) -> None:
        self.in_row = torch.zeros((), device=device)
        self.skipped = torch.zeros((), device=device)

    def admit(
        self, optimizer: torch.optim.Optimizer, loss: Tensor, parameters: list[nn.Parameter], clip: float | None
    ) -> Tensor:
        """Clips the gradients, and tells the fused optimiser to pass over this step if anything is not finite.

        Returns:
            the gradients' norm before clipping.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        bad = (~(norm.isfinite() & loss.isfinite())).float()
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # read by fused Adam, as torch's own GradScaler does
        self.skipped += bad
        self.in_row = (self.in_row + bad) * bad
        return norm

    @property
    def healthy(self) -> bool:
        """No bad step is the last one."""
        return not bool(self.in_row)

    @property
    def gives_up(self) -> bool:
        """Too many bad steps in a row."""
        return bool(self.in_row >= self.patience)
