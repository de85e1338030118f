"""What a strategy costs: weights of each network, and floating-point operations for each training example."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from aegan.data import Data
from aegan.data.loader import batches
from aegan.engine.muon import orthogonal
from aegan.engine.view import take, to_device
from aegan.model import Model
from aegan.runs.settings import RunSettings
from aegan.strategies import Clock, Stage

EXAMPLES = 16  # in a batch that is counted; the count is proportional to it
PERIOD = 20  # most steps after which a stage's pattern of phases and penalties repeats


def parameters(model: Model) -> dict[str, int]:
    """Trained weights by network."""
    counts = {name: sum(p.numel() for p in net.parameters()) for name, net in model.networks.items()}
    return {name: count for name, count in counts.items() if count}


def operations(model: Model, data: Data, settings: RunSettings) -> float | None:
    """Floating-point operations (matrix products and convolutions, a multiply-add counts as two) of a training example:
    forward, backward, penalties, and Muon's share of a step, averaged over the stages' steps. Changes the model's
    networks; None if it cannot.
    """
    strategy, spec = model.strategy, model.spec
    total, steps = 0.0, 0
    size = strategy.batch_size
    rows = take(data.train, np.arange(min(EXAMPLES, len(data.train))))
    batch = to_device(next(iter(batches(rows, len(rows)))), model.device)
    for stage in strategy.stages(spec):
        if not isinstance(stage, Stage):
            continue
        plan = settings.plans.get(stage.name)
        count = plan.total if plan is not None and plan.knots else 0
        if not count:
            return None
        every = [getattr(strategy, "penalty_every", 1), *(p.every for p in stage.phases)]
        period = min(PERIOD, math.lcm(*every))
        muon = 0
        with _Counter() as counter:
            for step in range(period):
                muon += _step(model, stage, batch, step)
        total += count / period * (counter.total / len(batch.x) + muon / size)
        steps += count
    return total / steps if steps else None


class _Counter(TorchDispatchMode):
    """Adds up PyTorch's own formulas (`flop_registry`) for each operation that has one. `FlopCounterMode`, which does
    the same, cannot count inside `autograd.grad`, by which penalties take gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def _step(model: Model, stage: Stage, batch: object, step: int) -> int:
    """Forward and backward of a step's phases; the operations of Muon, which do not depend on the batch."""
    muon = 0
    for phase in stage.phases:
        if step % phase.every:
            continue
        for name, net in model.networks.items():
            net.requires_grad_(name in phase.trains).zero_grad(set_to_none=True)
        with torch.enable_grad():
            phase.loss(model.networks, batch, Clock(step, 0.5)).total().backward()  # type: ignore[arg-type]
        if phase.matrix_lr:
            muon += orthogonalising([p for name in phase.trains for p in model.networks[name].parameters()])
    return muon


def orthogonalising(parameters: Iterable[nn.Parameter]) -> int:
    """Operations of Muon's Newton–Schulz iteration in one step, for those that have a gradient; nothing is computed."""
    shapes = [p.shape for p in parameters if p.ndim >= 2 and p.grad is not None]
    with _Counter() as counter:
        orthogonal([torch.empty(shape, device="meta").flatten(1) for shape in shapes])
    return counter.total
