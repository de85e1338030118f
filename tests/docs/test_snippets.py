"""What README and docs tell people to type: every command and every Python block runs, with budgets of a few steps.

The commands run in a folder that has what they name: `photos/`, `runs/photos`, `a.jpg` and so on. Large data become these
photos, and budgets a few steps; nothing else is changed.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"^    (aegan .*)$", re.M)
INLINE = re.compile(r"`(aegan [a-z-]+ [^`\n]*)`")
# What stays up until it is stopped, needs a network, or runs for minutes whatever the budget: read by the parser alone
ONLY_READ = {"serve", "watch", "push", "benchmark"}
# What takes long whatever the budget, by command: run by `make test-slow`. In the fast suite test_ranks.py starts several
# processes, and tests/cases/test_names.py types `aegan export --onnx`
LONG = {"train": ("64", "--devices"), "export": ("--onnx",)}
SHORT = [
    (r"--minutes [\d.]+", "--steps 3"), (r"--steps \d+", "--steps 3"), (r"--seeds \d+", "--seeds 1"), (r"--tune \d+", ""),
    (r"\bfashion(-full)?\b", "photos/"), (r"--batch-size \d+", "--batch-size 16"), (r"--size \d+", "--size 16"),
    (r"\bnew_photos/", "photos/"), (r"--class \w+", "--class disc"), (r"--n \d+", "--n 16"),
    (r"--devices \d+", "--devices 2"),
]  # fmt: skip
SHORT_PYTHON = [(r"minutes=[\d.]+", "steps=3"), (r"seeds=\d+", "seeds=1"), (r'"fashion(-full)?"', '"photos/"')]


def commands(text: str) -> list[str]:
    """Command lines of `aegan` in fences, indented blocks and lines, without their comments."""
    fenced = [line for _, body in FENCE.findall(text) for line in body.splitlines() if line.startswith("aegan ")]
    plain = FENCE.sub("", text)
    found = [*fenced, *INDENTED.findall(plain), *INLINE.findall(plain)]
    return list(dict.fromkeys(line.partition("  #")[0].strip() for line in found))


def blocks(text: str) -> str:
    """The Python of a page, one block after the other, as a reader would type it."""
    return "\n".join(body for language, body in FENCE.findall(text) if language == "python")


def whole(line: str) -> bool:
    """Whether a line is typed as it stands: no NAME, … or RUN to be filled in."""
    return not re.search(r"…|\.\.\.|(?<![\w-])[A-Z]+(?![\w.])", line)


def lines(*, run: bool) -> list[Any]:
    found = []
    for page in PAGES:
        for line in filter(whole, commands(page.read_text())):
            name = line.split()[1]
            if not run or name not in ONLY_READ:
                long = name == "compare" or any(word in line for word in LONG.get(name, ()))
                found.append(
                    pytest.param(line, id=f"{page.stem}: {line}", marks=pytest.mark.slow if run and long else ())
                )
    return found


@pytest.fixture(scope="session")
def codec(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """A run of the strategy `codec`, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "codec"
    options = {"width": 8, "batch_size": 16, "components": "1"}
    aegan.fit(folder, strategy="codec", out=out, steps=8, size=16, options=options, device="cpu", progress=False)
    return out


@pytest.fixture
def place(tmp_path: Path, folder: Path, trained: Path, codec: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has what the pages name; the working directory."""
    shutil.copytree(folder, tmp_path / "photos")
    shutil.copytree(folder, tmp_path / "their_samples")
    (tmp_path / "their_log.csv").write_text("step,loss_d,loss_g\n" + "".join(f"{i},0.5,1.0\n" for i in range(20)))
    for name in ("photos", "first", "a", "b"):
        shutil.copytree(trained, tmp_path / "runs" / name)
    for name in ("codec", "photos-codec"):
        shutil.copytree(codec, tmp_path / "runs" / name)
    shutil.copytree(trained / "model", tmp_path / "model")
    for name in ("a", "b"):
        Image.fromarray(np.full((20, 20, 3), 120, np.uint8)).save(tmp_path / f"{name}.jpg")
    (tmp_path / "shards").mkdir()
    files = sorted(folder.rglob("*.png"))
    for i in range(4):
        with tarfile.open(tmp_path / f"shards/{i:03}.tar", "w") as archive:
            for file in files[i::4]:
                archive.add(file, file.relative_to(folder).as_posix())
    (tmp_path / "mine.txt").write_text("shards/000.tar\nshards/003.tar\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", lines(run=False))
def test_a_command_is_understood(line: str) -> None:
    """The names of commands and options are right, as are the kinds of their values."""
    from typer.main import get_command

    from aegan.cli.main import app

    group = get_command(app)
    name, *arguments = shlex.split(line)[1:]
    assert name in group.commands, line
    group.commands[name].make_context(name, arguments)


def test_pages_have_commands() -> None:
    """The patterns above find what there is: they have not gone blind."""
    assert len(lines(run=False)) > 40 and sum(bool(blocks(page.read_text())) for page in PAGES) >= 4


@pytest.mark.parametrize("line", lines(run=True))
def test_a_command_runs(line: str, place: Path, aegan_cli: Callable[..., Any], trained: Path) -> None:
    for pattern, shorter in SHORT:
        line = re.sub(pattern, shorter, line)
    arguments = shlex.split(line)[1:]
    if arguments[0] == "train":
        if "--resume" not in arguments and "--config" not in arguments and "--steps" not in arguments:
            arguments += ["--steps", "3"]
        if "--dry-run" not in arguments:
            arguments += ["--no-evaluate"]
        if not {"--config", "--resume", "--space"} & set(arguments):  # which need what is there
            shutil.rmtree(place / "runs", ignore_errors=True)
    quick = ["--count", "64", "--extractor", "pixels"]
    if arguments[0] == "evaluate":
        arguments += quick
    if arguments[0] == "report" and "theirs.json" in arguments:  # what a reader has done by then
        runs = [word for word in arguments if word.startswith("runs/")]
        for run in runs:
            aegan_cli("evaluate", run, *quick)
        aegan_cli("evaluate", "their_samples", "--against", runs[0], "--json", "theirs.json", *quick)
    if arguments[0] == "decompress":
        assert aegan_cli("compress", "runs/codec", "photos", "--out", arguments[1]).code == 0
    said = aegan_cli(*arguments)
    assert said.code == 0, said.err


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p.read_text())], ids=lambda p: p.stem)
def test_the_python_of_a_page_runs(page: Path, place: Path) -> None:
    code = blocks(page.read_text())
    for pattern, shorter in SHORT_PYTHON:
        code = re.sub(pattern, shorter, code)
    for out in re.findall(r'\bout="([^"]+)"', code):  # a reader's new run is not there yet
        shutil.rmtree(place / out, ignore_errors=True)
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), np.uint8)
    names: dict[str, Any] = {"Path": Path, "aegan": aegan, "images": images, "labels": np.arange(64) % 2}
    if page.stem == "keras":
        names |= runpy.run_path(str(ROOT / "examples" / "keras_article.py"))
    exec(compile(code, str(page), "exec"), names)
