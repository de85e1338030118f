"""The Python API: fit, load, and what a model does."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import aegan
from aegan import UserError


@pytest.fixture(scope="module")
def model(trained: Path) -> Any:
    return aegan.load(trained, device="cpu")


def test_fit_without_progress_says_nothing(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))  # in which nothing has been decoded
    aegan.fit(
        folder, strategy="autoencoder", out=tmp_path / "run", steps=2, size=16, progress=False, options={"width": 8}
    )
    assert capfd.readouterr() == ("", "")


def test_fit_on_an_array(make_shapes: Any, tmp_path: Path) -> None:
    images, _ = make_shapes(40, 16, 1)
    run = aegan.fit(
        images, strategy="autoencoder", out=tmp_path / "run", steps=6, size=16, progress=False, options={"width": 8}
    )
    assert run.path == tmp_path / "run"
    assert run.model.sample(3).shape == (3, 16, 16, 1)
    assert {p.name for p in run.path.iterdir()} == {
        "config.yaml", "data.json", "log.jsonl", "samples", "checkpoints", "model",
    }  # fmt: skip
    assert run.config.run.steps == 6 and run.config.options["width"] == 8
    assert run.log[-1]["event"] == "done"
    assert run.evaluation is None


def test_images_without_a_channel_axis(make_shapes: Any, tmp_path: Path) -> None:
    images = make_shapes(40, 16, 1)[0][..., 0]
    run = aegan.fit(
        images, strategy="autoencoder", out=tmp_path / "run", steps=2, size=16, progress=False, options={"width": 8}
    )
    assert run.model.sample(3).shape == (3, 16, 16, 1)


def test_fit_on_vectors_keeps_their_units(vector_run: Path, points: Path) -> None:
    model = aegan.load(vector_run)
    x = np.load(points)
    back = model.reconstruct(x)
    assert back.dtype == np.float32 and back.shape == x.shape
    assert np.abs(back - x).mean() < 1.0, "the points lie 3 from the middle"
    assert model.sample(500).std() == pytest.approx(x.std(), rel=0.4)


def test_fit_says_nothing_when_told_so(points: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    aegan.fit(points, strategy="autoencoder", out=tmp_path / "run", steps=2, progress=False, options={"width": 8})
    assert capfd.readouterr() == ("", "")


def test_fit_twice_is_the_same(points: Path, tmp_path: Path) -> None:
    made = [
        aegan.fit(
            points, strategy="gan", out=tmp_path / name, steps=10, seed=seed, progress=False, device="cpu",
            options={"width": 8, "critic_width": 8},
        ).model.sample(5)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]  # fmt: skip
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_fit_in_a_thread(points: Path, tmp_path: Path) -> None:
    """Where Python allows no signal handlers, as in a notebook's worker or a server."""
    done: list[Any] = []

    def work() -> None:
        done.append(
            aegan.fit(
                points, strategy="autoencoder", out=tmp_path / "run", steps=2, progress=False, options={"width": 8}
            )
        )

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done and done[0].model.sample(2).shape == (2, 2)


def test_runs_without_a_folder_get_one(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [
        aegan.fit(points, strategy="autoencoder", steps=2, progress=False, options={"width": 8}).path for _ in range(2)
    ]
    assert [str(p) for p in paths] == ["runs/circle-autoencoder", "runs/circle-autoencoder-2"]


def test_load_takes_a_run_or_a_model(trained: Path) -> None:
    a, b = aegan.load(trained), aegan.load(str(trained / "model"))
    assert np.array_equal(a.sample(4), b.sample(4))
    assert a.spec.classes == ("disc", "square") and a.spec.shape == (3, 16, 16)
    assert a.notes["fit"]["components"] >= 2


def test_sample(model: Any) -> None:
    made = model.sample(7, seed=1)
    assert made.shape == (7, 16, 16, 3) and made.dtype == np.uint8
    assert np.array_equal(made, model.sample(7, seed=1))
    assert not np.array_equal(made, model.sample(7, seed=2))
    assert model.sample(0).shape == (0, 16, 16, 3)
    apart = model.sample(7, seed=1, batch_size=3).astype(int) - made
    assert np.abs(apart).max() <= 1, "in pieces of another size only rounding differs"


def test_labels(model: Any) -> None:
    by_name = model.sample(3, label="square")
    assert np.array_equal(by_name, model.sample(3, label=1))
    assert np.array_equal(by_name, model.sample(3, label=np.int64(1)))
    assert np.array_equal(by_name, model.sample(3, label=np.array([1, 1, 1])))
    assert model.sample(0, label=1).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("truncation", [0.0, -1.0, 1.01, float("nan")])
def test_truncation_out_of_range(model: Any, truncation: float) -> None:
    with pytest.raises(UserError, match=r"in \(0, 1\]"):
        model.sample(2, truncation=truncation)


def test_codes(model: Any, make_shapes: Any) -> None:
    images, _ = make_shapes(11)
    codes = model.encode(images)
    assert codes.dtype == np.float32 and codes.shape[0] == 11 and codes.ndim == 2
    assert np.array_equal(codes, model.encode(images))
    assert np.allclose(codes, model.encode(images, batch_size=4), atol=1e-4)
    back = model.decode(codes)
    assert back.shape == images.shape and back.dtype == np.uint8
    assert np.array_equal(back, model.reconstruct(images))


def test_nothing_in_nothing_out(model: Any) -> None:
    none = np.zeros((0, 16, 16, 3), np.uint8)
    codes = model.encode(none)
    assert codes.shape[0] == 0 and codes.ndim == 2
    assert model.decode(codes).shape == none.shape
    assert model.reconstruct(none).shape == none.shape


def test_walks(model: Any, make_shapes: Any) -> None:
    images, _ = make_shapes(4)
    with pytest.raises(UserError, match="both ends"):
        model.interpolate(start=images[:2])
    walk = model.interpolate(start=images[:2], end=images[2:], steps=5)
    assert walk.shape == (10, 16, 16, 3)
    ends = model.reconstruct(images)
    for row in range(2):  # both ends are there, and rows follow each other; rounding may differ by one
        assert np.abs(walk[5 * row].astype(int) - ends[row]).max() <= 1
        assert np.abs(walk[5 * row + 4].astype(int) - ends[2 + row]).max() <= 1
    assert model.interpolate(3, 2).shape == (6, 16, 16, 3)
    assert np.array_equal(model.interpolate(2, 3, seed=1), model.interpolate(2, 3, seed=1))


@pytest.mark.parametrize(
    "items",
    [np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 16, 16), np.uint8), np.zeros((2, 16, 16, 3), np.float32)],
)
def test_what_does_not_fit_is_refused(model: Any, items: np.ndarray) -> None:
    with pytest.raises(UserError, match="This model takes uint8"):
        model.encode(items)


def test_run_opens_its_data_again(trained: Path) -> None:
    from aegan import Run

    run = Run(trained)
    assert run.data().spec.classes == ("disc", "square")
    assert run.config.open_data().fingerprint == run.data().fingerprint


def test_a_run_that_has_no_model_yet(trained_copy: Path) -> None:
    import shutil

    shutil.rmtree(trained_copy / "model")
    with pytest.raises(UserError, match="has no model yet"):
        aegan.load(trained_copy)


@pytest.mark.parametrize("strategy", ["autoencoder", "gan", "latent", "vae"])
def test_very_few_images(strategy: str, make_shapes: Any, tmp_path: Path) -> None:
    """Eight: one is held out, a batch holds several copies of each, and no statistic of so few is any good."""
    images, _ = make_shapes(8)
    run = aegan.fit(
        images, strategy=strategy, out=tmp_path / "run", steps=4, size=16, progress=False, options={"width": 8}
    )
    assert run.model.sample(2).shape == (2, 16, 16, 3)


def test_unknown_names(points: Path, tmp_path: Path) -> None:
    for wrong in ({"strategy": "latnet"}, {"preset": "tpy"}, {"options": {"widht": 3}}):
        with pytest.raises(UserError, match="Did you mean"):
            aegan.fit(points, out=tmp_path / "run", steps=2, progress=False, **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_random_numbers_of_the_caller_stay_as_they_are(
    points: Path, vector_run: Path, trained: Path, tmp_path: Path
) -> None:
    def states() -> list[Any]:
        numpy = np.random.get_state()[1].tolist()  # noqa: NPY002  the one that all programs share
        return [torch.get_rng_state().tolist(), random.getstate(), numpy]

    before = states()

    def same() -> bool:
        return states() == before

    options = {"width": 8, "components": "1,2"}
    aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "run", steps=2, device="cpu", progress=False, options=options
    )
    assert same(), "fit"
    with pytest.raises(UserError):
        aegan.fit(points, out=tmp_path / "run", progress=False)
    assert same(), "a fit that is refused"
    model = aegan.load(trained, device="cpu")
    assert same(), "load"
    model.sample(2)
    model.reconstruct(model.sample(2))
    assert same(), "what a model does"
    aegan.evaluate(vector_run, metrics="fd", count=64, device="cpu")
    assert same(), "evaluate"


def test_a_process_trains_one_at_a_time(points: Path, tmp_path: Path) -> None:
    found: list[str] = []

    def network(spec: Any) -> torch.nn.Module:  # called by the first training, while it runs
        def second() -> None:
            try:
                aegan.fit(points, out=tmp_path / "second", steps=2, progress=False)
            except UserError as error:
                found.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        return torch.nn.Linear(2, 2)

    options = {"width": 8, "code_dim": 2, "components": "1"}
    aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "first", steps=2, device="cpu", progress=False, options=options,
        networks={"E": network},
    )  # fmt: skip
    assert len(found) == 1 and "trains already" in found[0]
    assert not (tmp_path / "second").exists()


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "around",
    [torch.no_grad, torch.inference_mode, lambda: _default_dtype(torch.float64), lambda: torch.device("meta")],
    ids=["no_grad", "inference_mode", "float64", "default_device"],
)
def test_what_the_caller_has_set_in_torch_changes_nothing(
    around: Any, points: Path, vector_run: Path, tmp_path: Path, seed: int
) -> None:
    x, options = np.load(points), {"width": 8, "components": "1,2"}
    usual = aegan.load(vector_run, device="cpu").reconstruct(x)
    with around():
        dtype = torch.get_default_dtype()
        again = aegan.fit(
            points,
            strategy="autoencoder",
            out=tmp_path / "run",
            steps=20,
            device="cpu",
            progress=False,
            options=options,
            seed=seed,
        ).model
        assert np.array_equal(again.reconstruct(x), usual)
        assert again.sample(3).dtype == np.float32 and again.interpolate(1, 2).shape == (2, 2)
        assert len(again.score(x)["reconstruction"]) == len(x)
        assert aegan.evaluate(again, x, metrics="fd", count=64, device="cpu").figures
        assert torch.get_default_dtype() == dtype
