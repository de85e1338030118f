"""Scores of unusual examples, and tables of codes and scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import aegan
from aegan.errors import UserError
from aegan.features import combined, unusual
from aegan.features.tables import write_codes, write_rows

Cli = Any


def test_combined_weighs_scores_of_any_units_alike() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    one = combined({"density": a, "other": b})
    assert np.allclose(one, combined({"density": 1e3 * a + 7, "other": b}), atol=1e-4)
    usual = combined({"density": a[:5]}, reference={"density": rng.normal(3, 2, 20_000)})
    assert np.allclose(usual, (a[:5] - 3) / 2, atol=0.1)


def test_unusual_finds_what_is_not_of_the_data(trained: Path, make_shapes: Any) -> None:
    images, _ = make_shapes(60, 16, seed=5)
    model = aegan.load(trained, device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    scores = unusual(model, np.concatenate([images, noise]))
    assert set(scores) == {"combined", "reconstruction", "density"}
    for key in ("combined", "reconstruction"):
        assert set(np.argsort(-scores[key])[:6]) == set(range(60, 66)), key
    # a known closed form: −log p is the prior's own, and errors are those of the reconstructions
    back = model.reconstruct(images).astype(float)
    error = np.square((back - images) / 127.5).mean((1, 2, 3))
    assert np.allclose(scores["reconstruction"][:60], error, rtol=0.1, atol=2e-3)


def test_score_by_a_normal_prior_is_its_closed_form(make_circle: Any) -> None:
    import torch

    from aegan.data import DataSpec
    from aegan.strategies import strategy

    vae = strategy("vae")()
    z = torch.tensor([[0.0, 0.0], [3.0, -4.0]])
    found = vae.code_density(vae.build(DataSpec((2,))), z)
    assert found is not None
    assert torch.allclose(found, torch.distributions.Normal(0.0, 1.0).log_prob(z).mean(1))


def test_score_command(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out, grid = tmp_path / "s.csv", tmp_path / "s.png"
    said = aegan_cli("score", trained, folder, "--out", out, "--grid", grid)
    assert said.code == 0, said.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    values = [float(r["combined"]) for r in rows]
    assert len(rows) == 120 and values == sorted(values, reverse=True)
    assert {r["label"] for r in rows} == {"disc", "square"}
    assert all(r["name"].startswith(r["label"]) for r in rows)
    assert grid.exists() and "combined" in said.out
    for by in ("density", "reconstruction"):
        out = tmp_path / f"{by}.json"
        assert aegan_cli("score", trained, folder, "--out", out, "--by", by, "--count", 5).code == 0
        listed = json.loads(out.read_text())
        assert len(listed) == 5 and [r[by] for r in listed] == sorted((r[by] for r in listed), reverse=True)
    table = tmp_path / "s.parquet"
    assert aegan_cli("score", trained, folder, "--out", table, "--reference", folder).code == 0
    assert pq.read_table(table).column_names == ["name", "label", "combined", "reconstruction", "density"]
    aegan_cli("score", trained, folder, "--out", tmp_path / "s.txt").refused(".csv, .json or .parquet")
    aegan_cli("score", trained, folder, "--grid", tmp_path / "s").refused("picture")


def test_similar_command(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    image = sorted(folder.rglob("*.png"))[7]
    found, picture = tmp_path / "found.json", tmp_path / "found.png"
    said = aegan_cli("similar", trained, image, folder, "--count", 4, "--json", found, "--out", picture)
    assert said.code == 0, said.err
    rows = json.loads(found.read_text())
    assert len(rows) == 4 and picture.exists()
    assert rows[0]["name"] == str(image.relative_to(folder)) and rows[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert [r["distance"] for r in rows] == sorted(r["distance"] for r in rows)
    assert rows[0]["name"] in said.out
    aegan_cli("similar", trained, tmp_path / "none.png", folder).refused("none.png")


def test_similar_vectors(vector_run: Path, points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    one = tmp_path / "one.npy"
    np.save(one, np.load(points)[3])
    said = aegan_cli("similar", vector_run, one, points, "--count", 2)
    assert said.code == 0 and said.out.splitlines()[0].split()[1] == "3"
    np.save(one, np.zeros(7))
    aegan_cli("similar", vector_run, one, points).refused("2 numbers")


def test_encode_to_parquet_and_npz(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    for name in ("c.parquet", "c.npz"):
        assert aegan_cli("encode", trained, folder, "--out", tmp_path / name).code == 0
    table, file = pq.read_table(tmp_path / "c.parquet"), np.load(tmp_path / "c.npz")
    assert table.column_names == ["name", "label", "class", "code"]
    codes = np.stack(table["code"].to_numpy())
    assert np.array_equal(codes, file["codes"]) and codes.dtype == np.float32
    assert table["name"].to_pylist() == list(file["names"]) and list(file["classes"]) == ["disc", "square"]
    assert table["class"].to_pylist() == [file["classes"][i] for i in file["labels"]]


def test_tables_refuse_other_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.npz or \.parquet"):
        write_codes(tmp_path / "c.txt", np.zeros((2, 3), np.float32), ["a", "b"])
    with pytest.raises(UserError, match=r"\.csv"):
        write_rows(tmp_path / "c.txt", {"a": [1]})


def test_spatial_codes_keep_their_shape_in_parquet(tmp_path: Path) -> None:
    codes = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    write_codes(tmp_path / "c.parquet", codes, ["a", "b"])
    table = pq.read_table(tmp_path / "c.parquet")
    shape = json.loads(table.schema.metadata[b"code_shape"])
    assert np.array_equal(np.stack(table["code"].to_numpy()).reshape(-1, *shape), codes)


def test_density_over_all_classes_is_the_sum_over_them() -> None:
    """Of a mixture-density network that knows classes: p(u) = Σ_y p(y) p(u | y)."""
    import torch

    from aegan.density.mdn import MixtureDensity
    from aegan.density.prior import Prior

    torch.manual_seed(0)
    codes, labels = torch.randn(200, 3), torch.arange(200) % 4 // 3  # classes of 150 and 50
    prior = Prior(components=(1,), mdn=MixtureDensity(components=2, width=16))
    prior.fit(codes, labels)
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(0.3 * torch.randn_like(p))
        each = [prior.log_prob(codes, torch.full((200,), c)).exp() for c in (0, 1)]
        assert torch.allclose(prior.log_prob(codes).exp(), 0.75 * each[0] + 0.25 * each[1], rtol=1e-4)
