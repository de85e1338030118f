"""Lines of a log become events, and the same lines again; nothing that a log holds is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aegan.events import KINDS, Other, Tick, parse
from aegan.jsonl import finite, json_objects, number

WRITTEN = """\
{"event": "start", "resumed": false, "precision": "fp32", "processes": 1, "cpu": "x", "cores": 2, "threads": 2}
{"event": "init", "step": 0, "source": "a", "strategy": "vae", "hash": "b", \
"taken": {"G": ["w"]}, "fresh": {}, "notes": ["n"]}
{"event": "extended", "stage": "play-2", "step": 9, "seconds": 1.5, "minutes": null, "steps": 40, "stages": ["play-2"]}
{"event": "stage", "stage": "play", "step": 0, "seconds": 0.25}
{"event": "plan", "stage": "play", "step": 8, "knots": [[0, 0.0], [40, 1.0]]}
{"event": "threads", "step": 4, "taken": 5, "trial": true, "from": 2, "to": 1}
{"event": "threads", "step": 4, "taken": 5, "trial": false, "from": 2, "to": 1, "speeds": {"2": 9.5}}
{"step": 8, "stage": "play", "stage_step": 8, "seconds": 0.5, "images": 64, \
"images_per_second": 9.0, "terms": {"G.L_G": "nan"}, "watch": {}, "rates": {"G": 0.001}}
{"step": 9, "stage": "play", "stage_step": 9, "seconds": 0.5, "images": 72, \
"images_per_second": 9.0, "rates": {}, "skipped": 1}
{"event": "memory", "stage": "play", "step": 9, "phase": "G", "parts": 2, "micro_batch": 4}
{"event": "tick", "stage": "play", "step": 9, "seconds": 0.5, "progress": 0.25, "kept": false, "fd_pixels": "inf", "r2": 0.5}
{"event": "diagnosis", "step": 9, "name": "drift", "stage": "play", "evidence": "e", "remedy": "r"}
{"event": "guard", "stage": "play", "step": 8, "action": "rollback", "why": "drift", "from_step": 9, "rate_scale": 0.5, \
"critic_scale": 1.0}
{"event": "guard", "stage": "play", "step": 9, "action": "stop"}
{"event": "stop", "stage": "play", "step": 8, "from_step": 9, "why": "no nearer", "knots": [[0, 0.0], [8, 1.0]]}
{"event": "note", "stage": "fit", "step": 9, "components": 3, "kept": "mixture", "took": 0.1}
{"event": "done", "step": 9, "seconds": 2.0, "images": 72}
""".splitlines()


def test_the_lines_of_all_kinds() -> None:
    assert [json.dumps(finite(parse(json.loads(text)).line())) for text in WRITTEN] == WRITTEN
    assert {type(parse(json.loads(text))) for text in WRITTEN} == set(KINDS.values())


def test_other_versions() -> None:
    assert parse({"event": "moved", "to": "b"}) == Other("moved", {"to": "b"})
    assert parse({"event": "tick", "r2": "high", "later": 1}) == Tick("", None)


@pytest.mark.parametrize("value", [None, True, "x", 1, 0.5, float("nan"), [], {}])
def test_damage(value: Any) -> None:
    for line in map(json.loads, WRITTEN):
        for key in line:
            parse({**line, key: value}).line()
            parse({k: v for k, v in line.items() if k != key}).line()


def test_what_a_stranger_may_have_written() -> None:
    assert json_objects("[" * 100_000 + '\n{"step": 1}') == [{"step": 1}]
    assert number(10**400) is None and number(10**30) == 1e30
