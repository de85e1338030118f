"""Moving averages of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aegan.engine.ema import Ema


def networks() -> dict[str, nn.Module]:
    nets: dict[str, nn.Module] = {"G": nn.Linear(1, 1, bias=False), "D": nn.Linear(1, 1, bias=False)}
    for net in nets.values():
        nn.init.zeros_(net.weight)  # type: ignore[arg-type]
    return nets


def set_to(net: nn.Module, value: float) -> None:
    nn.init.constant_(net.weight, value)  # type: ignore[arg-type]


def test_by_hand() -> None:
    """a ← a + (1 − d)(w − a), d = min(decay, (1 + n) / (10 + n))."""
    nets = networks()
    ema = Ema(nets, ("G",), decay=0.2)
    set_to(nets["G"], 11.0)
    ema.update()  # d = 2/11
    assert float(ema.tensors()["G.weight"]) == pytest.approx(9.0)
    set_to(nets["G"], 1.0)
    ema.update()  # d = min(0.2, 3/12) = 0.2
    assert float(ema.tensors()["G.weight"]) == pytest.approx(9.0 + 0.8 * (1.0 - 9.0))
    assert ema.updates == 2
    assert list(ema.tensors()) == ["G.weight"], "only the networks that were named"


def test_applied_gives_the_weights_back() -> None:
    nets = networks()
    ema = Ema(nets, ("G",), decay=0.5)
    set_to(nets["G"], 4.0)
    ema.update()
    average = float(ema.tensors()["G.weight"])

    def fails() -> None:
        with ema.applied():
            assert nets["G"].weight.item() == average  # type: ignore[operator]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert nets["G"].weight.item() == 4.0  # type: ignore[operator]
    ema.adopt()
    assert nets["G"].weight.item() == average  # type: ignore[operator]


def test_load_is_the_inverse_of_tensors() -> None:
    nets = networks()
    ema = Ema(nets, ("G", "D"), decay=0.9)
    set_to(nets["D"], 3.0)
    ema.update()
    kept = {k: v.clone() for k, v in ema.tensors().items()}
    other = Ema(networks(), ("G", "D"), decay=0.9)
    other.load(kept, ema.updates)
    assert all(torch.equal(kept[k], v) for k, v in other.tensors().items())
    assert other.updates == 1


def test_none_to_average() -> None:
    ema = Ema(networks(), (), decay=0.9)
    ema.update()
    with ema.applied():
        pass
    assert ema.tensors() == {}
