"""A run that has ended is trained for longer, bit for bit as if it had been asked for at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from narrow import narrow

from aegan.data import Data, DataSpec
from aegan.engine.extend import Course, Extension, taken_again
from aegan.engine.loop import Interrupted
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.strategies import Stage, strategies, strategy

SIX = (Extension(steps=6),)


@pytest.mark.parametrize(
    ("name", "options", "again"),
    [
        ("autoencoder", {}, ["compress", "fit"]),
        ("rae", {"prior": "mdn"}, ["compress", "fit", "density"]),
        ("latent", {}, ["sharpen"]),
        ("latent", {"sharpen_share": 0.0}, ["compress", "fit", "play", "choose"]),
        ("gan", {}, ["play"]),
        ("two-stage-vae", {}, ["first", "second", "spread"]),
        ("decoder-init", {}, ["play"]),
    ],
)
def test_what_goes_on(name: str, options: dict[str, Any], again: list[str], pictures: Data) -> None:
    """The decoder, and all that was made for what it is."""
    chosen = strategy(name)(**options)
    assert [s.name for s in taken_again(chosen.stages(pictures.spec))] == again


@pytest.mark.parametrize("name", sorted(strategies()))
def test_every_strategy_trains_its_decoder_for_longer(name: str, request: pytest.FixtureRequest) -> None:
    data: Data = request.getfixturevalue("pictures")
    more = taken_again(strategy(name)().stages(data.spec))
    assert isinstance(more[0], Stage) and any("G" in phase.trains for phase in more[0].phases)


def test_names_and_steps() -> None:
    stages = strategy("latent")().stages(DataSpec((1, 16, 16)))
    course = Course.of(stages, 100, [Extension(steps=7), Extension(minutes=2.0), Extension(steps=5)])
    assert [s.name for s in course.stages[-4:]] == ["sharpen", "sharpen-2", "sharpen-3", "sharpen-4"]
    assert course.parts[-4:] == (0, 1, 2, 3)
    assert (
        course.plans["sharpen-2"].total == 7
        and "sharpen-3" not in course.plans
        and course.plans["sharpen-4"].total == 5
    )
    names = [s.name for s in course.stages]
    assert course.begins_with(names) and course.begins_with(names[:-1]) and course.begins_with(names[:-3])
    assert not course.begins_with(names[:-4]), "the run as it was begun has a stage more"
    assert not course.begins_with([*names, "sharpen-5"]) and not course.begins_with(["other", *names[1:]])


@pytest.mark.parametrize("name", ["autoencoder", "latent", "gan"])
def test_stopped_anywhere_in_the_extension(
    name: str, pictures: Data, make_engine: Any, weights_of: Any, assert_equal: Any, stop_after: Any
) -> None:
    """At once; behind the end; and stopped after every step of both: the same weights."""
    chosen = narrow(name)
    at_once = make_engine(chosen, pictures, "once", steps=8, extensions=SIX).run()

    first = make_engine(chosen, pictures, "later", steps=8).run()
    later = make_engine(chosen, pictures, "later", steps=8, extensions=SIX).run(resume=True)
    assert later.steps == at_once.steps == first.steps + 6
    assert_equal(weights_of(at_once), weights_of(later))
    assert later.plans == at_once.plans

    resume, stops = False, 0
    more: tuple[Extension, ...] = ()
    for _ in range(40):
        engine = make_engine(chosen, pictures, "stopped", steps=8, extensions=more)
        stop_after(1)
        try:
            engine.run(resume)
        except Interrupted:
            stops += 1
        else:
            if more:
                break
            more = SIX
        resume = True
    stop_after(None)
    assert stops >= later.steps - 1, "it was not stopped after each step"
    assert_equal(weights_of(at_once), weights_of(engine))


def test_more_training_changes_the_weights_and_the_rates_begin_anew(
    vectors: Data, make_engine: Any, weights_of: Any, tmp_path: Path
) -> None:
    first = make_engine(narrow("autoencoder"), vectors).run()
    before = weights_of(first)
    second = make_engine(narrow("autoencoder"), vectors, extensions=(Extension(steps=20),))
    outcome = second.run(resume=True)
    after = weights_of(outcome)
    assert any((before[k] != after[k]).any() for k in before if k.startswith("G."))
    assert outcome.notes.keys() == {"fit", "fit-2"}, "the density follows the codes"
    log = read_log(tmp_path / "run" / "log.jsonl")
    (said,) = [line for line in log if line.get("event") == "extended"]
    assert said["step"] == 12 and said["steps"] == 20 and said["stages"] == ["compress-2", "fit-2"]
    rates = [line["rates"]["AE"] for line in log if line.get("stage") == "compress-2" and "rates" in line]
    assert max(rates) > 2 * rates[-1] and rates[0] < max(rates), "a warm-up, then a decay"
    assert 0.4 * second.strategy.lr < max(rates) <= 0.5 * second.strategy.lr, "half of the rates"


def test_minutes_of_an_extension_are_its_own(vectors: Data, make_engine: Any, stop_after: Any) -> None:
    """However long the run was, and though it is stopped while its first steps are timed."""
    make_engine(narrow("autoencoder"), vectors, minutes=0.02).run()
    more = (Extension(minutes=0.02),)
    stop_after(3)
    with pytest.raises(Interrupted):
        make_engine(narrow("autoencoder"), vectors, minutes=0.02, extensions=more).run(resume=True)
    engine = make_engine(narrow("autoencoder"), vectors, minutes=0.02, extensions=more)
    outcome = engine.run(resume=True)
    assert outcome.plans["compress-2"].total > 3
    assert 0.5 * 1.2 < outcome.seconds - engine.counters.since < 10


def test_the_model_stays_whole_while_what_belongs_together_is_trained_anew(vectors: Data, make_engine: Any) -> None:
    make_engine(narrow("autoencoder"), vectors).run()
    engine = make_engine(narrow("autoencoder"), vectors, extensions=SIX)
    saved: list[list[str]] = []
    engine.save_model = lambda networks, counters, notes: saved.append(list(notes))
    engine.run(resume=True)
    assert saved and all(notes == ["fit", "fit-2"] for notes in saved), (
        "never a decoder of other codes than the density's"
    )


def test_a_run_that_has_not_ended_cannot_skip_to_its_extension(
    vectors: Data, make_engine: Any, stop_after: Any, weights_of: Any, assert_equal: Any
) -> None:
    """Its configuration may know of the extension already."""
    straight = make_engine(narrow("autoencoder"), vectors, "straight", extensions=SIX).run()
    stop_after(5)
    with pytest.raises(Interrupted):
        make_engine(narrow("autoencoder"), vectors).run()
    outcome = make_engine(narrow("autoencoder"), vectors, extensions=SIX).run(resume=True)
    assert outcome.steps == 18
    assert_equal(weights_of(straight), weights_of(outcome))


def test_a_configuration_that_forgot_the_extension(vectors: Data, make_engine: Any) -> None:
    make_engine(narrow("autoencoder"), vectors, extensions=SIX).run()
    with pytest.raises(UserError, match="stages are not those"):
        make_engine(narrow("autoencoder"), vectors).run(resume=True)


def test_all_rates_are_halved() -> None:
    """Those of the matrices that Muon trains, too."""
    stages = strategy("autoencoder")(matrix_lr=4e-3, lr=2e-3).stages(DataSpec((3, 64, 64)))
    again = Course.of(stages, 10, [Extension(steps=7)]).stages[len(stages)]
    assert isinstance(again, Stage)
    assert [(phase.lr, phase.matrix_lr) for phase in again.phases] == [(1e-3, 2e-3)]
