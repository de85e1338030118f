"""The division into training and held-out examples depends on their contents alone, and is fair and stable."""

import numpy as np
import pytest

from aegan.data import open_data
from aegan.data.split import LEAST, MOST, content_hash, content_hashes, duplicates, held_out
from aegan.errors import UserError


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


def test_a_tenth_is_held_out_and_at_most_2000() -> None:
    assert 0.08 < held_out(content_hashes(noise(4_000))).mean() < 0.12
    assert held_out(content_hashes(noise(30_000))).sum() == MOST


def test_however_few_at_least_one_is_held_out() -> None:
    for seed in range(50):
        assert 1 <= held_out(content_hashes(noise(LEAST, seed))).sum() < LEAST


def test_order_does_not_matter() -> None:
    items = noise(500)
    order = np.random.default_rng(1).permutation(500)
    assert (held_out(content_hashes(items))[order] == held_out(content_hashes(items[order]))).all()


@pytest.mark.parametrize(("first", "then"), [(9, 5), (30, 400), (300, 3_000), (25_000, 5_000)])
def test_nothing_learned_from_is_ever_held_out_later(first: int, then: int) -> None:
    items = np.concatenate([noise(first), noise(then, seed=1)])
    before, after = held_out(content_hashes(items[:first])), held_out(content_hashes(items))[:first]
    assert not (after & ~before).any()


def test_copies_stay_together() -> None:
    items = np.concatenate([noise(1_000)] * 3)
    mask = held_out(content_hashes(items)).reshape(3, 1_000)
    assert (mask == mask[0]).all() and mask.any()
    assert duplicates(content_hashes(items)) == 2_000


def test_a_picture_repeated_without_end_stays_in_training() -> None:
    items = noise(300)
    hashes = content_hashes(items)
    lowest = int(np.argmin([int.from_bytes(h.tobytes()[:8], "big") for h in hashes]))
    items = np.concatenate([items, np.repeat(items[lowest : lowest + 1], 500, axis=0)])
    mask = held_out(content_hashes(items))
    assert mask.any() and not mask[lowest] and not mask[300:].any()


def test_where_everything_is_repeated_something_is_still_held_out() -> None:
    mask = held_out(content_hashes(np.repeat(noise(9), 2_100, axis=0)))
    assert 0 < mask.sum() < 9 * 2_100


def test_too_few_different_ones() -> None:
    with pytest.raises(UserError, match="7 usable examples"):
        held_out(content_hashes(noise(7)))
    assert held_out(content_hashes(noise(8))).any()


def test_hashes_see_every_pixel_and_every_number() -> None:
    image = noise(1)[0]
    for i in range(image.size):
        other = image.copy()
        other.reshape(-1)[i] ^= 1
        assert content_hash(other) != content_hash(image)
    assert content_hash(np.array([1, 2], np.float32)) != content_hash(np.array([1, 3], np.float32))


def test_no_example_is_on_both_sides() -> None:
    items = np.concatenate([noise(200), noise(200)])
    data = open_data(np.repeat(np.repeat(items, 8, 1), 8, 2))
    assert not set(map(bytes, content_hashes(data.train.items))) & set(map(bytes, content_hashes(data.held_out.items)))
    assert data.inspection.duplicates == 200
