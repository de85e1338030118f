"""What a model may be given: counts, seeds, classes, codes and examples of every kind, and what it says of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import aegan
from aegan import UserError
from aegan.features.scores import combined


@pytest.fixture(scope="module")
def model(trained: Path) -> Any:
    return aegan.load(trained, device="cpu")


@pytest.fixture(scope="module")
def of_vectors(vector_run: Path) -> Any:
    return aegan.load(vector_run, device="cpu")


# --- counts and seeds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", True])
def test_a_batch_size_that_computes_nothing_is_refused(model: Any, size: Any) -> None:
    images = model.sample(3)
    codes = model.encode(images)
    for call in (
        lambda: model.sample(3, batch_size=size),
        lambda: model.encode(images, batch_size=size),
        lambda: model.decode(codes, batch_size=size),
        lambda: model.reconstruct(images, batch_size=size),
        lambda: model.score(images, batch_size=size),
    ):
        with pytest.raises(UserError, match="batch size"):
            call()


def test_integers_of_other_libraries_count(model: Any) -> None:
    wanted = model.sample(3, seed=250)
    for n, seed in ((np.int64(3), np.uint8(250)), (np.uint8(3), np.int32(250)), (torch.tensor(3), np.array(250))):
        assert np.array_equal(
            model.sample(n, seed=seed, batch_size=np.int64(2)), model.sample(3, seed=250, batch_size=2)
        )
    assert np.array_equal(model.sample(seeds=np.arange(250, 253, dtype=np.uint8)), wanted)
    assert np.array_equal(model.sample(seeds=torch.arange(250, 253)), wanted)


@pytest.mark.parametrize("seed", [1.5, "1", [1, 2], np.array([1, 2]), torch.Generator(), None, True])
def test_what_is_no_seed(model: Any, seed: Any) -> None:
    with pytest.raises(UserError, match="no whole number"):
        model.sample(2, seed=seed)


def test_what_is_no_count_and_no_list_of_seeds(model: Any) -> None:
    for call in (lambda: model.sample(2.0), lambda: model.sample(seeds=5), lambda: model.sample(seeds="12")):
        with pytest.raises(UserError, match="whole number"):
            call()


# --- classes ----------------------------------------------------------------------------------------------------------


def test_classes_by_name_and_by_place(model: Any) -> None:
    wanted = model.sample(3, label=[1, 0, 1])
    for label in (["square", "disc", "square"], ("square", 0, 1), np.array(["square", "disc", "square"]),
                  torch.tensor([1, 0, 1]), np.array([1.0, 0.0, 1.0])):  # fmt: skip
        assert np.array_equal(model.sample(3, label=label), wanted)


@pytest.mark.parametrize(
    "label",
    [0.5, float("nan"), [0, 0.5, 1], [0, 1], [[0], [1], [0]], 2, -1, True, np.array([0, 1, np.nan])],
)
def test_what_is_no_class(model: Any, label: Any) -> None:
    with pytest.raises(UserError, match="Known: 0 disc, 1 square"):
        model.sample(3, label=label)


def test_an_unknown_name_among_classes(model: Any) -> None:
    with pytest.raises(UserError, match="Did you mean 'square'"):
        model.sample(2, label=["disc", "sqare"])


# --- values that are not finite ---------------------------------------------------------------------------------------


def test_nan_is_refused(model: Any, of_vectors: Any) -> None:
    codes = model.encode(model.sample(3))
    codes[1, 0] = np.nan
    with pytest.raises(UserError, match="1 of 3 codes hold NaN or infinity, the first at place 1"):
        model.decode(codes)
    with pytest.raises(UserError, match="infinity"):
        model.decode(np.full((1, codes.shape[1]), 1e300))
    rows = np.zeros((4, 2), np.float32)
    rows[3] = np.inf
    for call in (of_vectors.encode, of_vectors.score, of_vectors.reconstruct):
        with pytest.raises(UserError, match="1 of 4 examples hold NaN or infinity, the first at place 3"):
            call(rows)
    good = {"density": np.arange(4.0)}
    for scores in (({"density": np.array([0, np.nan])}, None), (good, {"density": np.array([np.inf, 1])})):
        with pytest.raises(UserError, match="'density' hold NaN"):
            combined(*scores)


# --- examples ---------------------------------------------------------------------------------------------------------


def test_examples_as_lists_tensors_and_pil_images(model: Any, of_vectors: Any) -> None:
    images = model.sample(3)
    wanted = model.encode(images)
    pictures = [Image.fromarray(image) for image in images]
    for given in (list(images), torch.from_numpy(images), pictures, tuple(pictures)):
        assert np.array_equal(model.encode(given), wanted)
    assert np.array_equal(model.encode(pictures[0]), model.encode(images[:1]))
    larger = Image.new("L", (40, 32), 90)
    assert model.reconstruct([larger, larger.convert("RGBA")]).shape == (2, 16, 16, 3)
    assert model.interpolate(1, 2, start=pictures[0], end=pictures[1]).shape == (2, 16, 16, 3)
    rows = [[1.0, 2.0], [3.0, 4.0]]
    assert np.array_equal(of_vectors.encode(rows), of_vectors.encode(np.array(rows, np.float32)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), r"uint8 images of shape \('N', 16, 16, 3\), got uint8 \(2, 8, 8, 3\)"),
        (np.zeros((2, 16, 16, 3)), "got float64"),
        (np.zeros((16, 16, 3), np.uint8), r"got uint8 \(16, 16, 3\)"),
        ([np.zeros((16, 16, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)], "takes uint8 images"),
        (None, "takes uint8 images"), (7, "takes uint8 images"), ([], "takes uint8 images"),
        ("photo.png", "This is a path.*PIL.Image.open"), ([Path("photo.png")], "This is a path"),
    ],
)  # fmt: skip
def test_what_is_no_example(model: Any, given: Any, words: str) -> None:
    for call in (model.encode, model.reconstruct, model.score):
        with pytest.raises(UserError, match=f"(?s){words}"):
            call(given)
