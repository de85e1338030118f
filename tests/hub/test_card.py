"""A folder to share: it loads, its card is one, and it tells nothing of where it was made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from torch import nn

import aegan
from aegan.errors import UserError
from aegan.figures import Evaluation, Figure
from aegan.hub import write_hub_folder


def evaluated(run: Path, where: str) -> None:
    """An evaluation.json with a figure of each kind."""
    figures = (
        Figure("fd", "Fréchet distance of samples", 215.2, 57.5, count=2000, against=10_000, low=209.0, high=221.4),
        Figure("coverage", "coverage", 0.97, 0.968, better="higher", unit="%", count=2000, low=0.96, high=0.98),
        Figure("fd_best", "a figure that could not be had", None, why="too few | images"),
    )
    Evaluation(
        figures=figures, subject={"name": f"{where}/runs/latent", "kind": "run", "checkpoint": "last"},
        data={"name": "shapes", "source": f"{where}/shapes", "fingerprint": "abc", "shape": [3, 16, 16]},
        counts={"samples": 2000, "reference": 10_000, "baseline": 500, "held_out": 500},
        extractor={"name": "EfficientNet-Lite0", "sha256": "123"}, seed=0, weights="averaged",
        remarks=("There are only 500 held-out items.",), seconds=1.0, version="0.1.0",
    ).write(run / "evaluation.json")  # fmt: skip


@pytest.fixture
def shared(trained_copy: Path, tmp_path: Path) -> Path:
    evaluated(trained_copy, str(tmp_path))
    write_hub_folder(trained_copy, tmp_path / "hub" / "shapes")
    return tmp_path / "hub" / "shapes"


def test_it_loads_and_is_the_same_model(shared: Path, trained: Path) -> None:
    assert np.array_equal(aegan.load(shared, "cpu").sample(4), aegan.load(trained, "cpu").sample(4))


def test_its_files(shared: Path) -> None:
    names = sorted(p.name for p in shared.iterdir())
    assert names == ["README.md", "config.json", "evaluation.json", "model.safetensors", "samples.png"]
    with Image.open(shared / "samples.png") as picture:
        picture.load()
        assert min(picture.size) >= 500 and len(picture.getcolors(2**20) or []) > 50
    assert Evaluation.read(shared / "evaluation.json")["fd"].value == 215.2


def test_nothing_tells_where_it_was_made(shared: Path, tmp_path: Path, trained_copy: Path) -> None:
    for path in shared.iterdir():
        raw = path.read_bytes()
        assert str(tmp_path).encode() not in raw and str(Path.home()).encode() not in raw, path.name
    assert json.loads((shared / "evaluation.json").read_text())["data"]["source"] == "shapes"


def test_the_figures_stand_in_the_card_with_their_conditions(shared: Path) -> None:
    text = (shared / "README.md").read_text()
    assert "| Fréchet distance of samples | 215 [209, 221] | 57.5 | lower | 2,000 : 10,000 |" in text
    assert "| coverage | 97.0 % [96.0, 98.0] | 96.8 % | higher | 2,000 |" in text
    assert "none: too few \\| images" in text, "a bar would break the table"
    assert "EfficientNet-Lite0 features; 2,000 samples, seed 0, against 10,000 training items; last checkpoint" in text
    assert "There are only 500 held-out items." in text
    assert "Classes, usable as `model.sample(n, label=NAME)`: disc, square." in text


def test_the_front_matter(shared: Path) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard.load(shared / "README.md").data
    assert data.library_name == "aegan" and data.pipeline_tag == "unconditional-image-generation"
    results = {r.metric_type: r.metric_value for r in data.eval_results}
    assert results == {"fd": 215.2, "coverage": 0.97}
    assert data.eval_results[0].dataset_name == "shapes"


def test_the_snippet_runs(shared: Path) -> None:
    code = (shared / "README.md").read_text().split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(code.replace('"FOLDER"', repr(str(shared))), found)
    assert found["items"].shape == found["back"].shape == (16, 16, 16, 3)
    assert "uint8 (16, 16, 16, 3)" in code


def test_a_model_that_was_not_evaluated(vector_run: Path, tmp_path: Path) -> None:
    write_hub_folder(vector_run / "model", tmp_path / "hub", title="me/circle")
    text = (tmp_path / "hub" / "README.md").read_text()
    assert "It has not been evaluated." in text and 'aegan.load("me/circle")' in text
    front = yaml.safe_load(re.split(r"^---$", text, flags=re.M)[1])
    assert "pipeline_tag" not in front and "model-index" not in front
    assert not (tmp_path / "hub" / "evaluation.json").exists()


def test_refusals(vector_run: Path, points: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(UserError, match="not an empty folder"):
        write_hub_folder(vector_run, tmp_path / "full")
    run = aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "own", steps=4, device="cpu", progress=False,
        options={"width": 8, "components": "1"}, networks={"E": nn.Linear(2, 2)},
    )  # fmt: skip
    with pytest.raises(UserError, match=r"networks of your own \(E\)"):
        write_hub_folder(run.path, tmp_path / "new", model=run.model)
