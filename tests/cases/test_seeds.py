"""Samples by seed: sample k is the same whatever is drawn beside it, in Python, on the command line and from the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import aegan
from aegan.errors import UserError
from aegan.model import Model
from aegan.seeds import Seeded, parse_seeds

Cli = Callable[..., Any]
LARGEST = 2**63 - 1


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal but for rounding: how many are computed at once may move a pixel by one grey level."""
    return a.shape == b.shape and int(np.abs(a.astype(int) - b.astype(int)).max()) <= 1


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return aegan.load(trained, "cpu")


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_each_row_is_the_stream_of_its_own_seed() -> None:
    with Seeded([7, 0, LARGEST]):
        first, second = torch.randn(3, 4), torch.rand(3, 2, 2)
    for row, seed in enumerate([7, 0, LARGEST]):
        stream = [np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, draw])) for draw in (0, 1)]
        assert np.array_equal(first[row], stream[0].standard_normal(4, dtype=np.float32))
        assert np.array_equal(second[row].flatten(), stream[1].random(4, dtype=np.float32))


def test_the_numbers_of_consecutive_seeds_are_independent_and_normal() -> None:
    with Seeded(range(20_000)):
        x = torch.randn(20_000, 2)
    bound = 5 / 20_000**0.5
    assert x.mean(0).abs().max() < bound and (x.var(0) - 1).abs().max() < 1.5 * bound
    assert abs(np.corrcoef(x[:-1, 0], x[1:, 0])[0, 1]) < bound, "of neighbouring seeds"
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < bound, "of one seed"
    assert len(x[:, 0].unique()) > 19_900


def test_choices_follow_their_weights() -> None:
    weights = torch.tensor([1.0, 0.0, 3.0])
    with Seeded(range(4000)):
        of_all = torch.multinomial(weights, 4000, replacement=True)
        of_rows = torch.multinomial(weights.expand(4000, 3), 1)[:, 0]
        alike = torch.randint(4, (4000,))
    for drawn in (of_all, of_rows):
        shares = torch.bincount(drawn, minlength=3) / 4000
        assert shares[1] == 0 and abs(shares[0] - 0.25) < 0.03
    assert (torch.bincount(alike, minlength=4) / 4000 - 0.25).abs().max() < 0.03


def test_draws_without_a_row_for_each_example_stay_as_they_are() -> None:
    torch.manual_seed(3)
    expected = torch.randn(5)
    torch.manual_seed(3)
    with Seeded([1, 2]):
        assert torch.equal(torch.randn(5), expected)
        like = torch.randn_like(torch.zeros(2, 3, dtype=torch.float64))
    assert like.dtype == torch.float64 and not torch.equal(like[0], like[1])


# --- the model --------------------------------------------------------------------------------------------------------


def test_a_sample_does_not_depend_on_what_is_beside_it(model: Model) -> None:
    all_of_them = model.sample(12, seed=30)
    assert len(np.unique(all_of_them.reshape(12, -1), axis=0)) == 12
    assert same(model.sample(seeds=[41, 30, 35, 30]), all_of_them[[11, 0, 5, 0]])
    for batch_size in (1, 5):
        assert same(model.sample(12, seed=30, batch_size=batch_size), all_of_them)


def test_of_a_class_too(model: Model) -> None:
    discs = model.sample(6, seed=2, label="disc", truncation=0.7)
    assert same(model.sample(seeds=[4, 6], label=[0, 0], truncation=0.7), discs[[2, 4]])


def test_no_seeds_no_samples(model: Model) -> None:
    assert model.sample(seeds=[]).shape == model.sample(0).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"seeds": [3, -1]}, "negative"),
        ({"seeds": [0.5]}, "no whole number"),
        ({"seeds": [True]}, "no whole number"),
        ({"n": 2, "seed": LARGEST + 1}, "is too large.\nSeeds are whole numbers from 0 to"),
        ({"n": 3, "seed": LARGEST}, f"too large for 3: .*\n.* the first may be {LARGEST - 2} at most"),
        ({"n": 3, "seeds": [1, 2]}, "2 seeds for 3"),
        ({"n": -1}, "cannot be drawn"),
        ({}, "How many"),
    ],
)
def test_seeds_that_cannot_be(model: Model, how: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        model.sample(**how)


def test_a_walk_goes_from_seed_to_seed(model: Model) -> None:
    walk = model.interpolate(steps=5, seeds=[8, 3, 8]).reshape(2, 5, 16, 16, 3)
    ends = model.reconstruct(model.sample(seeds=[8, 3]))
    assert same(walk[0, [0, -1]], ends) and same(walk[1], walk[0, ::-1])
    with pytest.raises(UserError, match="two seeds"):
        model.interpolate(seeds=[1])


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "a", "1,", "5-", "-3", "1.5", "1-2-3", "9-5", "1e3", str(2**63), "0-1000000"])
def test_lists_that_cannot_be(text: str, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    with pytest.raises(UserError):
        parse_seeds(text)
    aegan_cli("sample", trained, f"--seeds={text}", "--out", tmp_path / "x.npz").refused("seed")
    assert not (tmp_path / "x.npz").exists()


def test_the_command_line_takes_seeds(model: Model, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    def drawn(*options: object) -> np.ndarray:
        out = tmp_path / "x.npz"
        assert aegan_cli("sample", trained, "--out", out, *options).code == 0
        with np.load(out) as file:
            return np.asarray(file["images"])

    expected = model.sample(8, seed=0)
    assert same(drawn("--seeds", "0-7"), expected)
    assert same(drawn("--seed", 0, "--n", 8), expected)
    assert same(drawn("--seeds", "5,1-2"), expected[[5, 1, 2]])
    assert same(drawn("--seed", 5, "--n", 1), expected[[5]])


def test_pictures_in_a_folder_are_named_by_their_seed(
    model: Model, trained: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    out = tmp_path / "pictures"
    assert aegan_cli("sample", trained, "--seeds", "5,120000,7", "--out", out).code == 0
    assert sorted(p.name for p in out.iterdir()) == ["seed0005.png", "seed0007.png", "seed120000.png"]
    with Image.open(out / "seed120000.png") as picture:
        assert same(np.asarray(picture), model.sample(seeds=[120000])[0])


@pytest.mark.parametrize("other", [("--n", 4), ("--seed", 0)])
def test_seeds_and_another_way_of_saying_which(other: Any, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    aegan_cli("sample", trained, "--seeds", "0-3", *other, "--out", tmp_path / "x.npz").refused("--seeds", "--n")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_draws_the_same(model: Model) -> None:
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from aegan.serve.app import build_app
    from aegan.serve.play import Play

    def pixels(uri: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))

    with TestClient(build_app(Play(model, None), None, name="latent"), base_url="http://localhost") as client:
        by_list = client.post("/api/samples", json={"seeds": [9, 2]}).json()["images"]
        by_first = client.post("/api/samples", json={"seed": 9, "count": 1}).json()["images"]
        refused = client.post("/api/samples", json={"seeds": [9, 2], "count": 2})
        wrong = client.post("/api/samples", json={"seeds": [-1]})
    expected = model.sample(seeds=[9, 2])
    assert same(np.stack([pixels(uri) for uri in by_list]), expected)
    assert same(pixels(by_first[0]), expected[0])
    assert refused.status_code == 400 and "seeds" in refused.json()["reason"]
    assert wrong.status_code == 422
