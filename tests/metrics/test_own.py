"""Features that are learnt from the data itself: kept, without labels, and able to tell its images from others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan.data import Data, open_data
from aegan.errors import UserError
from aegan.metrics import frechet_between, statistics
from aegan.metrics.features import extractor
from aegan.metrics.features import own as module


@pytest.fixture
def data(make_shapes: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "STEPS", 20)
    monkeypatch.setattr(module, "BATCH", 32)
    return open_data(make_shapes(600)[0], size=16)


def test_it_learns_without_labels_is_kept_and_repeats(data: Data, tmp_path: Path) -> None:
    steps: list[int] = []
    made = module.own(data, progress=lambda done, total: steps.append(done))
    features = made(data.train.items[:50])
    assert features.shape == (50, 128) and steps[-1] == 20
    every = made(np.asarray(data.train.items[::2]))
    assert np.allclose(every.mean(0), 0, atol=1e-3) and np.allclose(every.std(0), 1, atol=1e-2)
    steps.clear()
    again = extractor("own", data=data)
    assert again.describe() == made.describe() and not steps
    (file,) = (tmp_path / "own").iterdir()
    file.unlink()
    assert module.own(data).describe() == made.describe(), "the same seed, the same weights"


def test_it_tells_the_data_from_noise(data: Data) -> None:
    made, images = module.own(data), np.asarray(data.train.items)
    noise = np.random.default_rng(0).integers(0, 256, images[:150].shape, dtype=np.uint8)
    real = statistics(made(images[:300]))
    assert frechet_between(statistics(made(images[300:450])), real) < 0.5 * frechet_between(
        statistics(made(noise)), real
    )


def test_what_it_cannot_learn_from(
    data: Data, make_circle: Callable[..., Any], make_shapes: Callable[..., Any]
) -> None:
    with pytest.raises(UserError, match="vectors"):
        module.own(open_data(make_circle(200)))
    with pytest.raises(UserError, match="too few"):
        module.own(open_data(make_shapes(100)[0], size=16))
    with pytest.raises(UserError, match=r"\(16, 16, 3\).*\(8, 8, 3\)"):
        module.own(data)(np.zeros((1, 8, 8, 3), np.uint8))


def test_transparent_images_are_learnt_as_they_are_judged(
    make_shapes: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`evaluate` gives every extractor such images on their background, in three channels."""
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "STEPS", 3)
    images = make_shapes(600)[0]
    alpha = np.concatenate((images[..., :1].repeat(3, 3), np.full_like(images[..., :1], 255)), 3)
    alpha[:, :4, :, 3] = 0
    data = open_data(alpha, size=16, channels=4)
    assert data.spec.channels == 4
    assert module.own(data)(np.full((2, 16, 16, 3), 255, np.uint8)).shape == (2, 128)
