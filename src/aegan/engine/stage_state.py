"""What a run is made of between two checkpoints: counters, and what exists while one stage runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aegan.engine.ema import Ema
from aegan.engine.finite import FiniteCheck
from aegan.engine.log import Means
from aegan.engine.muon import Muon
from aegan.engine.schedule import Plan
from aegan.engine.state import load_optimizer_state, optimizer_state, under
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
    looked: int = 0  # images when samples were last looked at; see `aegan.engine.monitor`
    seconds: float = 0.0
    rate_scale: float = 1.0
    critic_scale: float = 1.0  # of critics' rates, beside that of all
    rollbacks: int = 0
    parts: int = 1  # pieces in which a batch is computed; see `aegan.engine.memory`
    part: int = 0  # of the course: the extension that is under way, 0 before the first; see `aegan.engine.extend`
    since: float = 0.0  # seconds when it began


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves in memory."""

    networks: Networks  # with averaged weights where a stage keeps averages
    notes: dict[str, dict[str, Any]]  # what the closed-form stages found, by stage
    steps: int
    seconds: float
    images: int
    plans: dict[str, Plan]  # by which, and by the threads, the run can be repeated
    threads: Record


@dataclass
class StageState:
    """What exists only while one stage runs."""

    stage: Stage
    optimizers: dict[str, torch.optim.Optimizer]
    ema: Ema
    check: FiniteCheck
    scaler: torch.amp.GradScaler  # which does nothing but in fp16
    means: Means

    @classmethod
    def start(cls, stage: Stage, networks: Networks, device: torch.device, precision: str) -> StageState:
        """A stage at its first step.

        Raises:
            ValueError: two of its phases have one name, so that the weights of one would never move.
        """
        if len({phase.name for phase in stage.phases}) < len(stage.phases):
            raise ValueError(f"stage '{stage.name}' has two phases of one name")
        optimizers = {
            phase.name: optimizer(phase, [p for name in phase.trains for p in networks[name].parameters()])
            for phase in stage.phases
        }
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        ema = Ema(networks, stage.ema, stage.ema_decay)
        return cls(stage, optimizers, ema, FiniteCheck(device, [*optimizers]), scaler, Means())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name and plain values, for checkpoints."""
        tensors = {f"ema/{k}": v for k, v in self.ema.tensors().items()}
        for name, optimizer in self.optimizers.items():
            tensors |= {f"opt/{name}/{k}": v for k, v in optimizer_state(optimizer).items()}
        tensors |= {f"guard/{k}": v for k, v in self.check.tensors().items()}
        tensors |= {f"means/{k}": v for k, v in self.means.tensors().items()}
        return tensors, {"ema_updates": self.ema.updates, "scaler": self.scaler.state_dict() or None}

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.ema.load(under(tensors, "ema/"), meta["ema_updates"])
        for name, optimizer in self.optimizers.items():
            load_optimizer_state(optimizer, under(tensors, f"opt/{name}/"))
        self.check.load(under(tensors, "guard/"))
        device = self.check.skipped.device
        self.means.load({k: v.to(device) for k, v in under(tensors, "means/").items()})
        if meta["scaler"]:
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
