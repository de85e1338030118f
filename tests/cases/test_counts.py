"""How many images an evaluation uses: all of a folder or an array, as many as were asked for, and what is said of few."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan
from aegan.errors import UserError
from aegan.evaluation import Evaluation, evaluate, evaluate_run

Cli = Callable[..., Any]
QUICK: dict[str, Any] = {"extractor": "pixels", "metrics": "fd"}


def waves(n: int, seed: int, size: int = 16) -> np.ndarray:
    """Smooth random pictures, uint8 (n, size, size, 1)."""
    g = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    a, b, c = g.normal(0, 3, (3, n, 2, 1, 1))
    return np.uint8(127 + 60 * np.sin(a * x + b * y + c).sum(1))[..., None]


def write(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{i:04d}.png")
    return folder


# --- images of any origin ---------------------------------------------------------------------------------------------


def test_a_folder_against_its_own_copy_has_distance_0(tmp_path: Path) -> None:
    one = write(tmp_path / "one", waves(150, 0))
    other = Path(shutil.copytree(one, tmp_path / "other"))
    found = evaluate(one, other, **QUICK)
    assert found["fd"].value == pytest.approx(0, abs=1e-6)
    assert found.counts == {"samples": 150, "reference": 150, "baseline": 75, "held_out": 0}
    assert found.data["train"] == 150 and found.data["held_out"] == 0
    assert "150 samples against 150 items of other" in " ".join(str(found).split())
    assert "75 of its items against its other 75, fewer than the samples" in " ".join(found.remarks)
    assert found["fd"].baseline is not None and found["fd"].baseline > 0


def test_so_have_arrays_and_files_of_them(tmp_path: Path) -> None:
    images = waves(3000, 1)
    np.savez(tmp_path / "real.npz", images=images)
    for against in (images, tmp_path / "real.npz"):
        found = evaluate(images, against, **QUICK)
        assert found.counts["samples"] == found.counts["reference"] == 3000, "more than the 2,000 of a run, and all"
        assert found["fd"].value == pytest.approx(0, abs=1e-6)


def test_a_count_that_is_asked_for_holds() -> None:
    found = evaluate(waves(400, 2), waves(1200, 0), count=400, **QUICK)
    assert found.counts == {"samples": 400, "reference": 1200, "baseline": 400, "held_out": 0}
    assert "400 of its items against its other 800." in " ".join(found.remarks)
    fewer = evaluate(waves(400, 2), waves(1200, 0), count=100, reference=500, **QUICK)
    assert fewer.counts == {"samples": 100, "reference": 500, "baseline": 100, "held_out": 0}
    assert fewer["fd"].baseline is not None and not fewer.remarks, "the baseline is of the 700 outside the reference"


def test_the_baselines_are_those_of_a_fair_part() -> None:
    """Samples like the reference get what the baseline says, since that is measured at the same count."""
    found = evaluate(waves(300, 2), waves(1200, 0), extractor="pixels", metrics="fd,prdc")
    for name in ("fd", "precision", "coverage"):
        figure = found[name]
        assert figure.value is not None and figure.baseline is not None
        assert figure.value == pytest.approx(figure.baseline, rel=0.5), name


def test_more_than_there_are_is_said() -> None:
    found = evaluate(waves(100, 2), waves(300, 0), count=50_000, **QUICK)
    assert found.counts["samples"] == 100 and "only 100 images, not 50,000" in " ".join(found.remarks)


def test_copies_are_found_without_held_out_images() -> None:
    real = waves(1000, 0)
    copied = evaluate(real[:200], real, extractor="pixels", metrics="memorisation")["copies"]
    fresh = evaluate(waves(200, 9), real, extractor="pixels", metrics="memorisation")["copies"]
    assert copied.value is not None and fresh.value is not None
    assert copied.value > 0.5 > 0.1 > fresh.value


# --- few ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "real", "words"),
    [
        (12, 12, "at least 64 samples, there are 12"),
        (100, 20, "at least 64"),
        (2, 100, "2 usable examples"),
        (100, 1, "1"),
    ],
)
def test_too_few_are_one_line(samples: int, real: int, words: str, tmp_path: Path, aegan_cli: Cli) -> None:
    a, b = write(tmp_path / "a", waves(samples, 0)), write(tmp_path / "b", waves(real, 1))
    said = aegan_cli("evaluate", a, "--against", b, "--extractor", "pixels", "--json", tmp_path / "x.json")
    assert said.code == 2 and "Traceback" not in said.err and words in said.err
    assert sum(line.startswith("Error: ") for line in said.err.splitlines()) == 1
    assert not (tmp_path / "x.json").exists()


def test_few_have_no_baselines_and_it_is_said() -> None:
    found = evaluate(waves(70, 0), waves(90, 1), **QUICK)
    assert found["fd"].value is not None and found["fd"].baseline is None
    assert "no baselines: they take 128 real items, and there are 90" in " ".join(found.remarks)


# --- a run's own data -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> aegan.Run:
    """An autoencoder of a folder of 1,000 pictures, a few steps old."""
    root = tmp_path_factory.mktemp("counted")
    options = {"width": 8, "components": "1,2"}
    data = write(root / "waves", waves(1000, 0))
    return aegan.fit(
        data, strategy="autoencoder", out=root / "run", steps=10, size=16, options=options, device="cpu", progress=False
    )


def test_a_runs_own_data_stay_split(run: aegan.Run) -> None:
    data = run.data()
    for against in (None, run.config.run.data, run.path):
        found = evaluate(run.path, against, device="cpu", **QUICK)
        assert found.counts["held_out"] == len(data.held_out) and found.data["held_out"] == len(data.held_out)
        assert found.counts["reference"] == len(data.train) and "training items" in str(found)
        assert found.counts["samples"] == found.counts["baseline"] == len(data.held_out), (
            "the count follows the baseline"
        )
        assert "real items lie outside the reference, to compare with" in " ".join(found.remarks)


def test_of_a_run_too_a_count_that_is_asked_for_holds(run: aegan.Run) -> None:
    held = len(run.data().held_out)
    found = evaluate_run(run, count=held + 50, device="cpu", **QUICK)
    assert found.counts["samples"] == held + 50 and found.counts["baseline"] == held
    assert f"only {held} real items" in " ".join(found.remarks)


def test_other_images_against_a_run_meet_its_split(run: aegan.Run) -> None:
    found = evaluate(waves(100, 5), run, **QUICK)
    assert found.counts["reference"] == len(run.data().train) and found.counts["held_out"] > 0


def test_seeds_of_an_evaluation_share_no_sample(run: aegan.Run) -> None:
    """Samples of one seed are those of consecutive seeds of the model: an evaluation's seeds lie a million apart."""
    from aegan.evaluation.task import SPAN

    first, second = (run.model.sample(100, seed=s * SPAN).reshape(100, -1) for s in (0, 1))
    assert not (first[:, None] == second[None]).all(2).any()
    assert (
        evaluate(run, count=70, seed=0, device="cpu", **QUICK)["fd"]
        != evaluate(run, count=70, seed=1, device="cpu", **QUICK)["fd"]
    )
    for seed in (-1, 2**62):
        with pytest.raises(UserError, match="seed"):
            evaluate(run, seed=seed, device="cpu", **QUICK)


def test_results_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    evaluate(waves(100, 0), waves(200, 1), **QUICK).write(path)
    old = json.loads(path.read_text())
    old["data"].pop("roles")
    path.write_text(json.dumps(old))
    assert "100 samples against 200 training items" in " ".join(str(Evaluation.read(path)).split())
