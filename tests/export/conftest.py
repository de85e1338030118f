"""Models with random weights, so that every strategy is exported without a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from narrow import narrow

from aegan.data import DataSpec
from aegan.model import Model

SPECS = {
    "classes": DataSpec((3, 16, 16), ("square", "disc"), 100),
    "grid": DataSpec((1, 40, 40), (), 100),  # with a spatial code
    "vectors": DataSpec((2,), ("left", "middle", "right"), 100),
}


def random_model(name: str, kind: str = "classes", **options: Any) -> Model:
    """A narrow model whose prior is fitted to codes from N(0, I)."""
    torch.manual_seed(0)
    chosen, spec = narrow(name, **options), SPECS[kind]
    if not chosen.uses_labels:
        spec = dataclasses.replace(spec, classes=())
    nets = chosen.build(spec)
    for p in (p for net in nets.values() for p in net.parameters()):
        p.data += 0.05 * torch.randn_like(p)  # nothing is exactly zero, as some layers are at first
    if "P" in nets:
        shape = chosen.encode(nets, torch.zeros(2, *spec.shape)).shape[1:]
        labels = torch.arange(300) % len(spec.classes) if spec.classes else None
        nets["P"].fit(torch.randn(300, *shape), labels)  # type: ignore[operator]
    if "Y" in nets and spec.classes:
        nets["Y"].fit(torch.tensor([0, 0, 0, 1, *range(len(spec.classes))]))  # type: ignore[operator]
    mean, scale = (None, None) if spec.is_image else (torch.tensor([1.0, -2.0]).numpy(), torch.tensor(3.0).numpy())
    return Model(chosen, spec, nets, mean=mean, scale=scale, device="cpu")


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Model]:
    return random_model
