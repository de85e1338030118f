"""Labels of any kind: what a stored value means, and all of a set as numbers from 0 with names."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from aegan.data.inspection import printable
from aegan.errors import UserError
from aegan.text import plural

Label = int | str

LONGEST = 200  # characters of a class name
NONE = {"", "nan", "null", "n/a", "<na>"}  # text that means that there is no label
# columns that hold labels, by their usual names; the first that can be used is
LABEL_COLUMNS = (
    "label", "labels", "class", "classes", "classname", "classlabel", "labelname", "category", "categories", "target",
    "targets", "cls", "y", "species", "breed", "diagnosis", "dx", "disease", "variety", "kind", "finelabel", "finelabels",
    "categoryname", "categoryid", "classid", "labelid", "digit", "letter", "character", "style", "genre", "gender",
    "emotion", "grade", "level", "condition", "tag", "type", "coarselabel", "family", "genus", "artist", "identity",
    "type1", "celltype", "labeltext", "groundtruth", "gt", "annotation",
)  # fmt: skip


class Vector(str):
    """A stored value that is a vector, or several labels: not one class."""


def plain(name: str) -> str:
    """A column's name as it is compared: letters and digits alone.

    >>> plain("Class_Name"), plain("LABEL ")
    ('classname', 'label')
    """
    return "".join(c for c in name.casefold() if c.isalnum())


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def label_rank(column: str) -> int:
    """How usual a name is for a column of labels, 0 the most; -1 if it is none.

    >>> label_rank("Label"), label_rank("Species") > 0, label_rank("width")
    (0, True, -1)
    """
    name = plain(column)
    return LABEL_COLUMNS.index(name) if name in LABEL_COLUMNS else -1


def label_of(value: Any) -> Label | None:
    """The label that a stored value means: a number, a name, or None where there is none.

    Floats that are whole are numbers, one-hot vectors the place of their one; any other vector is a `Vector`.

    >>> label_of(3.0), label_of(-1), label_of(" cat "), label_of([0, 0, 1.0]), label_of(float("nan")), label_of("")
    (3, -1, 'cat', 2, None, None)
    >>> isinstance(label_of([0.2, 0.8]), Vector)
    True
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return int(value) if abs(value) < 2**53 and value == int(value) else str(value)
    if isinstance(value, str):
        name = unicodedata.normalize("NFC", printable(value.strip())[:LONGEST])
        return None if name.lower() in NONE else name
    if isinstance(value, list | tuple):
        return _one_hot(value)
    return Vector(printable(str(value))[:LONGEST])


def _one_hot(value: Sequence[Any]) -> Label | None:
    if len(value) == 1:
        return label_of(value[0])
    if value.count(1) == 1 and value.count(0) == len(value) - 1:
        return value.index(1)
    return Vector(printable(str(value))[:LONGEST]) if value else None


def numbers_of(labels: Iterable[Label | None]) -> list[Label | None]:
    """The same, as numbers where all are written as numbers: "3" and "3.0" of a table are 3, but "007" stays a name.

    >>> numbers_of(["-1", "1", None]), numbers_of(["1.0", "2"]), numbers_of(["01", "2"])
    ([-1, 1, None], [1, 2], ['01', '2'])
    """
    kept, cache = list(labels), dict[str, int | None]()
    for each in kept:
        if isinstance(each, str) and each not in cache:
            cache[each] = _whole(each)
            if cache[each] is None:
                return kept
    return [cache[each] if isinstance(each, str) else each for each in kept]


def _whole(text: str) -> int | None:
    digits = text.lstrip("-+")
    if isinstance(text, Vector) or (len(digits) > 1 and digits.startswith("0") and not digits.startswith("0.")):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else None


def refusal(labels: Sequence[Label | None]) -> str:
    """Why these can't be classes; "" if they can: at least two, of at least two examples each on average.

    >>> refusal(["a", "a", "b", "b"]), refusal(["a", "b"]), refusal(["a", "a"])
    ('', '2 different ones for 2 examples', '1 different one for 2 examples')
    """
    counts = Counter(label for label in labels if label is not None)
    total, vectors = sum(counts.values()), sum(n for label, n in counts.items() if isinstance(label, Vector))
    if vectors:
        return f"{vectors:,} of {len(labels):,} are vectors or lists, not one class each"
    if len(counts) < 2 or len(counts) * 2 > total:
        return f"{plural(len(counts), 'different one')} for {total:,} examples"
    return ""


def checked_labels(given: Any, count: int, whose: str, each: str) -> np.ndarray:
    """The labels given for `count` examples, one whole number or name each, (N,); refuses what can't be made that.

    A column (N, 1) is taken as (N,), one-hot rows (N, K) as the places of their ones, Python's text and numbers as NumPy's.

    >>> checked_labels([[0, 1], [1, 0]], 2, "The labels", "a row"), checked_labels([[7], [8]], 2, "The labels", "a row")
    (array([1, 0]), array([7, 8]))
    """
    values = np.asarray(given)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    elif one_hot(values):
        values = values.argmax(1)
    if values.dtype.kind == "O" and values.ndim == 1:
        plain_ones = [each.item() if isinstance(each, np.generic) else each for each in values]
        if {type(each) for each in plain_ones} in ({str}, {bytes}, {int}, {bool}):
            values = np.array(plain_ones)
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    if values.shape != (count,) or values.dtype.kind not in "uibUS":
        raise UserError(
            f"{whose} have the shape {values.shape} and the type {values.dtype}.",
            f"They must be {count:,} whole numbers or names, one {each}.",
        )
    return values.astype(np.int64) if values.dtype.kind in "uib" else values


def several_each(values: np.ndarray, count: int) -> str:
    """Why stored labels are no classes where each example has several numbers, as of diseases; "" where it has not."""
    if values.ndim != 2 or len(values) != count or values.shape[1] < 2 or one_hot(values):
        return ""
    return f"{values.shape[1]} numbers for each example, not one class"


def one_hot(values: np.ndarray) -> bool:
    """Whether these are rows of zeros with a single one (N, K)."""
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "uifb":
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all())


def number_labels(
    marks: Sequence[Any] | np.ndarray, classes: tuple[str, ...] = ()
) -> tuple[np.ndarray | None, tuple[str, ...], list[str]]:
    """Labels of any kind as numbers from 0.

    Args:
        marks: a number or a name for each example; None: none.
        classes: names by number, where the source has them; such sources write -1 for none.

    Returns:
        (int64 (N,) or None, class names in natural order, notes).

    >>> number_labels(["b", "a", "b", "b", "a"])
    (array([1, 0, 1, 1, 0]), ('a', 'b'), [])
    >>> number_labels([1, -1, 1, -1])
    (array([1, 0, 1, 0]), ('-1', '1'), [])
    """
    stored = marks.tolist() if isinstance(marks, np.ndarray) else marks
    found = [unicodedata.normalize("NFC", each) if isinstance(each, str) else label_of(each) for each in stored]
    if classes:
        found = [None if label == -1 else label for label in found]
    if missing := sum(label is None for label in found):
        return None, (), [f"labels are left out: {missing:,} of {len(found):,} examples have none"]
    if classes and all(isinstance(label, int) and 0 <= label < len(classes) for label in found):
        return np.array(found, np.int64), classes, []
    if why := refusal(found):
        return None, (), [f"labels are left out: {why}"]
    numbers = all(isinstance(label, int) for label in found)
    names = sorted(set(map(str, found)), key=int if numbers else lambda name: (natural(name), name))
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[str(label)] for label in found], np.int64), tuple(names), []
