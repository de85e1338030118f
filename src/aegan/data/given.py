"""What is handed over in Python as data: arrays, tensors, lists of them, of PIL images or of files."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from PIL import ExifTags, Image

from aegan.data.depth import Measure, kind_of, scaled, usual
from aegan.data.files import ByteRange, Entry, Found, Skips, spread, stamp
from aegan.data.inspection import printable
from aegan.data.labels import Label, checked_labels
from aegan.data.opened import exif_orientation
from aegan.errors import UserError, unreadable
from aegan.folders import expanded
from aegan.hints import Array
from aegan.names import as_bytes
from aegan.pictures import as_image, encoded

WANTED = "Give a path, a NumPy array or torch tensor, or a list of arrays, of PIL images or of image files."
STORED_AS = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA", "HSV": "RGB"}
IN_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def is_path(source: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether it names data, rather than being data."""
    return isinstance(source, str | os.PathLike)


def in_python(source: Any, labels: Any = None) -> Array | Found:
    """An array; or, of a list whose images have no common shape, these with their labels.

    Raises:
        UserError: it is nothing of the kind; one line.
    """
    if isinstance(source, Image.Image):
        raise UserError("This is one image, and training needs many.", "Give a list of them.")
    if isinstance(source, np.ndarray) and source.dtype == object and source.ndim == 1:
        source = list(source)
    if isinstance(source, list | tuple):
        return _of_list(list(source), labels)
    if (array := _array_of(source)) is not None:
        return array
    if source is None:
        raise UserError("No data was given: it is None.", WANTED)
    if isinstance(source, bytes | bytearray):
        raise UserError("Data can't be given as bytes.", WANTED)
    kind = type(source).__name__
    hint = " Of a dataset: [image for image, *_ in dataset]." if hasattr(source, "__getitem__") else ""
    raise UserError(f"Data can't be given as {'an' if kind[:1] in 'AEIOUaeiou' else 'a'} {kind}.", WANTED + hint)


def _of_list(items: list[Any], labels: Any) -> Array | Found:
    if not items:
        raise UserError("An empty list holds no images.", WANTED)
    if all(is_path(item) for item in items):
        return in_files(items, labels)
    if any(isinstance(item, Image.Image) for item in items):
        for i, item in enumerate(items):
            if not isinstance(item, Image.Image):
                raise UserError(f"Place {i} of the list holds a {type(item).__name__}, others PIL images.", WANTED)
        return _images(items, _labels(labels, len(items)), [])
    arrays = [_array_of(item) for item in items]
    if all(array is None for array in arrays):  # lists of numbers
        try:
            whole = np.asarray(items)
        except ValueError as why:
            raise UserError("This list can't be made an array: its parts are of different lengths.", WANTED) from why
        if whole.dtype.kind not in "uifb":
            raise UserError(f"A list of {type(items[0]).__name__} is no data.", WANTED)
        return whole
    for i, array in enumerate(arrays):
        if array is None or array.dtype.kind not in "uifb":
            found = type(items[i]).__name__ if array is None else str(array.dtype)
            raise UserError(f"Place {i} of the list holds no numbers, but {found}.", WANTED)
    whole_list = [array for array in arrays if array is not None]
    if len(kinds := sorted({str(array.dtype) for array in whole_list})) > 1:
        what = f"The arrays of this list are of different types: {', '.join(kinds)}."
        raise UserError(what, "Convert them to one, as to uint8.")
    if len({array.shape for array in whole_list}) == 1:
        return np.stack(whole_list)
    images, notes = _pictures(whole_list)
    return _images(images, _labels(labels, len(items)), notes)


def _pictures(arrays: Sequence[Array]) -> tuple[list[Image.Image], list[str]]:
    """Arrays of different sizes as 8-bit images, on one scale; and what was decided."""
    if any(array.ndim not in (2, 3) or 0 in array.shape for array in arrays):
        shapes = sorted({array.shape for array in arrays})[:3]
        raise UserError(f"Images of different shapes must each be (H, W) or (H, W, C): here are {shapes}.", WANTED)
    colour = [array for array in arrays if array.ndim == 3]
    notes = []
    if not all(array.shape[2] <= 4 for array in colour):
        if not all(array.shape[0] <= 4 for array in colour):
            raise UserError(
                "Images of different shapes must have 1 to 4 channels, first or last in all of them.", WANTED
            )
        notes.append("channels come first in the arrays: they were moved last")
        arrays = [array if array.ndim == 2 else array.transpose(1, 2, 0) for array in arrays]
    kind = arrays[0].dtype
    if kind == np.bool_:
        arrays = [array.astype(np.uint8) * np.uint8(255) for array in arrays]
        notes.append("booleans are taken as black and white")
    elif kind != np.uint8:
        measure, name = Measure(), kind_of(kind)
        for i, array in enumerate(arrays):
            low, high = float(array.min()), float(array.max())
            if not np.isfinite([low, high]).all():
                raise UserError(f"Place {i} of the list holds NaN or infinity.", "Remove or mend such images.")
            measure.add(name, low, high)
        low, high, _ = measure.found[name]
        arrays = [scaled(array, usual((low, high), name)) for array in arrays]
        notes += measure.lines()
    return [as_image(np.atleast_3d(array)) for array in arrays], notes


def _array_of(value: Any) -> Array | None:
    """An array, or what can be seen as one: tensors on any device; None: neither."""
    if isinstance(value, np.ndarray):
        return value
    torch = sys.modules.get("torch")  # what is a tensor has imported it
    if torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        try:
            return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())
        except (TypeError, RuntimeError) as why:
            raise UserError(f"A tensor of type {value.dtype} can't be made an array.", WANTED) from why
    if hasattr(value, "__array__") and not isinstance(value, type):
        try:
            return np.asarray(value)
        except (ValueError, TypeError, RuntimeError) as why:
            raise UserError(f"This {type(value).__name__} can't be made an array.", WANTED) from why
    return None


def _labels(given: Any, count: int) -> list[Label | None]:
    """Labels as entries have them."""
    if given is None:
        return [None] * count
    values = checked_labels(given, count, "The labels", "an image")
    return [str(value) if values.dtype.kind in "US" else int(value) for value in values]


def in_files(names: Sequence[str | os.PathLike[str]], labels: Any = None) -> Found:
    """The images of some files; raises a `UserError` where one of them is none."""
    digest = hashlib.blake2b(digest_size=16)
    entries = []
    for path, label in zip(map(Path, names), _labels(labels, len(names)), strict=True):
        path = expanded(path)
        shown = printable(str(path))
        try:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist"
                raise UserError(
                    f"{shown}, in the list of files, {what}.", "List image files, or name one folder alone."
                )
            digest.update(as_bytes(f"{stamp(path)}\0{label}\0"))
            entries.append(Entry(str(path), ByteRange(str(path), 0, path.stat().st_size), label))
        except OSError as why:
            raise unreadable(shown, why) from why
    return _found(entries, f"files-{digest.hexdigest()}", [])


def _images(images: Sequence[Image.Image], labels: Sequence[Label | None], notes: list[str]) -> Found:
    digest = hashlib.blake2b(digest_size=16)
    entries = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        try:
            image.load()
            digest.update(repr((image.mode, image.size, label, exif_orientation(image) or 1)).encode())
            digest.update(image.tobytes())
            digest.update(repr((image.getpalette(), image.info.get("transparency"))).encode())
            digest.update(image.info.get("icc_profile") or b"")
        except Exception as why:  # an image that was opened from a file is read only now: anything may be raised
            raise UserError(f"Place {i} of the list is an image that can't be read: {why}.", "Leave it out.") from why
        entries.append(Entry(str(i), partial(as_file, image), label))
    return _found(entries, f"images-{digest.hexdigest()}", notes)


def _found(entries: list[Entry], key: str, notes: list[str]) -> Found:
    labelled = any(entry.label is not None for entry in entries)
    origin = "given in Python" if labelled else "none: the list has none"
    return Found(key, entries, spread(entries), len(entries), len(entries), Skips(), notes, origin)


def as_file(image: Image.Image, most: int) -> bytes:
    """What a file would hold of an image of Python's, without loss: so it goes the way of all files."""
    exif = Image.Exif()
    if (orientation := exif_orientation(image)) > 1:
        exif[ExifTags.Base.Orientation] = orientation
    if image.mode in STORED_AS:
        image = image.convert(STORED_AS[image.mode])
    if image.mode in IN_PNG:
        return encoded(image, "PNG", compress_level=1, exif=exif)
    return encoded(image, "TIFF", exif=exif)
