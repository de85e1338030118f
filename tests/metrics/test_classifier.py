"""The classifier learns what labels mean, is kept, and refuses data that it cannot learn from."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan.data import Data, open_data
from aegan.errors import UserError
from aegan.metrics.features import classifier, extractor


@pytest.fixture
def data(make_shapes: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path))
    images, labels = make_shapes(300)
    return open_data(images, size=16, labels=labels)


def test_it_learns_is_kept_and_made_again_when_damaged(data: Data, tmp_path: Path) -> None:
    steps: list[int] = []
    made = classifier(data, progress=lambda done, total: steps.append(done))
    images = data.held_out.items
    assert made.accuracy > 0.9 and made.tested == len(images) and steps
    assert (made.labels(images) == data.held_out.labels).mean() == pytest.approx(made.accuracy)
    p = made.probabilities(images)
    assert p.shape == (len(images), 2) and np.allclose(p.sum(1), 1, atol=1e-5)
    assert made(images).shape == (len(images), 128)
    steps.clear()
    again = extractor("classifier", data=data)
    assert again.describe() == made.describe() and not steps
    (file,) = (tmp_path / "classifiers").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    anew = classifier(data, progress=lambda done, total: steps.append(done))
    assert steps and anew.describe() == made.describe()  # the same seed, the same weights


def test_data_it_cannot_learn_from(data: Data) -> None:
    train = data.train
    assert train.labels is not None
    with pytest.raises(UserError, match="given none"):
        extractor("classifier")
    with pytest.raises(UserError, match="needs labels"):
        classifier(dataclasses.replace(data, train=dataclasses.replace(train, labels=None)))
    with pytest.raises(UserError, match="no training images"):
        classifier(dataclasses.replace(data, train=dataclasses.replace(train, labels=train.labels * 0)))
    one = dataclasses.replace(data.spec, classes=("only",))
    with pytest.raises(UserError, match="two classes"):
        classifier(dataclasses.replace(data, spec=one, train=dataclasses.replace(train, labels=train.labels * 0)))


def test_other_images_are_refused(data: Data) -> None:
    with pytest.raises(UserError, match=r"\(16, 16, 3\).*\(8, 8, 3\)"):
        classifier(data)(np.zeros((1, 8, 8, 3), np.uint8))
