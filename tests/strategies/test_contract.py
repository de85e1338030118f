"""What every registered strategy must do, on every kind of data. A new strategy faces this without a line of its own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import aegan
from aegan.config import as_plain, preset_files, read_preset, with_options
from aegan.data import DataSpec
from aegan.errors import UserError
from aegan.model import Model
from aegan.strategies import Clock, Fit, Phase, Stage, Strategy, strategies, strategy
from aegan.terms import kind as kind_of_term

NAMES = sorted(strategies())
KINDS = ["vectors", "digits", "rgb", "classes", "large"]
SPECS = {
    "toy": DataSpec((2,), (), 1000),
    "32": DataSpec((1, 32, 32), ("a", "b"), 1000),
    "64": DataSpec((3, 64, 64), (), 1000),
}
each_strategy = pytest.mark.parametrize("name", NAMES)


def specs_of(name: str) -> dict[str, DataSpec]:
    return {k: spec for k, spec in SPECS.items() if spec.is_image or strategy(name).vectors}


each_kind = pytest.mark.parametrize("kind", KINDS)


def phases(chosen: Strategy, spec: DataSpec) -> Iterator[tuple[Stage, Phase]]:
    for stage in chosen.stages(spec):
        if isinstance(stage, Stage):
            for phase in stage.phases:
                yield stage, phase


def described(stages: tuple[Stage | Fit, ...]) -> list[dict[str, Any]]:
    """Everything but the functions, which are made anew each time."""

    def plain(made: Any) -> dict[str, Any]:
        values = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
        values["phases"] = [plain(phase) for phase in values.get("phases", ())]
        return {k: v for k, v in values.items() if not callable(v)}

    return [plain(stage) for stage in stages]


# --- losses -----------------------------------------------------------------------------------------------------------


@each_strategy
@each_kind
def test_terms_are_finite_and_named(name: str, kind: str, tiny: Any) -> None:
    t = tiny(name, kind)
    for clock in (Clock(0, 0.0), Clock(7, 0.9)):
        for _, phase in phases(t.strategy, t.spec):
            torch.manual_seed(0)
            loss = phase.loss(t.networks, t.batch, clock)
            assert loss.terms
            assert not [k for k in loss.terms if kind_of_term(k) is None], "aegan/terms.py says what a term is for"
            for key, value in {**loss.terms, **loss.watch}.items():
                assert key and value.ndim <= 1 and value.numel() <= 16, (phase.name, key, value.shape)
                assert value.isfinite().all(), (phase.name, key)
            assert not any(v.requires_grad for v in loss.watch.values()), "what is watched carries no graph"
            total = sum(float(v.detach().float().mean()) for v in loss.terms.values())
            assert float(loss.total().detach()) == pytest.approx(total, rel=1e-4, abs=1e-5)


@each_strategy
@each_kind
def test_gradients_reach_exactly_the_declared_networks(name: str, kind: str, tiny: Any) -> None:
    t = tiny(name, kind)
    nets = t.copies(noise=0.02)
    for _, phase in phases(t.strategy, t.spec):
        for key, net in nets.items():
            net.requires_grad_(key in phase.trains)
            for p in net.parameters():
                p.grad = None
        phase.loss(nets, t.batch, Clock(0, 0.0)).total().backward()
        for key, net in nets.items():
            got = {n: p.grad is not None and bool(p.grad.abs().sum() > 0) for n, p in net.named_parameters()}
            if key in phase.trains:
                dead = [n for n, alive in got.items() if not alive]
                # one bias may be dead: the last one of a relativistic critic cancels
                assert len(dead) <= 1 and all("bias" in n for n in dead), (phase.name, key, dead)
            else:
                assert not any(got.values()), (phase.name, key)


@each_strategy
@each_kind
def test_what_a_stage_does_not_train_stays(name: str, kind: str, tiny: Any) -> None:
    t = tiny(name, kind)
    for stage, (before, after) in zip(t.strategy.stages(t.spec), pairwise(t.states), strict=True):
        trained = {n for phase in stage.phases for n in phase.trains} if isinstance(stage, Stage) else set()
        changed = {k.split(".")[0] for k in after if k not in before or not torch.equal(before[k], after[k])}
        if isinstance(stage, Stage):
            assert changed == trained, stage.name
        else:
            begun = {"G"} if (name, stage.name) in {("ebgan", "start"), ("began", "start")} else set()  # as D's decoder
            able = {n for n in ("E", "G", "D", "C", "R") if n in t.networks} - begun
            learned = {f"{n}.{k}" for n in able for k, _ in t.networks[n].named_parameters()}
            kept = [k for k in learned if k in before and torch.equal(before[k], after[k])]
            assert len(kept) == len(learned), "a fit changes what is fitted, not what was trained"


# --- use --------------------------------------------------------------------------------------------------------------


@each_strategy
@each_kind
def test_samples(name: str, kind: str, tiny: Any) -> None:
    model = tiny(name, kind).model
    spec = model.spec
    made = model.sample(5, seed=3)
    assert made.shape == (5, *((*spec.shape[1:], spec.shape[0]) if spec.is_image else spec.shape))
    assert made.dtype == (np.uint8 if spec.is_image else np.float32)
    assert len(np.unique(made.reshape(5, -1), axis=0)) == 5, "all samples are alike"


@each_strategy
@each_kind
def test_samples_depend_on_their_seed_alone(name: str, kind: str, tiny: Any) -> None:
    model = tiny(name, kind).model
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = model.sample(6, seed=3)
    assert torch.equal(torch.get_rng_state(), before), "sampling drew from the global generator"
    torch.manual_seed(2)
    np.random.default_rng(5)
    model.sample(2, seed=9)
    assert np.array_equal(model.sample(6, seed=3), first)
    assert not np.array_equal(model.sample(6, seed=4), first)


@each_strategy
@each_kind
def test_saved_and_loaded_is_the_same(name: str, kind: str, tiny: Any, tmp_path: Path) -> None:
    model = tiny(name, kind).model
    again = aegan.load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(again.sample(6, seed=3), model.sample(6, seed=3))
    assert again.strategy == model.strategy and again.spec == model.spec
    if "encode" in model.capabilities:
        items = tiny(name, kind).data.train.items[:4]
        assert np.array_equal(again.encode(items), model.encode(items))
        assert all(np.array_equal(v, model.score(items)[k]) for k, v in again.score(items).items())


@each_strategy
@each_kind
def test_what_training_left_is_what_was_saved(name: str, kind: str, tiny: Any, tmp_path: Path) -> None:
    """The networks as training left them (their memory's layout too) and as a file brings them back."""
    t = tiny(name, kind)
    left = Model(
        t.strategy, t.model.spec, copy.deepcopy(t.networks), mean=t.data.mean, scale=t.data.scale, device="cpu"
    )
    made = left.sample(6, seed=0)
    assert np.array_equal(made, aegan.load(t.model.save(tmp_path / "model"), device="cpu").sample(6, seed=0))


@each_strategy
@each_kind
def test_a_sample_is_the_same_whatever_is_drawn_beside_it(
    name: str, kind: str, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.model.pick_precision", lambda *_: "fp32")
    model = tiny(name, kind).model
    together = model.sample(7, seed=20)
    near = {"atol": 1} if model.spec.is_image else {"rtol": 1e-3, "atol": 1e-3}  # what rounding may change
    for made in (model.sample(seeds=[26, 20, 23]), model.sample(seeds=[26, 20, 23], batch_size=1)):
        np.testing.assert_allclose(made.astype(float), together[[6, 0, 3]].astype(float), **near)


@each_strategy
@each_kind
def test_truncation_makes_samples_more_alike(name: str, kind: str, tiny: Any) -> None:
    model = tiny(name, kind).model
    label = 0 if model.spec.classes else None
    wide, tight = (model.sample(200, label=label, truncation=t).astype(float) for t in (1.0, 0.05))
    assert not np.array_equal(wide, tight)
    if model.strategy.name == "gan":  # its noise has one mode, so that the spread must fall
        assert tight.std(0).mean() < 0.5 * wide.std(0).mean()


@each_strategy
@each_kind
def test_capabilities_are_honest(name: str, kind: str, tiny: Any) -> None:
    t = tiny(name, kind)
    model, items = t.model, t.data.train.items[:4]
    assert model.capabilities <= {"sample", "encode", "decode", "score"}, "no model has a method for the others"
    can = model.capabilities

    def expect(needed: set[str], call: Callable[[], np.ndarray], shape: tuple[int, ...] | None = None) -> None:
        if needed <= can:
            made = call()
            assert shape is None or made.shape == shape
        else:
            with pytest.raises(UserError, match=f"'{name}' cannot"):
                call()

    def codes() -> np.ndarray:
        z = model.encode(items)
        assert z.dtype == np.float32 and np.isfinite(z).all() and len(z) == 4
        return z

    expect({"encode"}, codes)
    expect({"decode"}, lambda: model.decode(codes() if "encode" in can else np.zeros((4, 2))), items.shape)
    expect({"encode", "decode"}, lambda: model.reconstruct(items), items.shape)
    expect({"encode", "decode"}, lambda: model.interpolate(2, 3), (6, *items.shape[1:]))
    expect({"score"}, lambda: model.score(items)["reconstruction"], (4,))
    assert ("score" in can) == ({"encode", "decode"} <= can)


@each_strategy
@each_kind
def test_scores_tell_noise_from_the_data(name: str, kind: str, tiny: Any) -> None:
    t = tiny(name, kind)
    if "score" not in t.model.capabilities:
        pytest.skip("has no scores")
    items = t.data.train.items[:8]
    noise = np.random.default_rng(0)
    strange = 255 * noise.integers(0, 2, items.shape, np.uint8) if t.spec.is_image else items + 50
    usual, unusual = t.model.score(items), t.model.score(np.asarray(strange, items.dtype))
    assert set(usual) == set(unusual) and {"reconstruction"} <= set(usual) <= {"reconstruction", "density"}
    for key, value in usual.items():
        assert value.shape == (8,) and value.dtype == np.float32 and np.isfinite(value).all(), key
        assert np.isfinite(unusual[key]).all(), key
    assert usual["reconstruction"].mean() < unusual["reconstruction"].mean()
    batch = np.concatenate([t.model.score(items[i : i + 3])["reconstruction"] for i in (0, 3, 6)])
    assert np.allclose(batch, usual["reconstruction"], rtol=1e-3, atol=1e-5), "a score depends on its example alone"


@each_strategy
@pytest.mark.parametrize("kind", ["digits", "classes"])
def test_classes(name: str, kind: str, tiny: Any) -> None:
    model = tiny(name, kind).model
    classes = model.spec.classes
    assert bool(classes) == model.strategy.uses_labels
    if not classes:
        with pytest.raises(UserError, match="without classes"):
            model.sample(4, label=0)
        return
    by_name, by_index = model.sample(4, label=classes[1]), model.sample(4, label=1)
    assert np.array_equal(by_name, by_index)
    assert np.array_equal(model.sample(4, label=[1] * 4), by_index)
    assert not np.array_equal(model.sample(4, label=0), by_index)
    assert model.sample(4, label=[0, 1, 0, 1]).shape == by_index.shape
    for wrong in (len(classes), -1, [0, 1]):
        with pytest.raises(UserError):
            model.sample(4, label=wrong)
    with pytest.raises(UserError, match="Unknown class"):
        model.sample(4, label="zebra")


@each_strategy
@pytest.mark.parametrize("kind", ["vectors", "rgb", "large"])
def test_no_classes_to_ask_for(name: str, kind: str, tiny: Any) -> None:
    with pytest.raises(UserError, match="without classes"):
        tiny(name, kind).model.sample(4, label=0)


@each_strategy
def test_classes_can_be_left_out(name: str, data_of: Any, make_narrow: Any, tmp_path: Path) -> None:
    """`--no-classes`: labels in the data, none in the model."""
    from aegan.config import RunConfig
    from aegan.engine import Engine

    config = RunConfig(steps=6, device="cpu", precision="fp32", classes=False)
    engine = Engine(make_narrow(name), data_of("classes"), config, tmp_path / "run")
    outcome = engine.run()
    model = Model(engine.strategy, engine.spec, outcome.networks, device="cpu")
    assert model.spec.classes == ()
    assert model.sample(3).shape == (3, 16, 16, 3)
    prior = outcome.networks.get("P")
    assert prior is None or not prior.has_classes


@each_strategy
def test_see_through_images_that_are_not_square(name: str, tiny: Any, tmp_path: Path) -> None:
    """What matters of all the above, on one more kind: four channels, 16 rows, 24 columns."""
    t = tiny(name, "wide")
    assert t.spec.shape == (4, 16, 24)
    for _, phase in phases(t.strategy, t.spec):
        torch.manual_seed(0)
        for key, value in phase.loss(t.networks, t.batch, Clock(7, 0.9)).terms.items():
            assert value.isfinite().all(), (phase.name, key)
    model, items = t.model, t.data.train.items[:4]
    made = model.sample(5, seed=3)
    assert made.shape == (5, 16, 24, 4) and made.dtype == np.uint8
    again = aegan.load(model.save(tmp_path / "model"), device="cpu")
    assert again.spec == model.spec and np.array_equal(again.sample(5, seed=3), made)
    if {"encode", "decode"} <= model.capabilities:
        assert model.reconstruct(items).shape == items.shape
        assert all(np.isfinite(v).all() for v in model.score(items).values())


# --- what it says of itself -------------------------------------------------------------------------------------------


@each_strategy
def test_it_is_documented(name: str) -> None:
    kind = strategy(name)
    assert kind.name == name
    for word in ("paper", "summary", "where"):
        assert len(getattr(kind, word)) > 3, word
    assert "arXiv" in kind.paper or "http" in kind.paper
    assert kind.summary.endswith(".") and len(kind.summary) < 120
    assert inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
    for f in dataclasses.fields(kind):
        assert f.metadata.get("help") or f.metadata.get("unused"), f"{name}.{f.name} has no help"
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


@each_strategy
def test_each_phase_says_its_formula(name: str) -> None:
    for _, phase in phases(strategy(name)(), SPECS["32"]):
        said = inspect.getdoc(phase.loss) or ""
        assert re.search(r"L_|=|min_", said), f"{phase.name}: the docstring of its loss says not what is minimised"


@pytest.mark.parametrize(("name", "size"), [(n, size) for n in NAMES for size in specs_of(n)])
def test_stages(name: str, size: str) -> None:
    spec = SPECS[size]
    chosen = strategy(name)()
    nets = chosen.build(spec)
    stages = chosen.stages(spec)
    assert len({s.name for s in stages}) == len(stages), "plans are kept by a stage's name"
    assert all(s.share > 0 for s in stages)
    assert any(isinstance(s, Stage) for s in stages)
    for stage in stages:
        if isinstance(stage, Fit):
            continue
        names = [p.name for p in stage.phases]
        assert names and len(set(names)) == len(names)
        assert set(stage.ema) <= set(nets)
        for phase in stage.phases:
            assert phase.trains and set(phase.trains) <= set(nets)
            assert phase.lr > 0 and phase.every >= 1 and 0 <= phase.final <= 1
    assert described(stages) == described(chosen.stages(spec)), "stages follow from options and data alone"


@each_strategy
def test_building_depends_on_the_global_seed_alone(name: str, make_narrow: Any) -> None:
    def built(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        nets = make_narrow(name).build(SPECS["32"])
        return [p for net in nets.values() for p in net.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(built(0), built(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(built(0), built(1), strict=True))


@each_strategy
def test_options_survive_a_file(name: str) -> None:
    import yaml

    chosen = strategy(name)()
    plain = yaml.safe_load(yaml.safe_dump(as_plain(dataclasses.asdict(chosen))))
    assert with_options(strategy(name)(), plain, name) == chosen


# --- presets ----------------------------------------------------------------------------------------------------------


@each_strategy
def test_it_has_a_preset_for_each_size(name: str) -> None:
    chosen = strategy(name)()
    assert {n for s, n in preset_files() if s == name} >= set(specs_of(name))
    assert [chosen.preset(spec) for spec in specs_of(name).values()] == list(specs_of(name))


@pytest.mark.parametrize(("name", "preset"), sorted(preset_files()))
def test_presets_build(name: str, preset: str) -> None:
    numbers = read_preset(name, preset)
    for key, value in numbers.items():
        values = value if isinstance(value, list) else [value]
        words = typing.get_args(typing.get_type_hints(strategy(name))[key])  # of an option that is a choice
        assert all(isinstance(v, (int, float)) or v in words for v in values), f"{key}: a preset holds numbers only"
    chosen = with_options(strategy(name)(), numbers, name)
    spec = SPECS["toy"] if preset == "pacgan" else SPECS.get(preset, SPECS["32"])
    nets = chosen.build(spec)
    assert chosen.stages(spec)
    if "encode" in chosen.capabilities:
        with torch.inference_mode():
            x = torch.zeros(2, *spec.shape)
            assert chosen.decode(nets, chosen.encode(nets, x)).shape == x.shape


def test_presets_belong_to_strategies() -> None:
    assert {name for name, _ in preset_files()} <= set(NAMES)
