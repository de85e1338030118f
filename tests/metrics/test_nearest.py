"""Nearest items against brute force; copies are told from new, blurred and noisy images."""

from pathlib import Path

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import copying, nearest_items


def images(n: int, seed: int, size: int = 8) -> np.ndarray:
    """Smooth random pictures: sums of two waves."""
    g = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    a, b, c = g.normal(0, 3, (3, n, 2, 1, 1))
    return np.uint8(127 + 60 * np.sin(a * x + b * y + c).sum(1))[..., None]


@pytest.mark.parametrize("chunk", [4, 64])
def test_equals_brute_force_over_a_memory_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("aegan.metrics.nearest.CHUNK", chunk)
    np.save(tmp_path / "items.npy", images(50, 0))
    items = np.load(tmp_path / "items.npy", mmap_mode="r")
    queries = images(6, 1)
    seen: list[tuple[int, int]] = []
    index, distance = nearest_items(queries, items, 5, progress=lambda *a: seen.append(a))
    brute = np.linalg.norm((queries[:, None].astype(float) - items[None]).reshape(6, 50, -1) / 255, axis=-1)
    np.testing.assert_array_equal(index, brute.argsort(1)[:, :5])
    np.testing.assert_allclose(distance, np.sort(brute, 1)[:, :5], rtol=1e-4)
    assert seen[-1] == (50, 50)


def test_a_copy_is_found_at_distance_zero() -> None:
    items = images(40, 0)
    index, distance = nearest_items(items[7:9], items)
    assert index[:, 0].tolist() == [7, 8] and distance.max() == 0


def test_vectors_are_compared_as_they_are() -> None:
    index, distance = nearest_items(np.array([[2.2]]), np.array([[0.0], [2.0], [5.0]]), 2)
    assert index.tolist() == [[1, 0]]
    np.testing.assert_allclose(distance, [[0.2, 2.2]], rtol=1e-6)


def test_large_images_are_averaged_down_first() -> None:
    _, distance = nearest_items(np.zeros((1, 64, 64, 1), np.uint8), np.full((1, 64, 64, 1), 255, np.uint8))
    assert distance[0, 0] == pytest.approx(32)


def test_too_many_neighbours_are_refused() -> None:
    with pytest.raises(UserError, match="3 neighbours"):
        nearest_items(np.zeros((1, 2)), np.zeros((2, 2)), 3)


def test_copies_are_told_from_new_images() -> None:
    train, held_out, new = images(600, 0), images(300, 1), images(200, 2)
    noise = np.random.default_rng(3).integers(-6, 7, new.shape)
    noisy = np.clip(train[:200] + noise, 0, 255).astype(np.uint8)
    blurred = np.uint8(0.5 * new + 0.5 * new.mean((1, 2), keepdims=True))
    assert copying(train[:200], held_out, train).share.value == 1
    assert copying(noisy, held_out, train).share.value > 0.5
    assert copying(new, held_out, train).share.value < 0.05
    assert copying(blurred, held_out, train).share.value < 0.05


def test_too_few_items_are_refused() -> None:
    with pytest.raises(UserError, match="20 held-out"):
        copying(images(3, 0), images(3, 1), images(3, 2))
