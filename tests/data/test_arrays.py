"""Arrays of every sensible shape and type become images or vectors; the others are refused in words."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan.data import arrays, open_data
from aegan.data import open as open_module
from aegan.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
Save = Callable[[Path, Any], Path]


def as_npy(folder: Path, array: Any) -> Path:
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


def as_npz(folder: Path, array: Any) -> Path:
    np.savez_compressed(folder / "x.npz", images=array)
    return folder / "x.npz"


@pytest.fixture(params=["array", "npy", "npz", "npy, columns first", "npz, columns first"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], Any]:
    """An array in Python, or as a file of either kind, in either order of memory."""

    def give(array: Any) -> Any:
        array = np.asfortranarray(array) if "columns" in request.param else array
        save = {"npy": as_npy, "npz": as_npz}.get(request.param[:3])
        return save(tmp_path, array) if save else array

    return give


def all_items(data: Any) -> np.ndarray:
    """The items of both splits in the order of the source."""
    places = np.array([int(name) for split in (data.train, data.held_out) for name in split.names])
    return np.concatenate([data.train.items, data.held_out.items])[np.argsort(places)]


def test_bytes_arrive_unchanged(given: Callable[[Any], Any]) -> None:
    data = open_data(given(IMAGES))
    assert data.spec.shape == (3, 32, 32) and (all_items(data) == IMAGES).all()
    assert data.fingerprint == open_data(IMAGES).fingerprint


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (lambda x: (x / 255).astype(np.float32), "[0, 1]"),
        (lambda x: x / 127.5 - 1, "[-1, 1]"),
        (lambda x: x.astype(np.float16), "[0, 255]"),
        (lambda x: x.astype(np.int64), "[0, 255]"),
        (lambda x: x.astype(np.uint16) * 257, "[0, 65,535]"),
        (lambda x: x.astype(">u2") * np.array(257, ">u2"), "[0, 65,535]"),
        (lambda x: (x.astype(np.uint16) * 257) >> 4, "[0, 4,095] (12 bits)"),
        (lambda x: x.astype(np.int32) * 10_000 - 1_000_000, "[-1,000,000, 1,550,000]"),
        (lambda x: x.transpose(0, 3, 1, 2), "channels come first"),
    ],
)
def test_other_types_and_orders_are_understood_and_told(
    given: Callable[[Any], Any], made: Callable[[Any], Any], taken: str
) -> None:
    data = open_data(given(made(IMAGES)))
    assert (all_items(data) == IMAGES).all()
    assert any(taken in note for note in data.inspection.notes)


def test_grey_and_boolean_and_transparent_arrays() -> None:
    grey = IMAGES[..., 0]
    assert open_data(grey).spec.shape == (1, 32, 32) and (all_items(open_data(grey))[..., 0] == grey).all()
    assert open_data(np.repeat(grey[..., None], 3, -1)).spec.shape == (1, 32, 32)
    assert set(np.unique(open_data(grey > 128).train.items)) == {0, 255}
    clear = np.concatenate([IMAGES, np.zeros_like(IMAGES[..., :1])], axis=-1)
    clear[:12, ..., 3] = 255
    items = all_items(open_data(clear))
    assert (items[:12] == IMAGES[:12]).all() and (items[12:] == 255).all()
    assert any(
        "8 images are partly transparent: composited on white" in note for note in open_data(clear).inspection.notes
    )


def test_28_pixels_are_padded_to_32_and_others_resampled() -> None:
    small = IMAGES[:, :28, :28]
    items = all_items(open_data(small))
    assert (items[:, 2:30, 2:30] == small).all() and (items[:, 0, 2:30] == small[:, 0]).all()
    assert open_data(IMAGES, size=16).spec.shape == (3, 16, 16)
    assert open_data(IMAGES, size=64, channels=1).spec.shape == (1, 64, 64)
    assert any("enlarged" in note for note in open_data(IMAGES, size=64).inspection.notes)
    wide = open_data(RNG.integers(0, 256, (9, 32, 48), dtype=np.uint8)).inspection
    assert wide.size == 32 and any("not square (48×32)" in n or "not square" in n for n in wide.notes)


def test_labels_of_any_kind(tmp_path: Path) -> None:
    numbers, names = np.arange(20) % 4 * 10, np.array(["dog", "cat"])[np.arange(20) % 2]
    np.savez(tmp_path / "a.npz", labels=numbers, images=IMAGES)
    np.savez(tmp_path / "b.npz", x=IMAGES, y=np.arange(20) % 2, classes=["left", "right"])
    for data, classes in (
        (open_data(tmp_path / "a.npz"), ("0", "10", "20", "30")),
        (open_data(tmp_path / "b.npz"), ("left", "right")),
        (open_data(IMAGES, labels=names), ("cat", "dog")),
        (open_data(IMAGES, labels=list(names)), ("cat", "dog")),
    ):
        assert data.spec.classes == classes and data.train.labels.dtype == np.int64
        places = np.array([int(name) for name in data.train.names])
        expected = numbers // 10 if len(classes) == 4 else np.arange(20) % 2
        expected = 1 - expected if "dog" in classes else expected
        assert (data.train.labels == expected[places]).all()
    assert open_data(tmp_path / "a.npz", labels=False).train.labels is None
    assert "labels are left out" in open_data(IMAGES, labels=np.arange(20)).inspection.notes[0]
    with pytest.raises(UserError, match=r"must be 20 whole numbers or names"):
        open_data(IMAGES, labels=np.arange(7))
    with pytest.raises(UserError, match="whole numbers"):
        open_data(IMAGES, labels=np.linspace(0, 1, 20))
    with pytest.raises(UserError, match="arrays only"):
        open_data("fashion", labels=numbers)


def test_vectors_are_standardised_by_one_sd_and_can_be_inverted(given: Callable[[Any], Any]) -> None:
    points = RNG.normal((5, -3, 0), (1, 10, 2), (200, 3))
    data = open_data(given(points))
    assert data.spec.shape == (3,) and data.spec.is_vector and data.train.items.dtype == np.float32
    assert data.mean.shape == (3,) and data.scale.shape == ()
    train = data.train.items.astype(np.float64)
    np.testing.assert_allclose(data.mean, train.mean(0), rtol=1e-5)
    np.testing.assert_allclose(data.scale, np.sqrt(np.square(train - train.mean(0)).mean()), rtol=1e-5)
    np.testing.assert_array_equal(all_items(data), points.astype(np.float32))


def test_vectors_that_may_be_flattened_images_are_told() -> None:
    assert "reshape them to (N, 28, 28)" in open_data(RNG.normal(size=(20, 784))).inspection.notes[0]


def test_a_large_array_goes_through_the_cache(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(open_module, "IN_MEMORY", 1_000)
    monkeypatch.setattr(arrays, "CHUNK", 10_000)
    assert (all_items(open_data(IMAGES)) == IMAGES).all()
    assert len(list(cache.iterdir())) == 1
    other = IMAGES.copy()
    other[0, 0, 0, 0] ^= 1
    assert (all_items(open_data(other)) == other).all()


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros(9, np.uint8), r"has the shape \(9,\)"),
        (np.zeros((9, 8, 8, 3, 1), np.uint8), "has the shape"),
        (np.zeros((0, 8, 8), np.uint8), "has no rows"),
        (np.zeros((9, 0, 8), np.uint8), "has the shape"),
        (np.zeros((9, 8, 8, 7), np.uint8), "7 channels"),
        (np.zeros((9, 8, 8), complex), "complex128, not of numbers"),
        (np.full((9, 8, 8), "a"), "not of numbers"),
        (np.full((9, 8, 8), np.datetime64("2020")), "not of numbers"),
        (np.zeros((9, 8, 3), np.uint8), r"the shape \(9, 8, 3\): it looks like one image"),
        (np.zeros((9, 3, 3, 3), np.uint8), "where are its channels"),
        (np.zeros((8, 8, 3, 9), np.uint8), "9 channels"),
        (np.full((9, 8, 8), np.nan), "NaN or infinity, first in row 0"),
        (np.where(np.arange(9)[:, None] == 4, np.inf, np.zeros((9, 3))), "NaN or infinity, first in row 4"),
        (np.full((9, 3), 1e300), "beyond the range of float32"),
        (IMAGES[:1], "1 usable example"),
        (np.ones((30, 2)), "1 different"),
    ],
)
def test_arrays_that_make_no_sense(given: Callable[[Any], Any], array: Any, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        open_data(given(array))
    assert caught.value.fix


def test_what_is_no_array() -> None:
    with pytest.raises(UserError, match="different lengths"):
        open_data([[1, 2], [3]])  # type: ignore[arg-type]
    assert open_data(IMAGES.tolist()).spec.shape == (3, 32, 32)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([IMAGES[0], IMAGES[1][:8]], dtype=object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", images=objects)
    np.savez(tmp_path / "y.npz", images=IMAGES, labels=np.array([{}] * 20, dtype=object))
    for source in (tmp_path / "x.npy", tmp_path / "x.npz", tmp_path / "y.npz"):
        with pytest.raises(UserError, match="Python objects, whose loading could run any program"):
            open_data(source)


@pytest.mark.parametrize("save", [as_npy, as_npz])
@pytest.mark.parametrize("keep", [0, 4, 50, 5_000])
def test_damaged_files_are_named(tmp_path: Path, save: Save, keep: int) -> None:
    path = save(tmp_path, IMAGES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"x\.np"):
        open_data(path)


def test_npz_files_without_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", labels=np.arange(4))
    with pytest.raises(UserError, match=r"no array of images"):
        open_data(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(UserError, match=r"it holds a\.txt"):
        open_data(tmp_path / "y.npz")
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 32, 32, 3)})
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("images.npy", file.getvalue() + bytes(100))
    with pytest.raises(UserError, match="cut short"):
        open_data(tmp_path / "z.npz")


def test_an_encrypted_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.npz"
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8))
    held = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says so, in both headers
        held[held.index(header) + flags] |= 1
    path.write_bytes(held)
    with pytest.raises(UserError, match=r"can't be read: .*encrypted"):
        open_data(path)


NAMES = np.array(["pear", "fig"], object)[np.arange(20) % 2]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((np.arange(20) % 2)[:, None].astype(np.uint8), ("0", "1")),
        ((np.arange(20) % 2)[:, None].astype(float), ("0", "1")),
        (np.eye(2)[np.arange(20) % 2], ("0", "1")),
        (np.eye(2, dtype=bool)[np.arange(20) % 2], ("0", "1")),
        (NAMES.astype(str)[:, None], ("fig", "pear")),
    ],
)
def test_labels_as_columns_and_as_one_hot_rows(tmp_path: Path, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    np.savez(tmp_path / "x.npz", train_images=IMAGES, train_labels=labels, test_images=IMAGES)
    for data in (open_data(tmp_path / "x.npz"), open_data(IMAGES, labels=labels)):
        assert data.spec.classes == classes and set(data.inspection.classes.values()) == {10}


@pytest.mark.parametrize("labels", [NAMES, NAMES[:, None], np.array([*range(2)] * 10, object), NAMES.tolist()])
def test_labels_that_are_objects(tmp_path: Path, labels: Any) -> None:
    for source in (IMAGES, [image[: 32 - i] for i, image in enumerate(IMAGES)]):
        assert len(open_data(source, labels=labels).spec.classes) == 2
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=np.array(labels, object))
    with pytest.raises(UserError, match=r"'labels' holds Python objects.*\n.*labels\.astype\(str\)"):
        open_data(tmp_path / "x.npz")
    with pytest.raises(UserError, match="type object"):
        open_data(IMAGES, labels=np.array([None, *labels], object)[:20])


def test_stored_labels_of_several_numbers_each_are_left_out(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (20, 14))
    np.savez(tmp_path / "chest.npz", images=IMAGES, labels=labels)
    found = open_data(tmp_path / "chest.npz").inspection
    assert found.labels_from == "none: 14 numbers for each example, not one class" and not found.classes
    with pytest.raises(UserError, match=r"shape \(20, 14\)"):
        open_data(IMAGES, labels=labels)


def test_of_several_arrays_that_of_images_is_taken(tmp_path: Path) -> None:
    boxes = np.zeros((20, 4), np.float32)
    np.savez(tmp_path / "a.npz", index=np.arange(20), names=NAMES, boxes=boxes, X=IMAGES, y=np.arange(20) % 2)
    found = open_data(tmp_path / "a.npz")
    assert found.spec.shape == (3, 32, 32) and found.spec.classes == ("0", "1")
    assert "array 'X' is used; not used: index, names, boxes" in found.inspection.notes
    np.savez(tmp_path / "b.npz", index=np.arange(20), X=IMAGES.astype(object))
    with pytest.raises(UserError, match="'X' holds Python objects"):
        open_data(tmp_path / "b.npz")
