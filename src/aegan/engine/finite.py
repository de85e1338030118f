"""Keeps numbers that are not finite away from the weights.

A step whose loss or gradient is not finite is skipped on the device itself, so that no step waits for the host. After
`patience` such steps in a row the run goes back to its last good checkpoint with half the rates, at most `rollbacks` times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LOOK_EVERY = 8  # steps between looks at the counters, each of which makes the host wait for the device


class FiniteCheck:
    """Counts skipped steps, for each phase by itself: one that always fails must not hide behind one that never does."""

    patience = 8  # bad steps in a row that call for a rollback
    rollbacks = 3  # that there may be

    def __init__(self, device: torch.device, phases: Sequence[str]) -> None:
        self.in_row = {name: torch.zeros((), device=device) for name in phases}
        self.skipped = torch.zeros((), device=device)

    def clip_and_skip_nonfinite(
        self,
        phase: str,
        optimizer: torch.optim.Optimizer,
        loss: Tensor,
        parameters: list[nn.Parameter],
        clip: float | None,
    ) -> Tensor:
        """Clips gradients, and tells the fused optimiser to pass over this step if anything is not finite; their norm."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        bad = (~(norm.isfinite() & loss.isfinite())).float()
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # read by fused Adam, as torch's own GradScaler does
        self.skipped += bad
        self.in_row[phase] = (self.in_row[phase] + bad) * bad
        return norm

    @property
    def healthy(self) -> bool:
        """No phase's last step was a bad one."""
        return self._longest == 0

    @property
    def should_roll_back(self) -> bool:
        return self._longest >= self.patience

    @property
    def _longest(self) -> int:
        return int(torch.stack([*self.in_row.values()]).max())

    def tensors(self) -> dict[str, Tensor]:
        """The counters by name, for checkpoints."""
        return {"skipped": self.skipped, **{f"in_row/{k}": v for k, v in self.in_row.items()}}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        for name, counter in self.tensors().items():
            counter.copy_(tensors[name])
