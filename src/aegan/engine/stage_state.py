"""What a run is made of between two checkpoints: counters, and what exists while one stage runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aegan.engine.ema import Ema
from aegan.engine.guard import Guard
from aegan.engine.log import Means
from aegan.engine.muon import Muon
from aegan.engine.schedule import Plan
from aegan.engine.state import load_optimizer_state, optimizer_state
from aegan.engine.thread_record import Record
from aegan.strategies import Networks, Phase, Stage

State = tuple[dict[str, Tensor], dict[str, Any]]  # tensors by name, plain values


@dataclass
class Counters:
    """The scalar part of the training state."""

    stage: int = 0
    stage_step: int = 0
    step: int = 0
    taken: int = 0  # steps, with those that were taken back
    images: int = 0
    looked: int = 0  # images when samples were last looked at; see `aegan.engine.watch`
    seconds: float = 0.0
    rate_scale: float = 1.0
    critic_scale: float = 1.0  # of critics' rates, beside that of all
    rollbacks: int = 0
    parts: int = 1  # pieces in which a batch is computed; see `aegan.engine.memory`
    part: int = 0  # of the course: the extension that is under way, 0 before the first; see `aegan.engine.extend`
    since: float = 0.0  # seconds when it began


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves in memory.

    Args:
        networks: by name, with averaged weights where a stage keeps averages.
        notes: what the closed-form stages found, by stage.
        steps, seconds, images: what it took.
        plans: steps of each stage, by which the run can be repeated.
        threads: that it computed with, step by step.
    """

    networks: Networks
    notes: dict[str, dict[str, Any]]
    steps: int
    seconds: float
    images: int
    plans: dict[str, Plan]
    threads: Record


@dataclass
class StageState:
    """What exists only while one stage runs."""

    stage: Stage
    optimizers: dict[str, torch.optim.Optimizer]
    ema: Ema
    guard: Guard
    scaler: torch.amp.GradScaler | None
    means: Means

    @classmethod
    def start(cls, stage: Stage, networks: Networks, device: torch.device, precision: str) -> StageState:
        """A stage at its first step."""
        optimizers: dict[str, torch.optim.Optimizer] = {}
        for phase in stage.phases:
            parameters = [p for name in phase.trains for p in networks[name].parameters()]
            optimizers[phase.name] = optimizer(phase, parameters)
        scaler = torch.amp.GradScaler(device.type) if precision == "fp16" else None
        ema = Ema(networks, stage.ema, stage.ema_decay)
        return cls(stage, optimizers, ema, Guard(device, [*optimizers]), scaler, Means())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name and plain values, for checkpoints."""
        tensors = {f"ema/{k}": v for k, v in self.ema.tensors().items()}
        for name, optimizer in self.optimizers.items():
            tensors |= {f"opt/{name}/{k}": v for k, v in optimizer_state(optimizer).items()}
        tensors |= {f"guard/{k}": v for k, v in self.guard.tensors().items()}
        tensors |= {f"means/{k}": v for k, v in self.means.tensors().items()}
        return tensors, {"ema_updates": self.ema.updates, "scaler": self.scaler.state_dict() if self.scaler else None}

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `state`."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

        self.ema.load(under("ema/"), meta["ema_updates"])
        for name, optimizer in self.optimizers.items():
            load_optimizer_state(optimizer, under(f"opt/{name}/"))
        self.guard.load(under("guard/"))
        device = next(iter(self.guard.tensors().values())).device
        self.means.load({k: v.to(device) for k, v in under("means/").items()})
        if self.scaler and meta["scaler"]:
            self.scaler.load_state_dict(meta["scaler"])


def optimizer(phase: Phase, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """What trains `parameters` in this phase; `initial_lr` of each of its groups is the rate before any schedule."""
    made: torch.optim.Optimizer
    if phase.matrix_lr:
        made = Muon(parameters, phase.lr, phase.matrix_lr, phase.betas, phase.weight_decay)
    else:
        made = torch.optim.AdamW(
            parameters, lr=phase.lr, betas=phase.betas, weight_decay=phase.weight_decay, fused=True
        )
    for group in made.param_groups:
        group["initial_lr"] = group["lr"]
    return made
