"""What all tests share: one thread, a cache of their own, a seed, tiny data, the command line in this process, runs."""

from __future__ import annotations

import dataclasses
import functools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer.main
from PIL import Image
from skips import pytest_terminal_summary  # noqa: F401  which pytest finds here
from toys import circle, shapes

import aegan.engine.previews as previews

for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)  # by which rich and typer take a pipe for a terminal
_cache = tempfile.mkdtemp(prefix="aegan-tests-")
os.environ.update(AEGAN_CACHE=_cache, AEGAN_TENSORBOARD="0", OMP_NUM_THREADS="1", COLUMNS="120", NO_COLOR="1")
os.environ["TRACKIO_DIR"] = os.path.join(_cache, "trackio")  # which trackio reads when it is imported, whoever does it
torch.set_num_threads(1)
# Tests end processes, never the machine, so that what was written is there without waiting for the disk.
os.fsync = lambda _: None  # type: ignore[assignment]
PREVIEWS = previews.PREVIEWS
previews.PREVIEWS = 2  # of a stage: in a training of a few steps the usual six take as long as the steps

# what everything random starts from, where a test does not fix it: AEGAN_TEST_SEED=1 make test
SEED = int(os.environ.get("AEGAN_TEST_SEED", "0"))
FAST = {"width": 8, "components": "1,2", "critic_width": 8, "play_width": 8}  # options that make `latent` quick


def pytest_unconfigure() -> None:
    shutil.rmtree(_cache, ignore_errors=True)


def pytest_report_header() -> str:
    return f"AEGAN_TEST_SEED={SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    """AEGAN_TEST_SEED, 0 unless it is set: learning tests must pass for any."""
    return SEED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers whatever ran before in this process."""
    random.seed(SEED)
    torch.manual_seed(SEED)


@pytest.fixture
def all_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pictures of a stage as are drawn outside of tests."""
    monkeypatch.setattr(previews, "PREVIEWS", PREVIEWS)


@pytest.fixture(scope="session")
def make_shapes() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return shapes


@pytest.fixture(scope="session")
def make_circle() -> Callable[..., np.ndarray]:
    return circle


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 120 PNGs of 16×16 in two classes, `disc` and `square`. Not to be changed."""
    root = tmp_path_factory.mktemp("data") / "shapes"
    images, labels = shapes(120)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / ("square", "disc")[label] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npy of 300 points on a circle. Not to be changed."""
    path = tmp_path_factory.mktemp("data") / "circle.npy"
    np.save(path, circle(300))
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """A run of `latent` on `folder`, 80 steps. Not to be changed: `trained_copy` may be."""
    import aegan

    out = tmp_path_factory.mktemp("runs") / "latent"
    options = {**FAST, "width": 16, "batch_size": 32}
    aegan.fit(
        folder, strategy="latent", out=out, steps=80, size=16, device="cpu", progress=False, seed=SEED, options=options
    )
    return out


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run, for tests that change it."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture(scope="session")
def vector_run(tmp_path_factory: pytest.TempPathFactory, points: Path) -> Path:
    """A run of the autoencoder on `points`. Not to be changed."""
    import aegan

    out = tmp_path_factory.mktemp("runs") / "vectors"
    aegan.fit(
        points, strategy="autoencoder", out=out, steps=20, device="cpu", progress=False, seed=SEED,
        options={"width": 8, "components": "1,2"},
    )  # fmt: skip
    return out


@dataclasses.dataclass(frozen=True)
class Said:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    def refused(self, *words: str) -> None:
        """Asserts the form of a user's mistake: exit code 2, one or two lines that hold `words`, no traceback."""
        assert self.code == 2, (self.code, self.out, self.err)
        lines = self.err.strip().splitlines()
        lines = [line for line in lines if not line.startswith("INFO")]
        assert 1 <= len(lines) <= 2, self.err
        assert lines[0].startswith("Error: ")
        assert "Traceback" not in self.err + self.out
        for word in words:
            assert word in self.err, (word, self.err)


_commands = functools.cache(typer.main.get_command)  # which otherwise reads all options of all commands in each call


@pytest.fixture
def aegan_cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The `aegan` command in this process, as the console script runs it."""
    from aegan.cli.main import run

    monkeypatch.setattr("typer.main.get_command", _commands)

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["aegan", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            run()
        said = capfd.readouterr()
        code = stopped.value.code
        return Said(code if isinstance(code, int) else int(bool(code)), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def start_here() -> Callable[..., SimpleNamespace]:
    """Runs the trial of a comparison in this process instead of starting one for it."""

    def start(job: Any, at_once: int, device: str | None) -> SimpleNamespace:
        from aegan.comparison.worker import run_trial

        run_trial(job.folder, job.order).write(job.folder / "trial.json")
        return SimpleNamespace(poll=lambda: 0, communicate=lambda: None, returncode=0)

    return start


@pytest.fixture
def trials_here(start_here: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials start no processes; what becomes of theirs is asked in tests/comparison/test_comparing.py."""
    monkeypatch.setattr("aegan.comparison.trials._start", start_here)


def tree(path: Path) -> dict[str, bytes]:
    """Every file below `path` with its content."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    return tree
