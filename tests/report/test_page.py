"""The page: whole, safe, without network, and honest about what is missing."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.errors import UserError
from aegan.pictures import grid
from aegan.report import write_report

VOID = {"meta", "img", "line"}
CONFIG = "aegan: 0.1.0\nrun:\n  data: photos/cats\n  strategy: latent\n  minutes: 3.0\noptions:\n  lr: 0.002\n"


class Balanced(HTMLParser):
    """Fails on tags that do not close in order; gathers addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["style"] else ""


def read(path: Path) -> Balanced:
    page = Balanced()
    page.feed((path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    return page


def log_lines(steps: int = 40) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = [
        {"event": "start", "cores": 2, "torch": "2.9"},
        {"event": "stage", "stage": "compress", "step": 0, "seconds": 0.0},
    ]
    for i in range(1, steps + 1):
        stage = "compress" if i <= steps // 2 else "sharpen"
        if i == steps // 2 + 1:
            out.append(
                {"event": "note", "stage": "choose", "step": i, "mixture": 0.02, "latent GAN": 0.01, "kept": "mixture"}
            )
            out.append({"event": "guard", "stage": "sharpen", "step": i, "from_step": i + 3, "rate_scale": 0.5})
            out.append({"event": "stage", "stage": "sharpen", "step": i, "seconds": float(i)})
        line: dict[str, Any] = {"step": i, "stage": stage, "stage_step": i, "seconds": 4.0 * i, "images": 128 * i}
        line |= {"terms": {"AE.L1": 1 / i, "AE.|grad|": 1.0}, "rates": {"AE": 1e-3}, "watch": {}}
        if stage == "sharpen":
            line["watch"] = {"D.V(G,D)": -1.0 - i / 100}
        out.append(line)
    return [*out, {"event": "done", "step": steps, "seconds": 160.0, "images": 128 * steps}]


def figure(value: float | None, baseline: float | None = None, **more: Any) -> dict[str, Any]:
    base = {"title": "t", "value": value, "baseline": baseline, "better": "lower", "unit": "", "count": 9, "against": 9}
    return base | {"meaning": "Means this.", "why": ""} | more


def evaluation(**figures: Any) -> dict[str, Any]:
    return {
        "format": 2,
        "aegan": "0.1.0",
        "subject": {"name": "run", "kind": "run"},
        "figures": {
            "fd": figure(320.0, 57.0, title="Fréchet distance of samples"),
            "fd_reconstructions": figure(215.0, 57.0),
            "psnr": figure(24.0, unit="dB"),
            "copies": figure(0.004, 0.01, unit="%"),
        }
        | figures,
        "data": {"name": "cats", "train": 9000, "held_out": 1000},
        "counts": {"samples": 1000, "reference": 9000, "held_out": 1000},
        "extractor": {"name": "lite0", "sha256": "ab" * 32, "resizing": "64x64"},
        "seed": 0,
        "weights": "EMA",
        "remarks": [],
        "seconds": 31.0,
        "machine": {},
    }


def make_run(path: Path, *, config: str = CONFIG, log: Any = None, scores: Any = None, pictures: bool = True) -> Path:
    (path / "samples").mkdir(parents=True)
    (path / "evaluation").mkdir()
    (path / "config.yaml").write_text(config)
    if log is not None:
        (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    if scores is not None:
        (path / "evaluation.json").write_text(json.dumps(scores))
    if pictures:
        picture = grid(np.zeros((4, 8, 8, 1), np.uint8), columns=2)
        for name in ("samples", "reconstructions", "interpolation", "nearest"):
            picture.save(path / "evaluation" / f"{name}.png")
        for i in range(12):
            picture.save(path / "samples" / f"{i:07d}-compress.png")
    return path


def test_a_whole_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", log=log_lines(), scores=evaluation())
    assert write_report(run) == run / "report.html"
    page = read(run)
    order = [
        "Samples",
        "Reconstructions",
        "Interpolation",
        "Figures",
        "decided",
        "Training",
        "Growth",
        "Nearest",
        "repeat",
    ]
    places = [page.text.index(word) for word in order]
    assert places == sorted(places)
    for said in ("9,000 training images of cats", "2.7 minutes", "320", "57", "kept the mixture", "step 24", "V(G, D)"):
        assert said in page.text
    assert "lr: 0.002" in page.text and "No sign of copying" in page.text and "not FID" in page.text
    assert sum(link.startswith("data:image/png;base64,") for link in page.links) == 4 + 8
    assert "not finished" not in page.text


def test_it_needs_no_network_and_no_script(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", log=log_lines(), scores=evaluation())
    html = write_report(run).read_text()
    assert all(link.startswith("data:") for link in read(run).links)
    assert not re.search(r"<script|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", html)
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html


def test_only_a_configuration_is_enough(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pictures=False)
    write_report(run)
    text = read(run).text
    assert "not finished" in text and "not been evaluated" in text and "no losses yet" in text


def test_an_unfinished_run_shows_what_there_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", log=log_lines()[:15], scores=None)
    for path in (run / "evaluation").iterdir():
        path.unlink()
    with open(run / "log.jsonl", "a") as file:
        file.write('{"step": 99, "sta')
    write_report(run)
    text = read(run).text
    assert "its log ends at step 13" in text and "last picture, of step 11" in text and "has begun to learn" in text


def test_damaged_parts_are_said_to_be_damaged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", config="a: [", log=log_lines())
    (run / "evaluation.json").write_text("{")
    (run / "evaluation" / "nearest.png").write_bytes(b"no picture")
    (run / "evaluation" / "samples.png").write_bytes((run / "evaluation" / "samples.png").read_bytes()[:60])
    (run / "model").mkdir(exist_ok=True)
    (run / "model" / "config.json").write_text('{"spec": {"shape": [[1], 2, 3], "count": Infinity}}')
    write_report(run)
    text = read(run).text
    assert "nearest.png is damaged" in text and "samples.png is damaged" in text and "not been evaluated" in text


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.yaml"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_everything_is_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    log = log_lines()
    for line in log:
        for key in ("stage", "kept"):
            if key in line:
                line[key] = evil + line[key]
        if "terms" in line:
            line["terms"] = {f"{evil}.{evil}": 1.0 * line["step"]}
            line["watch"] = {f"{evil}.V(G,D)": 2.0, evil: 1.0}
    scores = evaluation(**{evil: figure(None, title=evil, why=evil, meaning=evil, unit=evil)})
    scores["data"]["name"] = scores["weights"] = scores["extractor"]["name"] = evil
    scores["remarks"] = [evil]
    run = make_run(tmp_path / "run", config=f"run:\n  data: '{evil}'\n  strategy: '{evil}'\n", log=log, scores=scores)
    (run / "samples" / "0000099-<b>.png").write_bytes(next((run / "samples").iterdir()).read_bytes())
    html = write_report(run).read_text()
    assert "<script" not in html and "<b>.png" not in html and "alert(&quot;x&quot;)" in html


@pytest.mark.parametrize(
    ("share", "said", "warned"),
    [(0.0, "No sign of copying", False), (0.05, "More samples than expected", True), (0.7, "memorised", True)],
)
def test_copies_are_called_copies(tmp_path: Path, share: float, said: str, warned: bool) -> None:
    run = make_run(tmp_path / "run", log=log_lines(), scores=evaluation(copies=figure(share, 0.01, unit="%")))
    html = write_report(run).read_text()
    assert said in read(run).text
    assert bool(re.search(rf"class=\"?warn\"?>[^<]*{said}", html)) == warned


def test_a_missing_score_says_why_and_few_items_are_a_caution(tmp_path: Path) -> None:
    scores = evaluation(fd=figure(None, None, title="Fréchet distance", why="there are 12 items"))
    scores["counts"]["held_out"] = 12
    run = make_run(tmp_path / "run", log=log_lines(), scores=scores)
    write_report(run)
    text = read(run).text
    assert "There is no Fréchet distance: there are 12 items." in text and "12 held-out images" in text


def test_vectors_have_modes_and_no_nearest_images(tmp_path: Path) -> None:
    scores = evaluation()
    scores["extractor"] = {}
    scores["figures"] = {
        "modes": figure(7.0, 8.0, unit="modes"),
        "quality": figure(0.991, 0.98889, unit="%"),
        "spread": figure(0.6, 1.0),
        "fd": figure(0.02, 0.01),
        "rmse": figure(0.1, 0.0, unit="sd"),
    }
    run = make_run(tmp_path / "run", log=log_lines(), scores=scores)
    (run / "evaluation" / "nearest.png").unlink()
    (run / "evaluation" / "interpolation.png").unlink()
    write_report(run)
    text = read(run).text
    assert "covers 7 of 8 modes" in text and "98.9 %" in text and "have shrunk" in text
    assert "Nearest training" not in text and "vectors themselves" in text and "images" not in text


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", log=log_lines())
    Image.effect_noise((4000, 2000), 90).save(run / "evaluation" / "samples.png")
    write_report(run)
    first = base64.b64decode(read(run).links[0].partition(",")[2])
    (tmp_path / "first.png").write_bytes(first)
    with Image.open(tmp_path / "first.png") as picture:
        assert picture.size == (1200, 600)


def test_last_and_best_side_by_side(tmp_path: Path) -> None:
    log = log_lines()
    log[-1:-1] = [
        {"event": "tick", "stage": "sharpen", "step": 20, "fd_pixels": 1.5, "kept": True},
        {"event": "tick", "stage": "sharpen", "step": 40, "fd_pixels": 2.5, "kept": False},
    ]
    run = make_run(tmp_path / "run", log=log, scores=evaluation())
    page = write_report(run).read_text()
    assert "nearest to training data at step 20" in page and "--checkpoint both" in page
    (run / "evaluation-best.json").write_text(
        json.dumps(evaluation(fd=figure(300.0, 57.0, title="Fréchet distance of samples", low=290.0, high=310.0)))
    )
    page = write_report(run).read_text()
    assert "300 [290, 310]" in page and "320" in page and "chosen without the held-out items" in page
    assert "--checkpoint both" not in page
