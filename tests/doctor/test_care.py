"""When the doctor speaks, when it acts, and which states it would go back to."""

from __future__ import annotations

from typing import Any

import pytest

from aegan.doctor.care import Change, diagnose_tick
from aegan.events import parse

WELL = {"fd_pixels": 2.0, "diversity": 1.0, "coverage": 0.9, "novelty": 1.0}
ILL = {"fd_pixels": 9.0, "diversity": 0.1, "coverage": 0.1}


def log(*looks: dict[str, Any], stage: str = "play") -> list[dict[str, Any]]:
    ticks = [{"event": "tick", "stage": stage, "step": i, "progress": (i + 2) / 10, **x} for i, x in enumerate(looks)]
    return [{"event": "stage", "stage": stage}, *ticks]


def asked(lines: list[dict[str, Any]], guard: Any = "auto", early_stop: bool = False, changes_left: int = 3) -> Any:
    events = [parse(line) for line in lines]
    return diagnose_tick(events, "play", guard=guard, early_stop=early_stop, changes_left=changes_left)


def strong(*looks: dict[str, Any]) -> list[dict[str, Any]]:
    """Looks behind ten lines each of a critic that is always right."""
    lines = [{"stage": "play", "terms": {"D.L_D": 1.0}, "watch": {"V(G,D)": -0.01}} for _ in range(10)]
    return [line for tick in log(*looks)[1:] for line in (*lines, tick)]


def test_a_collapse_is_acted_upon_at_its_second_look() -> None:
    assert asked(log(WELL, WELL, ILL)).change is None and not asked(log(WELL, WELL, ILL)).new
    said = asked(log(WELL, WELL, ILL, ILL))
    assert "mode collapse" in [f.name for f in said.new] and said.change == Change("mode collapse", "rates")
    assert not said.good


def test_a_strong_critic_is_told_of_at_one_look_and_slowed_at_the_next() -> None:
    first = asked(strong(WELL))
    assert [f.name for f in first.new] == ["critic too strong"] and first.change is None and not first.good
    told = [{"event": "diagnosis", "stage": "play", "name": "critic too strong"}]
    second = asked(strong(WELL, WELL) + told)
    assert second.new == () and second.change == Change("critic too strong", "critic")


@pytest.mark.parametrize("settings", [{"guard": "warn"}, {"changes_left": 0}])
def test_speaks_only(settings: dict[str, Any]) -> None:
    said = asked(log(WELL, ILL, ILL, ILL), **settings)
    assert said.new and said.change is None


def test_off_says_nothing() -> None:
    said = asked(log(WELL, ILL, ILL, ILL), guard="off")
    assert said.new == () and said.change is None


def test_nothing_is_changed_at_the_very_end() -> None:
    lines = log(WELL, ILL, ILL, ILL)
    lines[-1]["progress"] = 1
    assert asked(lines).change is None and asked(lines).new


def test_what_was_before_a_change_is_forgotten() -> None:
    lines = [*log(ILL, ILL, ILL), {"event": "guard", "stage": "play", "action": "rollback"}, *log(WELL)[1:]]
    assert asked(lines).change is None and asked(lines).good


def test_other_stages_count_for_nothing() -> None:
    said = asked([*log(ILL, ILL, ILL, stage="other"), *log(WELL)])
    assert said.good and said.new == ()


def test_a_healthy_state_is_one_to_go_back_to() -> None:
    assert asked(log(WELL)).good and asked(log(WELL, WELL)).good


def distances(*values: float) -> list[dict[str, Any]]:
    return log(*({**WELL, "kernel": v, "kernel_error": 0.1} for v in values))


def test_stops_early_where_samples_come_no_nearer() -> None:
    assert asked(distances(3, 1, 2, 2, 2), early_stop=True).change.what == "stop"
    assert asked(distances(3, 1, 2, 2), early_stop=True).change is None, "patience"
    assert asked(distances(3, 1, 1.1, 1.1, 1.1), early_stop=True).change is None, "within what chance does"
    assert asked(distances(3, 1, 2, 2, 2)).change is None, "not asked for"
    assert asked(distances(3, 2, 1), early_stop=True).good and not asked(distances(1, 2), early_stop=True).good


def test_without_samples_reconstructions_count() -> None:
    lines = log(*({"r2": v} for v in (0.5, 0.8, 0.7, 0.7, 0.7)))
    assert asked(lines, early_stop=True).change.what == "stop"
    assert asked(lines[:-1], early_stop=True).change is None
