"""The cache of reference statistics: by content, and never a reason to fail."""

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_fakes import pictures

from aegan.evaluation.reference import cache_folder, cached_statistics
from aegan.metrics import extractor


class Counting:
    """An extractor that counts its calls."""

    def __init__(self) -> None:
        self.calls, self.inner = 0, extractor("pixels")

    def describe(self) -> dict[str, str]:
        return self.inner.describe()

    def __call__(self, images: np.ndarray, progress: object = None) -> torch.Tensor:
        self.calls += 1
        return self.inner(images)


def test_the_same_images_are_measured_once_and_others_again() -> None:
    extract, images = Counting(), pictures(30, 0)
    first = cached_statistics(images, extract)
    again = cached_statistics(images.copy(), extract)
    assert extract.calls == 1 and again.count == 30
    torch.testing.assert_close(first.covariance, again.covariance, rtol=0, atol=0)
    images[3, 0, 0, 0] += 1
    cached_statistics(images, extract)
    assert extract.calls == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short", None])
def test_a_damaged_file_is_made_again(damage: bytes | None) -> None:
    extract, images = Counting(), pictures(30, 0)
    cached_statistics(images, extract)
    (file,) = cache_folder().iterdir()
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    cached_statistics(images, extract)
    cached_statistics(images, extract)
    assert extract.calls == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "file"))
    assert cached_statistics(pictures(30, 0), Counting()).count == 30
