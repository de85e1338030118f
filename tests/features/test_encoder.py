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
