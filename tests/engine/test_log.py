"""What a run writes while it trains: log.jsonl and pictures."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from narrow import narrow
from PIL import Image
from rich.console import Console

from aegan.data import Data
from aegan.engine.log import Display, Means, RunLog, short
from aegan.events import Step
from aegan.jsonl import read_log
from aegan.strategies import Stage, strategies, strategy


def strict(line: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    return dict(json.loads(line, parse_constant=refuse))


def test_numbers_that_json_lacks_become_words(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.write(Step(1, "s", terms={"a": math.nan, "b": [math.inf, 1.5]}))
    log.close()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert strict(line) == {"step": 1, "terms": {"a": "nan", "b": ["inf", 1.5]}, "stage": "s"}


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2')
    assert read_log(path) == [{"step": 1}]
    assert read_log(tmp_path / "none.jsonl") == []


def test_means_between_lines() -> None:
    means = Means()
    for value in (1.0, 2.0, 6.0):
        means.add({"terms/a": torch.tensor(value)})
    means.add({"terms/b": torch.tensor(5.0), "watch/c/d": torch.tensor(1.0)})
    assert means.flush() == {"terms": {"a": 3.0, "b": 5.0}, "watch": {"c/d": 1.0}}
    assert means.flush() == {}


def test_lines_of_a_run(pictures: Data, make_engine: Any, tmp_path: Path) -> None:
    chosen = narrow("latent")
    engine = make_engine(chosen, pictures, steps=40)
    outcome = engine.run()
    lines = [strict(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[0]["event"] == "start" and lines[0]["precision"] == "fp32"
    assert [line["stage"] for line in lines if line.get("event") == "stage"] == [s.name for s in engine.stages]
    notes = {line["stage"]: line for line in lines if line.get("event") == "note"}
    assert notes["fit"]["components"] and notes["choose"]["kept"] in {"mixture", "latent GAN"}
    assert lines[-1] == {"event": "done", "step": 40, "seconds": lines[-1]["seconds"], "images": 40 * 16}
    steps = [line for line in lines if "terms" in line]
    assert {line["stage"] for line in steps} == {s.name for s in engine.stages if isinstance(s, Stage)}
    for line in steps:
        assert line["images"] == line["step"] * 16
        assert line["rates"] and all(isinstance(v, float) for v in line["terms"].values())
    sharpen = [line for line in steps if line["stage"] == "sharpen"][-1]
    assert {"D.L_D", "D.|grad|", "G.L_G", "G.anchor"} <= set(sharpen["terms"])
    assert {"V(G,D)", "margin"} <= set(sharpen["watch"])
    assert outcome.notes.keys() == notes.keys()


@pytest.mark.parametrize("name", sorted(strategies()))
@pytest.mark.parametrize("kind", ["vectors", "pictures"])
@pytest.mark.usefixtures("all_previews")
def test_pictures_are_written(
    name: str, kind: str, request: pytest.FixtureRequest, make_engine: Any, tmp_path: Path
) -> None:
    if kind == "vectors" and not strategy(name).vectors:
        pytest.skip("images only")
    data = request.getfixturevalue(kind)
    chosen = narrow(name)
    engine = make_engine(chosen, data)
    engine.run()
    folder = tmp_path / "run" / "samples"
    found = {p.stem.split("-", 1)[1] for p in folder.iterdir()}
    stages = [s for s in engine.stages if isinstance(s, Stage)]
    assert found == {s.name for s in stages}
    assert len(list(folder.glob(f"*-{stages[0].name}.png"))) == min(6, engine.plans[stages[0].name].total)
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert picture.mode == "RGB" and min(picture.size) >= 100
            assert len(picture.getcolors(2**20) or []) > 2, "an empty picture"


def test_previews_do_not_change_the_run(
    vectors: Data, make_engine: Any, weights_of: Any, assert_equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = narrow("latent")
    one = make_engine(chosen, vectors, "one").run()
    monkeypatch.setattr("aegan.engine.previews.Previews.draw", lambda *args: Path("none"))
    two = make_engine(chosen, vectors, "two").run()
    assert_equal(weights_of(one), weights_of(two))


def test_the_display_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    display = Display(console=Console(file=out, width=200))
    display.start("compress", "fitting")
    display.update("compress", 0.25, "step 1/4")
    display.update("compress", 0.5, "step 2/4")  # within the next ten seconds: not shown
    display.say("a line [with brackets]")
    display.close()
    assert out.getvalue().splitlines() == ["compress: fitting", "compress  25%  step 1/4", "a line [with brackets]"]


def test_the_display_on_a_terminal() -> None:
    out = io.StringIO()
    display = Display(console=Console(file=out, width=120, force_terminal=True, force_interactive=True))
    display.start("compress")
    display.update("compress", 0.5, "step 2/4  L1 0.123")
    display.close()
    assert "compress" in out.getvalue() and "L1 0.123" in out.getvalue()


def test_short() -> None:
    assert [short(v) for v in (0.123456, 12, "x", [1, 2])] == ["0.123", "12", "x", "[1, 2]"]
