"""The cache of features: by content, bounded, and never a reason to fail."""

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_fakes import pictures

from aegan.errors import UserError
from aegan.evaluation import features
from aegan.evaluation.features import cache_folder, cached_features
from aegan.evaluation.rows import Rows
from aegan.metrics import extractor


class Counting:
    """An extractor that counts its calls; `spoil` puts a NaN in the features of the third image."""

    def __init__(self, spoil: bool = False) -> None:
        self.calls, self.inner, self.spoil = 0, extractor("pixels"), spoil

    def describe(self) -> dict[str, str]:
        return self.inner.describe()

    def __call__(self, images: np.ndarray, progress: object = None) -> torch.Tensor:
        self.calls += 1
        found = self.inner(images)
        if self.spoil:
            found[2, 0] = torch.nan
        return found


def test_the_same_images_are_measured_once_and_others_again() -> None:
    extract, images = Counting(), pictures(30, 0)
    first = cached_features(Rows([images]), extract)
    again = cached_features(Rows([images[:10].copy(), images[10:]]), extract)
    assert extract.calls == 1 and torch.equal(first, again)
    images[3, 0, 0, 0] += 1
    cached_features(Rows([images]), extract)
    assert extract.calls == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_file_is_made_again(damage: str) -> None:
    extract, rows = Counting(), Rows([pictures(30, 0)])
    cached_features(rows, extract)
    (file,) = cache_folder().iterdir()
    whole = file.read_bytes()
    flipped = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
    file.write_bytes({"empty": b"", "cut": whole[:-200], "flipped": flipped, "other": b"PK\x03\x04"}[damage])
    cached_features(rows, extract)
    cached_features(rows, extract)
    assert extract.calls == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "file"))
    assert len(cached_features(Rows([pictures(30, 0)]), Counting())) == 30


def test_the_cache_keeps_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    need = 30 * 256 * 4
    monkeypatch.setattr(features, "MOST", int(2.5 * need))
    for seed in range(4):
        cached_features(Rows([pictures(30, seed)]), Counting())
    assert len(list(cache_folder().iterdir())) == 2
    monkeypatch.setattr(features, "MOST", need)  # too large for half of it: not kept at all
    cached_features(Rows([pictures(30, 9)]), Counting())
    assert len(list(cache_folder().iterdir())) == 2


def test_features_that_are_not_numbers_are_told_and_not_kept() -> None:
    with pytest.raises(UserError, match="features of image 2 are not finite"):
        cached_features(Rows([pictures(30, 0)]), Counting(spoil=True))
    assert not cache_folder().exists()


def test_rows_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegan.evaluation.rows.PIECE", 16 * 16 * 7)
    images = pictures(30, 0)
    rows = Rows([images[:11], images[11:]])
    pieces = list(rows.pieces())
    assert [len(p) for p in pieces] == [7, 7, 7, 7, 2] and np.array_equal(np.concatenate(pieces), images)
    chosen = rows.choose(5, 0)
    assert np.array_equal(chosen[:], images[chosen.index]) and (np.diff(chosen.index) > 0).all()
    assert chosen.digest() == Rows([images[chosen.index]]).digest() != rows.digest()
