"""Networks of the user's own: odd ones that fit, and what is said of those that do not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import aegan
from aegan import UserError
from aegan.data import DataSpec
from aegan.networks import ChannelsLast, use_networks
from aegan.networks.custom import OwnCritic, from_file
from aegan.strategies import strategy

QUICK = {"width": 8, "critic_width": 8, "code_dim": 6, "components": (1,), "play_width": 8}
SHAPE = (1, 16, 16)


def encoder(outputs: int = 6) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 12), nn.Tanh(), nn.Linear(12, outputs))


def generator(inputs: int = 6) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ELU(), nn.Linear(16, 256), nn.Unflatten(1, SHAPE))


def critic() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.SiLU(), nn.Flatten(), nn.Linear(196, 1))


class Conditional(nn.Module):
    """A critic that takes the class itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.embed = critic(), nn.Embedding(2, 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return (self.body(x) + self.embed(label)).squeeze(1)


class PutLast(nn.Module):
    """A convolution for (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 3), nn.Flatten(), nn.Linear(768, 6))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[1:] == (16, 16, 1)
        return self.net(x)


OWN = {
    "latent": ("E", "G", "D"),
    "decoder-init": ("E", "G", "D"),
    "vae": ("E", "G"),
    "gan": ("G", "D"),
}


def all_of(name: str) -> dict[str, nn.Module]:
    torch.manual_seed(5)
    made = {"E": encoder(12 if name == "vae" else 6), "G": generator(), "D": critic()}
    return {k: made[k] for k in OWN[name]}


def options(name: str, **more: Any) -> dict[str, Any]:
    known = strategy(name).__dataclass_fields__  # type: ignore[attr-defined]
    return {k: v for k, v in {**QUICK, "z_dim": 6, **more}.items() if k in known}


@pytest.fixture
def images(make_shapes: Any) -> np.ndarray:
    found: np.ndarray = make_shapes(60, 16, 1)[0]
    return found


def fit(images: np.ndarray, out: Path, name: str, steps: int = 12, **more: Any) -> aegan.Run:
    return aegan.fit(
        images, strategy=name, out=out, size=16, batch_size=8, steps=steps, progress=False, device="cpu",
        options=options(name), **more,
    )  # fmt: skip


@pytest.mark.parametrize("name", list(OWN))
def test_own_networks_train_and_come_back(name: str, images: np.ndarray, tmp_path: Path) -> None:
    own = all_of(name)
    before = copy.deepcopy(own)
    run = fit(images, tmp_path / "run", name, networks=own)
    made = run.model.sample(5, seed=2)
    assert made.shape == (5, 16, 16, 1)
    for key, net in own.items():
        pairs = zip(net.parameters(), before[key].parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs), f"{key} was trained in place"
    again = aegan.load(run.path, device="cpu", networks=before)
    assert np.array_equal(again.sample(5, seed=2), made)
    with pytest.raises(UserError, match="of your own") as error:
        aegan.load(run.path)
    assert all(f'"{key}": ...' in str(error.value) for key in own)


def test_the_models_of_a_run_share_no_weights(images: np.ndarray, tmp_path: Path) -> None:
    own = all_of("gan")
    run = fit(images, tmp_path / "run", "gan", networks=own)
    made = run.model.sample(3)
    aegan.load(run.path, networks=own).networks["G"].apply(lambda m: [p.zero_() for p in m.parameters()])
    assert np.array_equal(run.model.sample(3), made)


def test_resumed_is_the_same(images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    from aegan.engine.loop import Engine, Interrupted

    whole = fit(images, tmp_path / "whole", "gan", networks=all_of("gan"))
    update = Engine._update

    def stop(self: Engine, run: Any, phase: Any, plan: Any, batch: Any, at: Any) -> None:
        update(self, run, phase, plan, batch, at)
        if at.step == 5 and phase.name == "G":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Engine, "_update", stop)
    with pytest.raises(Interrupted):
        fit(images, tmp_path / "cut", "gan", networks=all_of("gan"))
    monkeypatch.undo()
    with pytest.raises(UserError, match="given in Python: G, D"):
        fit(images, tmp_path / "cut", "gan", resume=True)
    cut = fit(images, tmp_path / "cut", "gan", resume=True, networks=all_of("gan"))
    assert np.array_equal(cut.model.sample(4), whole.model.sample(4))


def test_functions_make_networks_for_the_data(images: np.ndarray, tmp_path: Path) -> None:
    seen: list[DataSpec] = []

    def make(spec: DataSpec) -> nn.Module:
        seen.append(spec)
        return generator()

    run = fit(images, tmp_path / "run", "gan", networks={"G": make})
    assert seen[0].shape == SHAPE
    assert run.model.sample(2).shape == (2, 16, 16, 1)


def build(name: str, own: dict[str, nn.Module], spec: DataSpec, **more: Any) -> dict[str, nn.Module]:
    chosen = strategy(name)(**options(name, **more))
    alone = getattr(chosen, "penalised", False)
    return use_networks(chosen.build(spec), own, spec, strategy=name, alone=alone)


@pytest.mark.parametrize("shape", [SHAPE, (2,)], ids=str)
def test_wrong_shapes_fail_at_build_with_both(shape: tuple[int, ...]) -> None:
    spec = DataSpec(shape)
    for name, key, net, told in (
        ("latent", "E", nn.Sequential(nn.Flatten(), nn.LazyLinear(9)), r"\(2, 9\).*\(2, 6\)"),
        ("vae", "E", nn.Sequential(nn.Flatten(), nn.LazyLinear(6)), r"\(2, 6\).*\(2, 12\)"),
        ("gan", "G", nn.Linear(6, 5), r"\(2, 5\).*\(2, "),
        ("gan", "G", nn.Linear(7, 5), r"\(2, 6\).*\(2, "),
        ("gan", "D", nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), r"\(2, 3\).*\(2,\)"),
    ):
        with pytest.raises(UserError, match=told):
            build(name, {key: net}, spec)


def test_a_network_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"'gan' has no network E") as error:
        build("gan", {"E": encoder()}, DataSpec(SHAPE))
    assert "Those it has: G, D." in str(error.value)
    with pytest.raises(UserError, match="no network D"):
        build("vae", {"D": critic()}, DataSpec(SHAPE))


def test_what_is_no_module(images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a torch"):
        fit(images, tmp_path / "run", "gan", networks={"G": "a name"})  # type: ignore[dict-item]


def test_batch_norm_in_a_critic_needs_no_penalty() -> None:
    D = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    with pytest.raises(UserError, match="gamma=0"):
        build("gan", {"D": D}, DataSpec(SHAPE))
    assert isinstance(build("gan", {"D": D}, DataSpec(SHAPE), gamma=0.0)["D"], OwnCritic)


@pytest.mark.parametrize("net", [PutLast(), ChannelsLast(PutLast())], ids=["found", "told"])
def test_channels_last(net: nn.Module) -> None:
    E = build("latent", {"E": net}, DataSpec(SHAPE))["E"]
    assert E(torch.zeros(3, *SHAPE)).shape == (3, 6)


def test_classes_reach_networks_that_know_none() -> None:
    spec, y = DataSpec(SHAPE, ("a", "b")), torch.tensor([0, 1])
    nets = build("gan", {"G": generator(), "D": critic()}, spec)
    z = torch.zeros(2, 6)
    assert not torch.equal(*nets["G"](z, y))
    x = torch.randn(1, *SHAPE).expand(2, *SHAPE)
    nets["D"](x, y)[1].backward()
    assert nets["D"].embed.weight.grad[1].any(), "D learns from the class"  # type: ignore[index, union-attr]


def test_a_critic_that_takes_the_class_gets_it() -> None:
    D = build("gan", {"D": Conditional()}, DataSpec(SHAPE, ("a", "b")))["D"]
    x = torch.randn(1, *SHAPE).expand(2, *SHAPE)
    a, b = D(x, torch.tensor([0, 1]))
    assert D.embed is None and a != b


def test_features_of_a_critic() -> None:
    net = critic()
    D = OwnCritic(net, SHAPE, classes=0, pack=1)
    x = torch.randn(3, *SHAPE)
    assert torch.equal(D.features(x)[-1], net[:3](x))  # type: ignore[index]


def test_packs_reach_the_critic() -> None:
    D = build("gan", {"D": nn.Sequential(nn.Flatten(), nn.LazyLinear(1))}, DataSpec(SHAPE), pack=2, batch_size=8)["D"]
    assert D(torch.zeros(8, *SHAPE)).shape == (4,)


def test_tied_weights_are_saved(images: np.ndarray, tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = generator()
            self.same = self.net[0]  # type: ignore[index]

        def forward(self, z: Tensor) -> Tensor:
            return self.net(z)

    run = fit(images, tmp_path / "run", "gan", steps=2, networks={"G": Tied()})
    assert np.array_equal(aegan.load(run.path, networks={"G": Tied()}).sample(2), run.model.sample(2))


def test_a_module_that_is_not_the_one_that_was_trained(images: np.ndarray, tmp_path: Path) -> None:
    run = fit(images, tmp_path / "run", "gan", steps=2, networks={"G": generator()})
    other = nn.Sequential(nn.Linear(6, 256), nn.Unflatten(1, SHAPE))
    with pytest.raises(UserError, match="not the one that was trained"):
        aegan.load(run.path, networks={"G": other})


FILE = """
from torch import nn
def build(spec):
    return {"G": nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, spec.shape[0]))}
"""


def test_networks_of_a_file(tmp_path: Path) -> None:
    from aegan.config import RunConfig
    from aegan.training import train

    (tmp_path / "mine.py").write_text(FILE)
    where = f"{tmp_path / 'mine.py'}:build"
    config = RunConfig(data="ring", strategy="gan", steps=3, out=str(tmp_path / "run"), networks=where, device="cpu")
    run = train(config, {"critic_width": 8}, evaluate=False)
    assert run.model.sample(3).shape == (3, 2)
    assert run.config.run.networks == where
    for wrong in ("nothing.py:build", f"{tmp_path / 'mine.py'}:other", "build"):
        with pytest.raises(UserError, match="--networks"):
            from_file(wrong)


@pytest.mark.parametrize("name", ["dfm", "fastgan"])
def test_a_critic_for_which_other_networks_are_made_stays(name: str) -> None:
    chosen, spec = strategy(name)(width=8, critic_width=8), DataSpec(SHAPE)
    with pytest.raises(UserError, match="no network D to replace"):
        use_networks(chosen.build(spec), {"D": critic()}, spec, strategy=name, fixed=chosen.fixed_networks)
