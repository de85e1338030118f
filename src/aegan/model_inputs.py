"""What a model is given, brought to one form or refused: examples, codes, classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from aegan.data import DataSpec
from aegan.data.decode import Skip, decode, quiet
from aegan.data.given import as_file
from aegan.errors import UserError, unknown
from aegan.hints import Array
from aegan.names import printable

Examples: TypeAlias = "Array | Image.Image | Sequence[Any]"


def as_examples(items: Any, spec: DataSpec) -> Array:
    """Examples as `Model.sample` returns them.

    Args:
        items: such an array or tensor, or a list of such examples; or one PIL image or several, of any size and mode, which
            are brought to the model's form as training images are.

    Raises:
        UserError: anything else, or vectors that are not finite.
    """
    wanted = (*spec.shape[1:], spec.shape[0]) if spec.is_image else spec.shape
    if isinstance(items, Image.Image):
        items = [items]
    listed = isinstance(items, list | tuple)
    paths = items if listed else [items]
    if any(isinstance(item, str | os.PathLike) for item in paths):
        raise UserError(
            f"This is a path, and a model takes {_form(spec, wanted)}.", "Open images first: [PIL.Image.open(path)]."
        )
    if listed and spec.is_image and items and all(isinstance(item, Image.Image) for item in items):
        return np.stack([_pixels(image, spec) for image in items])
    found = _array(items)
    kind = "" if found is None else f", got {found.dtype} {found.shape}"
    fits = found is not None and found.ndim == len(wanted) + 1 and found.shape[1:] == wanted
    if found is None or not fits or (found.dtype != np.uint8 if spec.is_image else found.dtype.kind not in "uif"):
        images = "PIL images of any size are brought to it: [PIL.Image.fromarray(pixels)]." if spec.is_image else ""
        raise UserError(f"This model takes {_form(spec, wanted)}{kind}.", images)
    if not spec.is_image:
        _need_finite(found, "example")
    return found


def as_codes(codes: Any) -> Array:
    """Codes (N, ...) as float32; raises a `UserError` where they are no numbers, or not finite."""
    found = _array(codes)
    if found is None or found.dtype.kind not in "uif" or not found.ndim:
        raise UserError("Codes are an array of numbers (N, ...), as `encode` gives them.")
    with np.errstate(over="ignore"):  # which leaves infinity
        found = np.asarray(found, np.float32)
    _need_finite(found, "code")
    return found


def as_classes(label: Any, count: int, classes: Sequence[str]) -> list[int]:
    """The class of each of `count` examples, by its place in `classes`.

    Args:
        label: a name or a place for all, or a list or array of one for each.

    Raises:
        UserError: a class that is not there, or another number of them.
    """
    if not classes:
        raise UserError("This model was trained without classes, so it cannot sample one.", "Leave the class out.")
    given = label.tolist() if hasattr(label, "tolist") else label
    if not isinstance(given, list | tuple):
        return [_class(given, classes)] * count
    if len(given) != count:
        raise _no_class(f"There are {len(given)} classes for {count} examples", classes)
    return [_class(one, classes) for one in given]


def _class(given: Any, classes: Sequence[str]) -> int:
    if isinstance(given, str):
        # as stray bytes of folders' names are kept
        name = given if given in classes else printable(given)
        if name not in classes:
            raise unknown("class", name, classes)
        return classes.index(name)
    given = given.item() if hasattr(given, "item") else given
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or given != given or given % 1 or not 0 <= given < len(classes):
        raise _no_class(f"{given!r} is no class", classes)
    return int(given)


def _no_class(what: str, classes: Sequence[str]) -> UserError:
    known = ", ".join(f"{i} {name}" for i, name in enumerate(classes[:20]))
    return UserError(
        f"{what}: they are numbered from 0 to {len(classes) - 1}, one for all, or one each.", f"Known: {known}."
    )


def _form(spec: DataSpec, wanted: tuple[int, ...]) -> str:
    return f"{'uint8 images' if spec.is_image else 'vectors'} of shape {('N', *wanted)}"


def _array(given: Any) -> Array | None:
    """An array of numbers of what can be seen as one; None: it can't."""
    try:
        found = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    except (ValueError, TypeError, RuntimeError):  # of different lengths; a tensor of a type that NumPy has not
        return None
    return None if found.dtype.kind in "OUSV" else found


def _pixels(image: Image.Image, spec: DataSpec) -> Array:
    """One image (H, W, C) in the model's form."""
    try:
        with quiet():
            return decode(as_file(image, 0), spec.format).pixels
    except (Skip, OSError) as why:
        raise UserError(f"This image can't be used: {why}.", "Leave it out.") from why


def _need_finite(values: Array, what: str) -> None:
    bad = ~np.isfinite(values).all(tuple(range(1, values.ndim)))
    if bad.any():
        raise UserError(
            f"{int(bad.sum())} of {len(values)} {what}s hold NaN or infinity, the first at place {int(bad.argmax())}.",
            "Leave them out.",
        )
