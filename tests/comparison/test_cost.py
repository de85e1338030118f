"""What a training example costs in floating-point operations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan.comparison import cost
from aegan.runs.folder import Run


@pytest.mark.parametrize("matrix_lr", [0.0, 0.01])
def test_the_operations_of_muon_are_counted(matrix_lr: float, trained: Path) -> None:
    """Of an m × n matrix, m ≤ n: the Gram matrix, five polynomials, and the product with the last; 2 for a multiply-add."""
    m, n = 6, 10
    layer = torch.nn.Linear(n, m)
    layer(torch.zeros(1, n)).sum().backward()
    once = 2 * m * m * n + (5 + 4 + 2 * 4) * 2 * m**3 + 2 * m * m * n
    assert cost.orthogonalising(layer.parameters()) == once, "a bias is no matrix"
    run = Run(trained)
    run.model.strategy = dataclasses.replace(run.model.strategy, matrix_lr=matrix_lr)  # type: ignore[call-arg]
    batch = cost.to_device(next(iter(cost.batches(cost.take(run.data().train, np.arange(4)), 4))), run.model.device)
    stage = next(s for s in run.model.strategy.stages(run.model.spec) if s.name == "compress")
    assert (cost._step(run.model, stage, batch, 0) > 0) == bool(matrix_lr)
