"""The named data sets are what they say, and never change."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan.data import TOYS, builtin, open_data
from aegan.data.builtin import FASHION_FOLDER, read_idx
from aegan.errors import UserError


def test_fashion_is_carried_balanced_padded_and_split_as_its_authors_did() -> None:
    data = open_data("fashion")
    assert data.spec.shape == (1, 32, 32)
    assert data.train.items.shape == (10_000, 32, 32, 1) and data.held_out.items.shape == (2_000, 32, 32, 1)
    assert np.bincount(data.train.labels).tolist() == [1_000] * 10
    assert np.bincount(data.held_out.labels).tolist() == [200] * 10
    assert data.spec.classes[0] == "t-shirt" and data.spec.classes[9] == "ankle-boot"
    assert not any(" " in name or "/" in name for name in data.spec.classes)
    border = np.ones((32, 32), bool)
    border[2:30, 2:30] = False
    assert not data.train.items[:, border].any() and data.train.items[:, 2:30, 2:30].any()
    assert data.inspection.duplicates == 0
    assert (
        data.fingerprint == "204550b4ea324e2313ed73809b0a1f54"
    )  # a change of these bytes makes old results unrepeatable


def test_fashion_is_small_and_carries_its_licence() -> None:
    folder = Path(builtin.__file__).parent
    assert (folder / "fashion.npz").stat().st_size <= 6e6
    assert "Zalando" in (folder / "LICENSE-fashion-mnist.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (64, 3)])
def test_another_size_resamples_the_padded_images(size: int, channels: int) -> None:
    data = open_data("fashion", size=size, channels=channels)
    assert data.spec.shape == (channels, size, size)
    assert any("resized" in note or "reduced" in note or "enlarged" in note for note in data.inspection.notes)


@pytest.mark.skipif(
    not FASHION_FOLDER.is_dir(), reason="needs all of Fashion-MNIST: apt-get install dataset-fashion-mnist"
)
def test_fashion_full_holds_the_carried_subset() -> None:
    full, part = open_data("fashion-full"), open_data("fashion")
    assert len(full.train) == 60_000 and len(full.held_out) == 2_000
    first = np.sort(np.concatenate([np.flatnonzero(full.train.labels == c)[:1_000] for c in range(10)]))
    assert (full.train.items[first] == part.train.items).all()


def test_fashion_full_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "FASHION_FOLDER", tmp_path / "nowhere")
    with pytest.raises(UserError, match="apt install dataset-fashion-mnist"):
        open_data("fashion-full")


def test_fashion_full_reads_plain_and_gzipped_idx_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for stem, count in (("train", 20), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            raw = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
            name = f"{stem}-{kind}-ubyte"
            if stem == "train":
                (tmp_path / name).write_bytes(raw)
            else:
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw))
    data = open_data("fashion-full", data_dir=str(tmp_path))
    assert len(data.train) == 20 and len(data.held_out) == 10


@pytest.mark.parametrize("raw", [b"", b"\0\0\x08\x03", b"\0\0\x08\x01\0\0\0\x05abc", b"PK\x03\x04"])
def test_a_damaged_idx_file_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(UserError, match="not a whole IDX file"):
        read_idx(tmp_path / "x")
    (tmp_path / "x.gz").write_bytes(gzip.compress(raw)[:-3])
    with pytest.raises(UserError, match="not a whole IDX file"):
        read_idx(tmp_path / "x.gz")


def test_digits_are_8_by_8_and_use_the_whole_range() -> None:
    pytest.importorskip("sklearn")
    data = open_data("digits")
    assert data.spec.shape == (1, 8, 8) and data.train.items.max() == 255
    assert len(data.train) + len(data.held_out) == 1_797
    assert open_data("digits", labels=False).train.labels is None


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UserError, match="pip install scikit-learn"):
        open_data("digits")


@pytest.mark.parametrize(("name", "modes", "sd"), [("ring", 8, 0.01), ("grid", 25, 0.05)])
def test_toys_are_fixed_mixtures(name: str, modes: int, sd: float) -> None:
    data, centres = open_data(name), TOYS[name].centres
    assert data.train.items.shape == (100_000, 2) and len(data.spec.classes) == modes == len(centres)
    away = data.train.items - centres[data.train.labels]
    assert away.std() == pytest.approx(sd, rel=0.01)
    assert abs(np.bincount(data.train.labels) / (100_000 / modes) - 1).max() < 0.1
    assert (open_data(name).train.items == data.train.items).all()
    assert not set(map(bytes, data.held_out.items)) & set(map(bytes, data.train.items))


def test_the_ring_has_radius_one_and_the_grid_is_five_by_five() -> None:
    np.testing.assert_allclose(np.linalg.norm(TOYS["ring"].centres, axis=1), 1)
    assert {tuple(c) for c in TOYS["grid"].centres} == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


def test_points_take_no_size() -> None:
    with pytest.raises(UserError, match="points"):
        open_data("ring", size=32)
