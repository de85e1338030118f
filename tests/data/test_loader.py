"""Batches: every example once an epoch, the same order for the same seed, and resuming to the bit."""

import numpy as np
import pytest
import torch

from aegan.data import Split, open_data
from aegan.data.loader import Loader, batches, to_items, to_tensor

torch.set_num_threads(1)


def split(count: int, channels: int = 3, labels: bool = True) -> Split:
    items = np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)
    return Split(items, np.arange(count) % 5 if labels else None, [str(i) for i in range(count)])


def same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is b is None or (a is not None and b is not None and torch.equal(a, b))


def test_an_epoch_gives_every_example_at_most_once() -> None:
    loader = Loader(split(53), 10)
    for epoch in range(3):
        seen = np.concatenate([loader.next().index for _ in range(5)])
        assert loader.epoch == epoch and len(set(seen.tolist())) == 50


def test_over_epochs_every_example_comes() -> None:
    loader = Loader(split(53), 10)
    assert set(np.concatenate([loader.next().index for _ in range(40)]).tolist()) == set(range(53))


def test_batches_are_the_items_and_labels_of_their_index() -> None:
    part = split(40)
    batch = Loader(part, 16, seed=3).next()
    assert batch.x.shape == (16, 3, 8, 8) and batch.x.dtype == torch.float32 and batch.x.is_contiguous()
    assert batch.y is not None and batch.y.dtype == torch.int64
    assert (to_items(batch.x) == part.items[batch.index]).all() and (batch.y.numpy() == part.labels[batch.index]).all()
    assert Loader(split(40, labels=False), 16).next().y is None


def test_the_seed_decides() -> None:
    def draw(seed: int) -> list[int]:
        return Loader(split(40), 16, seed).next().index.tolist()

    assert draw(1) == draw(1) != draw(2)
    assert draw(-1) != draw(1)


@pytest.mark.parametrize("count", [53, 20, 7, 1])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 2, 5, 9])
def test_resuming_is_exact(count: int, flip: bool, stop: int) -> None:
    part = split(count)
    first = Loader(part, 10, seed=7, flip=flip)
    for _ in range(stop):
        first.next()
    state = first.state_dict()
    assert set(state) == {"epoch", "offset"} and all(type(value) is int for value in state.values())
    second = Loader(part, 10, seed=7, flip=flip)
    second.load_state_dict(state)
    for _ in range(12):
        a, b = first.next(), second.next()
        assert torch.equal(a.x, b.x) and same(a.y, b.y) and (a.index == b.index).all()
    assert first.state_dict() == second.state_dict()


def test_fewer_examples_than_a_batch_go_round() -> None:
    loader = Loader(split(7), 20)
    for _ in range(7):
        index = loader.next().index
        assert len(index) == 20 and np.bincount(index, minlength=7).max() - np.bincount(index, minlength=7).min() <= 2
    assert np.bincount(np.concatenate([Loader(split(7), 14).next().index])).tolist() == [2] * 7


def test_mirroring_turns_half_of_the_images_left_to_right() -> None:
    part = split(400)
    batch = Loader(part, 400, seed=1, flip=True).next()
    plain, given = part.items[batch.index], to_items(batch.x)
    mirrored = (given == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored ^ (given == plain).all(axis=(1, 2, 3))).all() and 150 < mirrored.sum() < 250


def test_in_order_once_through() -> None:
    part = split(23)
    got = list(batches(part, 10))
    assert [len(batch.index) for batch in got] == [10, 10, 3]
    assert (np.concatenate([to_items(batch.x) for batch in got]) == part.items).all()


def test_tensors_and_back() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = to_tensor(values)
    assert x.min() == -1 and x.max() == 1 and (to_items(x) == values).all()
    assert (to_items(x.to(torch.bfloat16).float() * 3)[0, 0, 0] == 0).all()  # clipped, not wrapped
    assert (to_items(torch.full((1, 1, 2, 2), 9.0, requires_grad=True)) == 255).all()


def test_vectors_are_standardised_and_return() -> None:
    data = open_data("grid")
    x = torch.cat([batch.x for batch in batches(data.train, 10_000)])
    assert x.mean(0).abs().max() < 1e-3 and abs(float(x.square().mean()) - 1) < 1e-3
    np.testing.assert_allclose(to_items(x, data.mean, data.scale), data.train.items, atol=1e-5)
    held = next(batches(data.held_out, 100))
    np.testing.assert_allclose(to_items(held.x, data.mean, data.scale), data.held_out.items[:100], atol=1e-5)
    np.testing.assert_allclose(Loader(data.train, 10).next().x.shape, (10, 2))


def test_batches_never_share_memory_with_the_data() -> None:
    part = split(20)
    before = part.items.copy()
    for batch in (Loader(part, 10).next(), next(batches(part, 10))):
        batch.x.zero_()
        if batch.y is not None:
            batch.y.zero_()
    assert (part.items == before).all() and (part.labels == np.arange(20) % 5).all()
    points = Split(np.ones((9, 2), np.float32), None, [])
    next(batches(points, 9)).x.zero_()
    assert (points.items == 1).all()


@pytest.mark.parametrize(("count", "size"), [(0, 1), (5, 0)])
def test_nothing_to_load(count: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Loader(split(count), size)
