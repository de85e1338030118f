"""The scikit-learn transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import aegan
from aegan import Encoder
from aegan.errors import UserError

QUICK = {"width": 8, "components": (1,)}


def quick(**changes: Any) -> Encoder:
    return Encoder(**{"steps": 4, "options": QUICK, "device": "cpu", **changes})


# check_array_api_input skips itself, unless SCIPY_ARRAY_API is set; none is expected to fail
@parametrize_with_checks([quick()])
def test_it_keeps_scikit_learns_contract(estimator: Encoder, check: Any) -> None:
    check(estimator)


def test_images_to_codes_and_back(make_shapes: Any) -> None:
    images, labels = make_shapes(60, 16)
    encoder = quick(code_dim=6).fit(images, labels)
    codes = encoder.transform(images)
    assert codes.shape == (60, 6) and codes.dtype == np.float32
    assert list(encoder.get_feature_names_out()) == [f"encoder{i}" for i in range(6)]
    back = encoder.inverse_transform(codes)
    assert back.shape == images.shape and back.dtype == np.uint8
    assert np.array_equal(back, encoder.model_.reconstruct(images))
    assert np.array_equal(codes, clone(encoder).fit(images).transform(images)), "the same seed, the same codes"
    assert not np.array_equal(codes, clone(encoder).set_params(seed=1).fit(images).transform(images))
    assert encoder.score_samples(images).shape == (60,)


def test_grey_images_need_no_axis_of_channels(make_shapes: Any) -> None:
    grey = make_shapes(40, 16, channels=1)[0][..., 0]
    assert quick().fit(grey).transform(grey[:3]).shape[0] == 3


def test_spatial_codes_are_flattened_and_back(make_shapes: Any) -> None:
    images, _ = make_shapes(40, 16)
    encoder = quick(code_dim=3, options={**QUICK, "code_stride": 8}).fit(images)
    codes = encoder.transform(images)
    assert codes.shape == (40, 3 * 2 * 2)
    assert encoder.inverse_transform(codes).shape == images.shape
    with pytest.raises(ValueError, match="12 features, got 5"):
        encoder.inverse_transform(codes[:, :5])


def test_pipeline_and_grid_search(make_shapes: Any) -> None:
    images, labels = make_shapes(60, 16)
    pipe = make_pipeline(quick(), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"encoder__code_dim": [2, 8]}, cv=2).fit(images, labels)
    assert search.predict(images).shape == (60,)
    assert search.best_estimator_[0].transform(images).shape[1] == search.best_params_["encoder__code_dim"]


def test_of_a_trained_run(trained: Path, make_shapes: Any) -> None:
    images, _ = make_shapes(20, 16)
    encoder = Encoder.from_run(trained, device="cpu")
    codes = encoder.transform(images)
    assert np.array_equal(codes, aegan.load(trained, device="cpu").encode(images))
    assert np.array_equal(clone(encoder).fit(images).transform(images), codes), "fit takes the run, and trains nothing"
    with pytest.raises(UserError):
        Encoder.from_run(trained / "nowhere")


def test_what_cannot_be_fitted(make_shapes: Any) -> None:
    images, _ = make_shapes(20, 16)
    with pytest.raises(UserError, match="Unknown strategy 'latnet'"):
        quick(strategy="latnet").fit(images)
    with pytest.raises(UserError, match="cannot encode"):
        quick(strategy="gan", options={"width": 8, "critic_width": 8}).fit(images)
    with pytest.raises(ValueError, match="n_samples=5"):
        quick().fit(images[:5])


def test_pictures_of_several_modes_are_brought_to_one(make_shapes: Any) -> None:
    from PIL import Image

    images = [Image.fromarray(x) for x in make_shapes(40, 16, 3)[0]]
    images[::4] = [x.convert("L") for x in images[::4]]
    assert quick().fit(images).transform(images).shape[0] == 40
    deep = [Image.fromarray(np.full((16, 16), 300 * i, np.uint16)) for i in range(40)]
    codes = quick().fit(deep).transform(deep)
    assert len(np.unique(codes.round(6), axis=0)) > 20, "16 bits are scaled, not cut off at 255"


def test_the_scale_does_not_depend_on_the_batch(make_shapes: Any) -> None:
    images = make_shapes(40, 16)[0]
    encoder = quick().fit(images)
    dark = images[:3] // 9
    for same in (dark / 255, dark.astype(np.float32) / 255, dark.astype(np.int64)):
        assert np.allclose(encoder.transform(same), encoder.transform(images // 9)[:3], atol=1e-4)
    for other in (images.astype(float), images.astype(np.uint16) * 16, images[:3].astype(np.int16) - 100):
        with pytest.raises(ValueError, match="says nothing of their scale"):
            encoder.transform(other)


def test_with_a_size_images_of_another_are_brought_to_it(make_shapes: Any) -> None:
    images, _ = make_shapes(40, 20)
    assert quick(size=16).fit_transform(images).shape[0] == 40
    with pytest.raises(UserError, match="got uint8"):
        quick().fit(make_shapes(40, 16)[0]).transform(images)


def test_images_after_vectors_are_a_plain_error() -> None:
    encoder = quick().fit(np.random.default_rng(0).normal(size=(40, 6)))
    assert encoder.depth_ is None
    with pytest.raises((ValueError, UserError)):
        encoder.transform(np.zeros((3, 4, 4), np.uint8))


def test_a_strategy_without_codes_is_refused_before_it_trains() -> None:
    with pytest.raises(UserError, match="cannot encode"):
        quick(strategy="gan", minutes=30, steps=None).fit(np.zeros((40, 16, 16), np.uint8))
