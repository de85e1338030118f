"""In a notebook: one output that changes in place while a model trains, and results that show themselves."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import sys
import types
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan
from aegan.cells import WIDEST, embedded
from aegan.data import open_data
from aegan.evaluation import evaluate
from aegan.notebook import NotebookDisplay, in_notebook


class Output:
    """A stub of what `IPython.display.display` gives: keeps each content it was told to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.made = 0

    def display(self, content: Any, display_id: bool) -> Output:
        assert display_id
        self.made += 1
        self.update(content)
        return self

    def update(self, content: Any) -> None:
        self.shown.append(content)


def stub(monkeypatch: pytest.MonkeyPatch, config: Any) -> Output:
    """An IPython whose shell has this configuration."""
    output = Output()
    ipython, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    shell = None if config is None else types.SimpleNamespace(config=config)
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    shown.HTML, shown.display = str, output.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return output


def pictures(html: str) -> list[np.ndarray]:
    """The embedded pictures."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def balanced(html: str) -> bool:
    """Whether every element that is opened is closed in turn."""

    class Check(HTMLParser):
        stack: tuple[str, ...] = ()
        right = True

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag not in ("img",):
                self.stack = (*self.stack, tag)

        def handle_endtag(self, tag: str) -> None:
            self.right &= self.stack[-1:] == (tag,)
            self.stack = self.stack[:-1]

    check = Check()
    check.feed(html)
    return check.right and not check.stack


# --- while it trains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "is_one"), [({"IPKernelApp": {}}, True), ({}, False), (None, False)])
def test_only_a_kernel_is_a_notebook(config: Any, is_one: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, config)
    assert in_notebook() is is_one
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_fit_shows_progress_and_the_newest_picture_in_one_place(
    make_shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    output = stub(monkeypatch, {"IPKernelApp": {}})
    images, _ = make_shapes(40)
    run = aegan.fit(
        images, strategy="vae", steps=6, size=16, out=tmp_path / "run", device="cpu", batch_size=64,
        options={"width": 8},
    )  # fmt: skip
    assert output.made == 1, "one output, changed in place"
    last = output.shown[-1]
    assert balanced(last) and '<progress max="1" value="1.000">' in last
    assert "not 64: there are" in last, "what was said stays to be read"
    newest = sorted((run.path / "samples").iterdir())[-1]
    with Image.open(newest) as stored:
        scale = min(1, 480 / stored.width)
        assert pictures(last)[0].shape[1] == round(stored.width * scale)
    assert "vae" not in capfd.readouterr().err


def test_quiet_is_quiet(make_shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = stub(monkeypatch, {"IPKernelApp": {}})
    aegan.fit(make_shapes(40)[0], strategy="vae", steps=2, out=tmp_path / "run", device="cpu", progress=False)
    assert not output.shown


def test_what_is_said_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    output = stub(monkeypatch, {"IPKernelApp": {}})
    shown = NotebookDisplay()
    shown.say("skipped <script>alert(1)</script>")
    shown.start("<b>", "a & b")
    shown.update("<b>", 0.5, "x < y")
    shown.picture(Path("nowhere.png"))
    shown.close()
    assert "<script>" not in output.shown[-1] and "&lt;script&gt;" in output.shown[-1]
    assert "a &amp; b" in output.shown[1] and "x &lt; y" in output.shown[-1] and balanced(output.shown[-1])


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_run(trained_copy: Path) -> None:
    run = aegan.Run(trained_copy, device="cpu")
    html = run._repr_html_()
    assert balanced(html) and "latent" in html and "80 steps" in html and "Fréchet" not in html
    assert len(pictures(html)) == 1
    aegan.evaluation.evaluate_run(run, count=64, metrics="fd", extractor="pixels")
    html = run._repr_html_()
    assert balanced(html) and "Fréchet distance of samples" in html
    (trained_copy / "config.yaml").write_text("<nonsense>")
    assert "damaged" in aegan.Run(trained_copy)._repr_html_()


def test_an_evaluation(trained: Path, folder: Path) -> None:
    found = evaluate(trained, folder, count=64, metrics="fd,reconstruction", extractor="pixels", device="cpu")
    html = found._repr_html_()
    assert balanced(html) and found["fd"].text in html
    assert all(f.title in html for f in found.figures if "|" not in f.title)


def test_a_model(trained: Path, vector_run: Path) -> None:
    html = aegan.load(trained, "cpu")._repr_html_()
    assert balanced(html) and "images 16×16, 3 channels" in html and "disc, square" in html and "sample" in html
    model = aegan.load(vector_run, "cpu")
    assert "vectors (2,)" in model._repr_html_()
    model.spec = dataclasses.replace(model.spec, classes=tuple(f"class <{i}>" for i in range(20_000)))
    assert balanced(model._repr_html_()) and len(model._repr_html_()) < 10_000


def test_a_picture_is_no_larger_than_a_page() -> None:
    html = embedded(Image.new("L", (8, 50_000)), "a", WIDEST)
    assert pictures(html)[0].shape[0] == 4 * WIDEST


def test_data_and_what_was_found(folder: Path, tmp_path: Path) -> None:
    data = open_data(folder, size=16)
    html = data._repr_html_()
    assert balanced(html) and "120 images, used as colour 16×16" in html
    shown = pictures(html)[0]
    assert (shown[:64:4, :64:4] == data.train.items[0]).all(), "the first image, as the model sees it"
    wild = tmp_path / "<i>wild"
    for path in folder.rglob("*.png"):
        target = wild / f"<b>{path.parent.name}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    html = open_data(wild, size=16)._repr_html_()
    assert balanced(html) and "&lt;b&gt;disc" in html and "<b>disc" not in html
    assert "300 vectors" in open_data(np.random.default_rng(0).normal(size=(300, 2)))._repr_html_()
