"""What people hand over in Python: tensors, lists of arrays, of PIL images and of files, in any order of axes."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import aegan
from aegan.data import Data, open_data
from aegan.errors import UserError

X = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


def in_order(data: Data) -> np.ndarray:
    """The items of both splits, by their numbers in the source."""
    places = np.array([int(name) for split in (data.train, data.held_out) for name in split.names])
    items = np.concatenate([np.asarray(data.train.items), np.asarray(data.held_out.items)])
    return np.asarray(items[np.argsort(places)])


def opened(**options: Any) -> Image.Image:
    """A PIL image that lies in a file still."""
    file = io.BytesIO()
    Image.fromarray(X[0]).save(file, "PNG", **options)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: X,
        lambda: np.ascontiguousarray(X.transpose(0, 3, 1, 2)),
        lambda: torch.from_numpy(X).permute(0, 3, 1, 2),
        lambda: torch.from_numpy(X),
        lambda: (torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255).requires_grad_(),
        lambda: torch.from_numpy(X).permute(0, 3, 1, 2).double() / 127.5 - 1,
        lambda: list(X),
        lambda: tuple(torch.from_numpy(x) for x in X),
        lambda: [Image.fromarray(x) for x in X],
        lambda: [opened(), *(Image.fromarray(x).convert("RGBA") for x in X[1:])],
        lambda: np.array([*X, None], dtype=object)[:-1],
        lambda: X.tolist(),
        lambda: X.astype(np.int64),
        lambda: X.astype(np.float16),
    ],
)
def test_every_form_gives_the_same_pixels(make: Callable[[], Any]) -> None:
    data = open_data(make(), size=16)
    assert data.spec.shape == (3, 16, 16) and (in_order(data) == X).all() and data.name == "array"


@pytest.mark.parametrize("axes", [(3, 1), (1, 3), (3, 3)])
def test_the_axis_of_channels_is_found(axes: tuple[int, int]) -> None:
    """Of (N, C, H, W) and (N, H, W, C), whatever C."""
    for channels in (1, 2, 3, 4):
        images = np.random.default_rng(channels).integers(0, 256, (12, 16, 24, channels), dtype=np.uint8)
        last = open_data(images, size=(24, 16), channels=4)
        first = open_data(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), size=(24, 16), channels=4)
        assert (in_order(last) == in_order(first)).all() and last.spec.shape == (4, 16, 24)
        assert any("channels come first" in note for note in first.inspection.notes)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float", "CMYK", "tensor"])
def test_images_of_several_sizes_are_fitted_like_files(tmp_path: Path, kind: str) -> None:
    rng, folder = np.random.default_rng(1), tmp_path / "files"
    folder.mkdir()
    pictures = [rng.integers(0, 256, (20 + i, 40 - i, 3), dtype=np.uint8) for i in range(12)]
    for i, picture in enumerate(pictures):
        picture[0, 0], picture[0, 1] = 0, 255
        Image.fromarray(picture).save(folder / f"{i:02}.png")
    given: list[Any] = list(pictures)
    if kind == "uint16":
        given = [picture.astype(np.uint16) * 257 for picture in pictures]
    elif kind == "float":
        given = [picture.astype(np.float32) / 255 for picture in pictures]
    elif kind == "tensor":
        given = [torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures]
    elif kind == "CMYK":
        given = [Image.fromarray(picture).convert("CMYK") for picture in pictures]
    data, files = open_data(given, size=16), open_data(folder, size=16)
    assert (in_order(data) == in_order_of_files(files)).all()
    assert data.inspection.heights == files.inspection.heights == (20, 25, 31)


def in_order_of_files(data: Data) -> np.ndarray:
    named = {name: item for s in (data.train, data.held_out) for name, item in zip(s.names, s.items, strict=True)}
    return np.stack([named[name] for name in sorted(named)])


def test_files_by_name_and_by_pattern(folder: Path, tmp_path: Path) -> None:
    paths = sorted(folder.rglob("*.png"))[:30]
    listed = open_data([str(path) for path in paths], size=16)
    found = {name: item for s in (listed.train, listed.held_out) for name, item in zip(s.names, s.items, strict=True)}
    for path in paths:
        assert (found[str(path)] == np.asarray(Image.open(path))).all()
    labelled = open_data(paths, size=16, labels=[path.parent.name for path in paths[:15]] + ["other"] * 15)
    assert labelled.spec.classes == ("disc", "other")
    assert open_data(str(folder / "disc" / "*.png"), size=16).inspection.count == 60
    with pytest.raises(UserError, match=r"gone\.png, in the list of files, does not exist"):
        open_data([*paths, tmp_path / "gone.png"])


def test_labels_of_lists() -> None:
    names = np.array(["cat", "dog"])[np.arange(20) % 2]
    for source in (list(X), [Image.fromarray(x) for x in X], [x[: 16 - i % 2] for i, x in enumerate(X)]):
        data = open_data(source, size=16, labels=list(names))
        assert data.spec.classes == ("cat", "dog")
        for split in (data.train, data.held_out):
            assert all(split.labels[i] == int(name) % 2 for i, name in enumerate(split.names))
    with pytest.raises(UserError, match="one an image"):
        open_data([Image.fromarray(x) for x in X], labels=[1, 2, 3])


def test_a_pil_image_keeps_its_orientation_and_profile() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = [opened(exif=exif), *(Image.fromarray(x) for x in X[1:])]
    assert (in_order(open_data(turned, size=16))[0] == X[0, ::-1, ::-1]).all()


class Blocks(torch.utils.data.Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return X[index]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (None, "No data was given"),
        ([], "empty list"),
        (b"photos", "given as bytes"),
        ({"images": X}, "given as a dict"),
        (7, "given as an int"),
        ((x for x in X), "given as a generator"),
        (Blocks(), "given as a Blocks"),
        (torch.utils.data.TensorDataset(torch.from_numpy(X)), "given as a TensorDataset"),
        (X[0], "looks like one image"),
        (Image.fromarray(X[0]), "one image"),
        (X.transpose(1, 2, 3, 0), "20 channels"),
        (np.zeros((20, 3, 3, 3), np.uint8), "where are its channels"),
        ([X[0], X[1].astype(np.float32)], "different types: float32, uint8"),
        ([X[0], Image.fromarray(X[0])], "Place 0 of the list holds a ndarray"),
        ([X[0], "x.png"], "Place 1 of the list holds no numbers, but str"),
        ([X[0], X[1, :, :, None]], "different shapes"),
        ([np.zeros((9, 9, 7)), np.zeros((9, 8, 7))], "1 to 4 channels"),
        ([np.full((9, 9), np.nan), np.zeros((9, 8))], "Place 0 of the list holds NaN"),
        ([object(), object()], "list of object is no data"),
        (torch.zeros(20, 16, 16, dtype=torch.complex64), "complex64, not of numbers"),
    ],
)
def test_anything_else_is_refused_in_a_line(source: Any, what: str, tmp_path: Path) -> None:
    for call in (lambda: open_data(source), lambda: aegan.fit(source, out=tmp_path / "run", steps=2, progress=False)):
        with pytest.raises(UserError, match=what) as caught:
            call()
        assert len(caught.value.what) < 200 and caught.value.fix and "\n" not in caught.value.what
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_fit_and_evaluate_take_them_and_call_them_array(tmp_path: Path) -> None:
    many = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), dtype=np.uint8)
    tensor = torch.from_numpy(many).permute(0, 3, 1, 2)
    run = aegan.fit(tensor, strategy="autoencoder", steps=2, out=tmp_path / "run", progress=False, device="cpu")
    assert run.config.run.data == "array" and run.model.spec.shape == (3, 16, 16)
    scores = aegan.evaluate(tensor, against=list(many), extractor="pixels", progress=False)
    (fd,) = (figure.value for figure in scores.figures if figure.name == "fd")
    assert fd == pytest.approx(0, abs=1e-3)


def test_encoder_takes_the_same_forms_on_the_scale_of_its_fit() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install scikit-learn")
    from aegan import Encoder

    forms = {
        "bytes": X, "channels first": X.transpose(0, 3, 1, 2), "floats": (X / 255).astype(np.float32),
        "tensor": torch.from_numpy(X).permute(0, 3, 1, 2), "list": list(X), "PIL": [Image.fromarray(x) for x in X],
    }  # fmt: skip
    codes = {name: Encoder(steps=2, device="cpu").fit(form).transform(form) for name, form in forms.items()}
    assert all(np.allclose(found, codes["bytes"], atol=1e-5) for found in codes.values())
    twelve = X.astype(np.uint16) * 16
    encoder = Encoder(steps=2, device="cpu").fit(twelve)
    whole = encoder.transform(twelve)
    dark = twelve[twelve.max(axis=(1, 2, 3)) > 0] // 8  # alone it would be taken as of fewer bits
    assert encoder.depth_.integers == (0, 4095)
    assert np.allclose(
        encoder.transform(np.concatenate([dark, twelve]))[: len(dark)], encoder.transform(dark), atol=1e-5
    )
    assert not np.allclose(encoder.transform(dark), whole)
    with pytest.raises(ValueError, match="of one size"):
        encoder.transform([X[0], X[1, :8]])
