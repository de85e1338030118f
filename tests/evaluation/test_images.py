"""An evaluation of images: figures, floors, counts, pictures, and what happens with too little."""

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import image_run, make_data, pictures
from PIL import Image

from aegan.errors import UserError
from aegan.evaluation import Evaluation, evaluate_run
from aegan.metrics import MissingExtractor

FD, MANIFOLD = ["fd", "kd"], ["precision", "recall", "density", "coverage"]
RECONSTRUCTION = ["fd_reconstructions", "psnr", "ssim", "feature_distance"]
HONESTY = ["copies", "copies_features", "authenticity", "data_copying", "gap"]


def test_everything_is_written_and_read_back(tmp_path: Path) -> None:
    found = evaluate_run(image_run(tmp_path), extractor="pixels", count=100, reference=200)
    assert Evaluation.read(str(tmp_path / "evaluation.json")) == found
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["format"] == 3 and content["aegan"] and content["seed"] == 0 and "weights" in content
    assert content["counts"] == {"samples": 100, "reference": 200, "baseline": 100, "held_out": 100}
    assert content["subject"] == {"name": tmp_path.name, "kind": "run", "checkpoint": "last"}
    assert content["extractor"]["name"] == "pixels" and "held-out" in content["data"]["roles"]["baseline"]
    assert set(content["figures"]) == {*FD, *RECONSTRUCTION, *MANIFOLD, *HONESTY}
    for name in ("samples", "reconstructions", "interpolation", "nearest", "copied"):
        with Image.open(tmp_path / "evaluation" / f"{name}.png") as picture:
            assert min(picture.size) >= 64
    assert not list(tmp_path.rglob("*.part"))
    text = str(found)
    assert "100 samples against 200 training items" in text and "PSNR" in text


def test_as_good_as_held_out_gets_the_floor_and_worse_gets_more(tmp_path: Path) -> None:
    good = evaluate_run(image_run(tmp_path), extractor="pixels", count=100)["fd"]
    bad = evaluate_run(image_run(tmp_path, makes=pictures(300, 2) // 2), extractor="pixels", count=100)["fd"]
    assert good.value is not None and good.baseline is not None and bad.value is not None
    assert good.value < 2 * good.baseline
    assert bad.value > 3 * good.value and bad.baseline == good.baseline


def test_psnr_is_that_of_the_reconstructions(tmp_path: Path) -> None:
    assert evaluate_run(image_run(tmp_path, loss=8), extractor="pixels", count=64)["psnr"].value == pytest.approx(
        20 * np.log10(255 / 8), abs=0.5
    )


def test_copied_training_images_are_noticed(tmp_path: Path) -> None:
    known = evaluate_run(image_run(tmp_path, makes=pictures(300, 0)), extractor="pixels", count=100)
    new = evaluate_run(image_run(tmp_path), extractor="pixels", count=100)
    copies = new["copies"]
    assert known["copies"].value == 1 and copies.value is not None and copies.value < 0.1
    assert copies.baseline == pytest.approx(1.99 / 101)
    gap = known["gap"]
    assert gap.value is not None and new["gap"].value is not None
    assert gap.value < min(0, new["gap"].value), "nearer to training than to held-out items"


def test_fewer_held_out_items_lower_the_count_on_both_sides_and_it_is_said(tmp_path: Path) -> None:
    found = evaluate_run(image_run(tmp_path, held_out=70), extractor="pixels", reference=300)
    assert found.counts["samples"] == found.counts["held_out"] == 70
    assert "70 samples instead of 2,000" in found.remarks[0] and "70 samples instead" in str(found)


def test_too_few_held_out_items_leave_no_floor_but_a_score(tmp_path: Path) -> None:
    found = evaluate_run(image_run(tmp_path, held_out=30), extractor="pixels", count=100)
    assert found["fd"].value is not None and found["fd"].baseline is None
    assert (
        found["fd_reconstructions"].value is None
        and "64 reconstructions, there are 30" in found["fd_reconstructions"].why
    )
    assert found["psnr"].value is not None


def test_too_few_samples_or_no_held_out_items(tmp_path: Path) -> None:
    found = evaluate_run(image_run(tmp_path, held_out=0), extractor="pixels", count=10)
    assert found["fd"].value is None and "at least 64 samples, there are 10" in found["fd"].why
    assert found["copies"].value is None and "held-out" in found["copies"].why
    assert "none: needs at least" in " ".join(str(found).split())


def test_a_strategy_without_an_encoder_has_samples_only(tmp_path: Path) -> None:
    evaluate_run(image_run(tmp_path), extractor="pixels", count=64)
    found = evaluate_run(image_run(tmp_path, capabilities="sample"), extractor="pixels", count=64)
    assert [f.name for f in found.figures] == [*FD, *MANIFOLD, *HONESTY]
    # pictures of the evaluation before are gone: they would be taken for this one's
    assert sorted(p.stem for p in (tmp_path / "evaluation").iterdir()) == ["copied", "nearest", "samples"]


def test_a_strategy_without_a_sampler_has_reconstructions_only(tmp_path: Path) -> None:
    found = evaluate_run(image_run(tmp_path, capabilities="encode decode"), extractor="pixels", count=64)
    assert found["fd"].value is None and "no samples" in found["fd"].why
    assert found["fd_reconstructions"].value is not None


def test_a_missing_extractor_is_a_reason_and_an_unknown_one_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, device: str, data: object) -> None:
        raise MissingExtractor("It is missing.", 'pip install "aegan[eval]"')

    with pytest.raises(UserError, match="Unknown extractor"):
        evaluate_run(image_run(tmp_path), extractor="lite9")
    assert not (tmp_path / "evaluation.json").exists()
    monkeypatch.setattr("aegan.evaluation.protocol.load_extractor", missing)
    found = evaluate_run(image_run(tmp_path), count=64)
    assert found["fd"].value is None and "aegan[eval]" in found["fd"].why and found["psnr"].value is not None


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    a, b, c = (
        evaluate_run(image_run(tmp_path), extractor="pixels", count=64, reference=100, seed=s).figures
        for s in (0, 0, 1)
    )
    assert a == b and a != c


def test_other_data_than_the_model_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"makes \(1, 16, 16\), the data holds \(3, 16, 16\)"):
        evaluate_run(image_run(tmp_path), data=make_data(pictures(10, 0, channels=3), pictures(10, 1, channels=3)))


def test_colour_images_with_lite0(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    run = image_run(tmp_path)
    run._data = make_data(pictures(70, 0, channels=3), pictures(64, 1, channels=3))
    run.model.spec, run.model.makes = run._data.spec, pictures(64, 2, channels=3)
    found = evaluate_run(run, count=64)
    assert found.extractor["name"] == "lite0" and found["fd"].value is not None
    assert found["fd"].baseline is not None and found["fd"].value == pytest.approx(found["fd"].baseline, rel=0.5)


def test_progress_names_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_run(image_run(tmp_path), extractor="pixels", count=64, progress=True)
    out, err = capsys.readouterr()
    assert not out and "features of samples" in err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 9}'])
def test_a_damaged_result_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(UserError, match="Evaluate again"):
        Evaluation.read(tmp_path / "evaluation.json")
    with pytest.raises(UserError, match="Evaluate first"):
        Evaluation.read(tmp_path / "none.json")
