"""What can be evaluated: arrays, folders, zips, models and runs, against anything; what is converted, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fakes import FakeModel, image_run, make_data, pictures, ring, ring_run
from PIL import Image

import aegan
from aegan.errors import UserError
from aegan.evaluation import Evaluation, evaluate
from aegan.evaluation.compare import compare

QUICK: dict[str, Any] = {"extractor": "pixels", "metrics": "fd"}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,300 pictures as an .npz."""
    path = tmp_path_factory.mktemp("real") / "real.npz"
    np.savez(path, images=pictures(1300, 0))
    return path


def test_an_array_against_a_file(real: Path) -> None:
    found = aegan.evaluate(pictures(100, 5), real, extractor="pixels")
    assert found.subject == {"name": "the array", "kind": "images"} and "given" in found.weights
    fd = found["fd"]
    assert fd.value is not None and fd.low is not None and fd.high is not None and fd.baseline is not None
    assert fd.low < fd.value < fd.high and fd.value < 3 * fd.baseline
    assert {"kd", "precision", "coverage", "authenticity", "data_copying", "gap"} <= {f.name for f in found.figures}
    assert "psnr" not in {f.name for f in found.figures}, "images have no reconstructions"
    assert all(f.value is not None for f in found.figures), str(found)
    assert f"[{fd.low:.3g}, " in str(found)


def test_a_folder_and_its_zip_made_by_another_program(real: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for i, image in enumerate(pictures(80, 5)):
        Image.fromarray(image[..., 0]).save(tmp_path / "theirs" / f"{i}.png")
    zipped = shutil.make_archive(str(tmp_path / "theirs"), "zip", tmp_path / "theirs")
    a, b = (evaluate(what, real, **QUICK) for what in (tmp_path / "theirs", zipped))
    assert a["fd"] == b["fd"] and a.remarks == b.remarks and a.counts["samples"] == 80


def test_size_and_colour_are_converted_and_it_is_said(real: Path) -> None:
    found = evaluate(pictures(80, 5, size=24, channels=3), real, **QUICK)
    assert found["fd"].value is not None
    assert "24×24 to 16×16, colour to grey" in " ".join(found.remarks)
    assert "converted" not in " ".join(evaluate(pictures(80, 5), real, **QUICK).remarks)


def test_a_reference_that_is_reduced_is_said() -> None:
    large = pictures(120, 0, size=96)
    found = evaluate(pictures(80, 5, size=96), large, **QUICK)
    assert found.data["shape"] == [1, 64, 64] and "96×96 and compared at 64×64" in " ".join(found.remarks)
    whole = evaluate(pictures(80, 5, size=96), large, size=96, **QUICK)
    assert whole.data["shape"] == [1, 96, 96] and "compared at" not in " ".join(whole.remarks)


def test_a_model_alone_needs_data(real: Path) -> None:
    data = make_data(pictures(300, 0), pictures(100, 1))
    model = FakeModel(data.spec, pictures(300, 2))
    with pytest.raises(UserError, match="does not know the data"):
        evaluate(model)
    found = evaluate(model, data, **QUICK)
    assert found.subject["kind"] == "model" and found["fd"].value is not None


def test_a_run_against_other_data(real: Path, tmp_path: Path) -> None:
    found = evaluate(image_run(tmp_path), real, count=200, **QUICK)
    assert found.data["name"] == "real" and "need not be what the run was trained on" in found.remarks[0]
    assert not list(tmp_path.iterdir()), "a result against other data is not the run's own"


def test_vectors(tmp_path: Path) -> None:
    run = ring_run(tmp_path)
    found = evaluate(ring(500, 3), run)
    assert found["modes"].value == 8 and found["modes"].count == 500
    quality = found["quality"]
    assert quality.low is not None and quality.baseline is not None and quality.low < quality.baseline
    assert evaluate(run)["modes"].count == 2500, "the published protocol"
    with pytest.raises(UserError, match=r"holds \(3,\)"):
        evaluate(np.zeros((50, 3), np.float32) + np.arange(50)[:, None], run)


def test_more_samples_than_held_out_items_are_met_by_training_items_outside_the_reference(tmp_path: Path) -> None:
    run = image_run(tmp_path)  # 300 to train on, 100 held out
    found = evaluate(run, count=150, reference=200, **QUICK)
    assert found.counts == {"samples": 150, "reference": 200, "baseline": 150, "held_out": 100}
    assert "100 held-out items and 50 training items" in found.remarks[0]


def test_seeds_share_the_reference(tmp_path: Path) -> None:
    a, b = (evaluate(image_run(tmp_path), seed=s, count=80, reference=100, **QUICK) for s in (0, 1))
    assert a["fd"].value != b["fd"].value and a["fd"].baseline == b["fd"].baseline
    assert len(compare({"a": a, "b": b}).figures) == 1


def test_pictures_where_they_are_asked_for(real: Path, tmp_path: Path) -> None:
    evaluate(pictures(80, 5), real, extractor="pixels", metrics="memorisation", out=tmp_path / "out")
    assert sorted(p.stem for p in (tmp_path / "out").iterdir()) == ["copied", "nearest", "samples"]


# --- comparing --------------------------------------------------------------------------------------------------------


def test_results_of_other_conditions_cannot_be_compared(real: Path) -> None:
    images = pictures(100, 5)
    first = evaluate(images, real, **QUICK)
    pytest.importorskip("efficientnet_lite_pytorch")
    for other, word in (
        (evaluate(images, real, count=70, **QUICK), r"number of samples \(100 and 70\)"),
        (evaluate(images, real, reference=300, **QUICK), r"reference items \(\d+ and 300\)"),
        (evaluate(images, pictures(1300, 8), **QUICK), "differ in data"),
        (evaluate(images, real, extractor="lite0", metrics="fd"), r"extractor \(pixels and lite0\).*resizing"),
        (evaluate(images, real, size=24, **QUICK), "shape"),
    ):
        with pytest.raises(UserError, match=word):
            compare({"a": first, "b": other})
    text = str(compare({"mine": first, "theirs": evaluate(pictures(100, 6), real, **QUICK)}))
    assert "mine" in text and "theirs" in text and "[" in text


def test_the_same_data_by_another_name_can_be_compared(real: Path, tmp_path: Path) -> None:
    """What data are is their content, not what somebody calls them."""
    other = shutil.copy(real, tmp_path / "elsewhere.npz")
    a, b = (evaluate(pictures(100, 5), data, **QUICK) for data in (real, Path(other)))
    assert a.data["name"] != b.data["name"]
    assert len(compare({"a": a, "b": b}).figures) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


def test_images_need_something_to_be_compared_with(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a run .*config\.yaml"):
        evaluate(pictures(80, 0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="not a run"):
        evaluate(tmp_path / "empty")
    with pytest.raises(UserError, match=r"There is no"):
        evaluate(tmp_path / "none")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: pictures(20, 5), "at least 64 samples, there are 20"),
        (lambda: np.full((100, 16, 16, 1), 7, np.uint8), "100 usable examples, 1 different"),
        (lambda: np.full((100, 16, 16, 1), np.nan, np.float32), "NaN|not finite|not a number"),
        (lambda: ring(100, 0), "vectors"),
    ],
    ids=["too few", "constant", "nan", "vectors"],
)
def test_images_that_cannot_be_measured(what: Callable[[], np.ndarray], message: str, real: Path) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(what(), real, **QUICK)


def test_too_few_to_compare_with_are_counted_in_words(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", pictures(40, 6))
    with pytest.raises(UserError, match="at least 64 items to compare with, there are "):
        evaluate(pictures(100, 5), tmp_path / "few.npy", **QUICK)


def test_a_collapsed_model_is_measured_and_said_to_be_collapsed(tmp_path: Path) -> None:
    found = evaluate(image_run(tmp_path, makes=np.full((300, 16, 16, 1), 7, np.uint8)), extractor="pixels")
    assert found["fd"].value is not None and "all equal" in " ".join(found.remarks)
    assert found["coverage"].value is not None and found["coverage"].value < 0.05


@pytest.mark.parametrize(
    ("metrics", "message"), [("fdd", "Did you mean 'fd'"), ("", "Unknown metric"), ("modes", "modes")]
)
def test_metrics_that_cannot_be_had(metrics: str, message: str, real: Path) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(pictures(80, 5), real, extractor="pixels", metrics=metrics)


def test_an_older_result_is_told_its_format(tmp_path: Path, real: Path) -> None:
    path = tmp_path / "a.json"
    evaluate(pictures(80, 5), real, **QUICK).write(path)
    path.write_text(path.read_text().replace('"format": 3', '"format": 1'))
    with pytest.raises(UserError, match="format 1, and this aegan reads format 3"):
        Evaluation.read(path)


# --- metrics that need labels -----------------------------------------------------------------------------------------


def test_labels(trained: Path, tmp_path: Path) -> None:
    """Inception-style score and probes of codes, of a run whose data has two classes."""
    run = aegan.Run(trained, device="cpu")
    found = evaluate(run, metrics="is,representation", extractor="pixels", count=40)
    score = found["is"]
    assert score.value is not None and 1 <= score.value <= 2 and "classifier is right on" in " ".join(found.remarks)
    assert {f"{how}_{side}" for how in ("linear", "knn") for side in ("codes", "pca", "pixels")} < {
        f.name for f in found.figures
    }
    assert all(f.value is not None and 0 <= f.value <= 1 for f in found.figures if f.unit == "%")


def test_without_labels_they_are_refused(tmp_path: Path) -> None:
    for metric in ("is", "representation"):
        with pytest.raises(UserError, match="needs labels"):
            evaluate(image_run(tmp_path), metrics=metric, extractor="pixels")


def test_an_empty_class(real: Path) -> None:
    import dataclasses

    data = make_data(pictures(300, 0), pictures(100, 1))
    labels = np.zeros(300, np.int64)
    labels[::3] = 2
    data = dataclasses.replace(
        data,
        spec=dataclasses.replace(data.spec, classes=("a", "b", "c")),
        train=dataclasses.replace(data.train, labels=labels),
    )
    with pytest.raises(UserError, match="class 'b' has no training images"):
        evaluate(pictures(80, 5), data, metrics="is", extractor="pixels")


def test_which_weights_were_used_is_found_out(trained: Path) -> None:
    run = aegan.Run(trained, device="cpu")
    said = evaluate(run, count=64, metrics="kd", extractor="pixels").weights
    assert "moving averages (EMA) of" in said and "G" in said and "eval mode" in said and "sha256" in said
    run.model.networks["G"].train()
    assert "TRAIN mode" in evaluate(run, count=64, metrics="kd", extractor="pixels").weights


def test_the_best_checkpoint(trained_copy: Path) -> None:
    from aegan.evaluation import evaluate_run

    run = aegan.Run(trained_copy, device="cpu")
    found = evaluate_run(run, checkpoint="best", metrics="reconstruction", extractor="pixels", count=64)
    assert found.subject["checkpoint"] == "best" and (trained_copy / "evaluation-best.json").exists()
    assert not (trained_copy / "evaluation.json").exists()
    shutil.rmtree(trained_copy / "model-best")
    with pytest.raises(UserError, match="kept no best model"):
        evaluate(aegan.Run(trained_copy), checkpoint="best")


def test_of_its_own_data_nothing_is_said(tmp_path: Path) -> None:
    run = image_run(tmp_path)
    assert not any(
        "need not be" in said for said in aegan.evaluation.evaluate_run(run, data=run.data(), **QUICK).remarks
    )
    other = make_data(pictures(300, 7), pictures(100, 8))
    object.__setattr__(other, "fingerprint", "beef")
    assert any("need not be" in said for said in evaluate(run, other, **QUICK).remarks)


def test_copies_of_a_part_of_the_reference_are_seen(real: Path) -> None:
    """The reference is a part of data that are not split; the rest gives the baselines."""
    with np.load(real) as kept:
        images = kept["images"]
    found = evaluate(images[:200], real, extractor="pixels", metrics="memorisation", reference=300)
    copies = found["copies"]
    assert copies.value is not None and copies.value > 0.1, "of some 45 of the 200"
    assert copies.against == 300


def test_by_chance_more_look_copied_where_few_are_held_out(tmp_path: Path) -> None:
    found = [
        evaluate(image_run(tmp_path, held_out=n), extractor="pixels", metrics="memorisation")["copies"].baseline
        for n in (64, 200)
    ]
    assert found == pytest.approx([1.63 / 65, 2.99 / 201])


def test_a_size_that_cannot_count_is_refused(tmp_path: Path) -> None:
    data = make_data(pictures(300, 0), pictures(100, 1))
    with pytest.raises(UserError, match="--size says nothing"):
        evaluate(pictures(80, 5), data, size=32, **QUICK)


def test_pictures_of_a_run_in_a_second_folder(tmp_path: Path) -> None:
    run = image_run(tmp_path / "run")
    aegan.evaluation.evaluate_run(run, out=tmp_path / "more", **QUICK)
    names = {path.name for path in (tmp_path / "more").iterdir()}
    assert "samples.png" in names and names == {path.name for path in (tmp_path / "run" / "evaluation").iterdir()}


def test_images_against_a_run_are_judged_as_the_run_is(
    tmp_path: Path, make_shapes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that both can be set side by side."""
    run = aegan.fit(
        make_shapes(400, 48)[0], size=48, strategy="latent", steps=4, out=tmp_path / "run", progress=False,
        options={"width": 8, "critic_width": 8, "components": (1,), "eyes": "contrastive", "batch_size": 8},
    )  # fmt: skip
    monkeypatch.setattr("aegan.evaluation.extractors.related", lambda name, seen: list(seen) if name == "lite0" else [])
    monkeypatch.setattr("aegan.evaluation.extractors.LEAST", 8)
    asked: list[str] = []
    monkeypatch.setattr("aegan.evaluation.protocol._load", lambda task, name: asked.append(name))
    evaluate(pictures(80, 5, size=48, channels=3), run, metrics="memorisation")
    evaluate(pictures(80, 5, size=48, channels=3), pictures(200, 6, size=48, channels=3), metrics="memorisation")
    assert asked == ["own", "lite0"]
