"""Walks as animations and films: there and back, with even sides; what is missing or impossible is a line."""

from __future__ import annotations

import builtins
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan

Cli = Callable[..., Any]


def frames_of(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Codec, frames a second, and the frames themselves, uint8 (N, H, W, 3), as ffmpeg reads a film."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    read = subprocess.run(
        [ffmpeg, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    said = re.search(r"Video: (\w+).*?, (\d+)x(\d+).*?, ([\d.]+) fps", read.stderr.decode())
    assert said is not None
    codec, width, height, fps = said.groups()
    return {"codec": codec, "fps": float(fps)}, np.frombuffer(read.stdout, np.uint8).reshape(
        -1, int(height), int(width), 3
    )


@pytest.mark.parametrize(("name", "codec"), [("walk.mp4", "h264"), ("walk.webm", "vp9")])
def test_films(name: str, codec: str, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / name
    said = aegan_cli("interpolate", trained, "--rows", 3, "--steps", 5, "--fps", 4, "--out", out)
    assert said.code == 0 and "wrote 8 frames" in said.out, said.err
    about, frames = frames_of(out)
    assert about["codec"].startswith(codec) and about["fps"] == 4 and len(frames) == 8
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    walk = aegan.load(trained, "cpu").interpolate(3, 5).reshape(3, 5, 16, 16, 3)
    for at, step in ((0, 0), (4, 4), (5, 3), (7, 1)):  # there, the turn, and back
        shown = frames[at][:64, :64].reshape(16, 4, 16, 4, 3).mean((1, 3))
        assert np.abs(shown - walk[0, step]).mean() < 12, "as the codec keeps it"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_odd_sides_grow_by_a_pixel() -> None:
    from aegan.report.films import even

    odd = Image.fromarray(np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3))
    grown = np.asarray(even(odd))
    assert grown.shape == (8, 6, 3) and (grown[:7, :5] == np.asarray(odd)).all()
    assert (grown[7] == grown[6]).all() and (grown[:, 5] == grown[:, 4]).all()


def test_seeds_follow_one_another(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("interpolate", trained, "--seeds", "4,9,2", "--steps", 3, "--out", tmp_path / "walk.png").code == 0
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.size == (3 * 64 + 2 * 2, 2 * 64 + 2)
    assert aegan_cli("interpolate", trained, "--seeds", "4,9,2", "--steps", 3, "--out", tmp_path / "walk.gif").code == 0
    with Image.open(tmp_path / "walk.gif") as gif:
        assert gif.n_frames == 8 and gif.info["loop"] == 0, "4 . 9 . 2, and back by the same way"  # type: ignore[attr-defined]
        assert gif.info["duration"] == 100


def test_without_ffmpeg_the_command_that_installs_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Cli
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "imageio_ffmpeg":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    aegan_cli("interpolate", trained, "--out", tmp_path / "x.mp4").refused('pip install "aegan[video]"')
    assert not list(tmp_path.iterdir())


def test_what_ffmpeg_cannot_write_is_a_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Cli
) -> None:
    pytest.importorskip("imageio_ffmpeg")

    def failed(*_: Any, **__: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1, b"", b"noise\nUnknown encoder 'libx264'\n")

    monkeypatch.setattr("aegan.report.films.subprocess.run", failed)
    aegan_cli("interpolate", trained, "--out", tmp_path / "x.mp4").refused("Unknown encoder", ".gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seeds", "3"], "two seeds"),
        (["--seeds", "1,2", "--from", "a.png", "--to", "b.png"], "--seeds"),
        (["--fps", 60, "--out", "x.gif"], "50 images a second"),
    ],
)
def test_walks_that_cannot_be(
    options: list[object], words: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    aegan_cli("interpolate", trained, *options).refused(words)
    assert not list(tmp_path.iterdir())


def test_vectors_are_no_animation(vector_run: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    aegan_cli("interpolate", vector_run, "--out", tmp_path / "x.gif").refused("vectors")
