"""Arrays of images or of vectors: from Python, .npy or .npz; read in chunks, never unpickled."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from aegan.data.depth import DARK, Depth, Range, kind_of, scaled, usual, words
from aegan.data.files import METHODS, check_directory, stamp
from aegan.data.fit import with_channels
from aegan.data.format import ImageFormat
from aegan.data.formats import refuse_pointer
from aegan.data.inspection import printable
from aegan.data.splitnames import trains
from aegan.errors import UserError, unreadable
from aegan.hints import Array
from aegan.pictures import composite

CHUNK = 2**24  # bytes read at a time
MOST_HEADER = 2**16  # bytes: numpy would read as many as the file says, and only then look
MOST_ROW = 2**29  # bytes of one image or vector
MOST_WHOLE = 2**32  # bytes of an array that must be read whole: labels, class names, columns first in an .npz
UNREADABLE = (  # what NumPy and zipfile raise on a damaged, hostile or encrypted file
    ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, SyntaxError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip
MANY_AXES = 64  # numbers in a vector from which it may be a flattened image
WANTED = "Images: (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 to 4. Vectors: (N, D)."
ROWS = "Save it as numbers: np.stack(list(array)) gives one array, if all images have the same shape."
AS_TEXT = "Save it as text or whole numbers: labels.astype(str)."
LABELS, CLASSES = ("labels", "label", "y", "targets", "target"), ("classes", "class_names")
BESIDE = (("x_", "y_"), ("images", "labels"))  # part of an array's name, and of its labels': x_train, train_images


@dataclass(frozen=True)
class Stored:
    """An array that is read from its beginning, in chunks of rows."""

    where: str  # what to call it in messages
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[], Iterator[Array]]  # starts reading anew, and gives the chunks
    labels: Array | None = None
    classes: tuple[str, ...] = ()
    mark: str = ""  # changes whenever the file does; "" for an array in memory
    notes: tuple[str, ...] = ()  # what was decided


@dataclass(frozen=True)
class ArrayPlan:
    """How an array becomes examples."""

    vectors: bool  # it is (N, D)
    first: bool = False  # channels come before height and width
    span: Range | None = None  # what becomes 0 and 255; None: these are pixels of 8 bits
    depth: Depth | None = None  # the same, if it was measured or given
    notes: tuple[str, ...] = ()  # what was decided


def from_array(array: Array, where: str = "the array") -> Stored:
    """An array in memory, or one that NumPy maps."""
    if array.dtype.hasobject:
        raise _objects(where)
    if not array.ndim:
        raise UserError(f"{where} is a single number.", WANTED)
    step = _step(array.shape, array.dtype)
    return Stored(where, array.shape, array.dtype, lambda: (array[i : i + step] for i in range(0, len(array), step)))


def from_npy(path: Path) -> Stored:
    """An .npy file."""
    mark = stamp(path)
    refuse_pointer(path)
    with _reading(str(path)), open(path, "rb") as file:
        shape, fortran, dtype = _header(file, str(path))
        if (found := path.stat().st_size - file.tell()) < (due := _bytes(shape, dtype)):
            raise UserError(f"{path} is cut short: {found:,} of {due:,} bytes of data.", "Fetch or save it again.")
    if fortran:  # columns first: no chunk of rows is contiguous, so let NumPy map it
        return replace(from_array(np.load(path, mmap_mode="r", allow_pickle=False), str(path)), mark=mark)

    def rows() -> Iterator[Array]:
        with _reading(str(path)), open(path, "rb") as file:
            yield from _pieces(file, shape, dtype, str(path))

    return Stored(str(path), shape, dtype, rows, mark=mark)


def from_npz(path: Path) -> Stored:
    """An array of an .npz file: `images`, or the first whose name says that it is for training (`x_train`), or the first.

    With its labels (`labels`, `y`, or what goes with that name: `y_train`) and `classes`, if there are any.
    """
    mark = stamp(path)
    check_directory(path)
    with _reading(str(path)), zipfile.ZipFile(path) as archive:
        members = {Path(m.filename).stem: m for m in archive.infolist() if m.filename.endswith(".npy")}
        said = {name.lower(): name for name in members}
        data = [name for name in members if name.lower() not in LABELS + CLASSES]
        if not data:
            held = ", ".join(archive.namelist()[:5]) or "nothing"
            raise UserError(
                f"{path} holds no array of images (it holds {held}).", "Save one: np.savez(path, images=images)."
            )
        name = said.get("images", "") or _images_of(archive, members, data)
        keys = (*LABELS, *(name.lower().replace(a, b) for a, b in BESIDE if a in name.lower()))
        others = [each for each in data if each != name and each.lower() not in keys]
        where = f"{path}, array '{name}'"
        with _opened(archive, members[name], where) as file:
            shape, fortran, dtype = _header(file, where)
            if members[name].file_size < _bytes(shape, dtype):
                raise UserError(f"{where} is cut short.", "Fetch or save it again.")
        labels, classes = (
            next((_small(archive, members[said[k]], path) for k in usual if k in said), None)
            for usual in (keys, CLASSES)
        )

    def rows() -> Iterator[Array]:
        with _reading(where), zipfile.ZipFile(path) as archive:
            if fortran:
                yield from from_array(_small(archive, members[name], path, ROWS), where).rows()
                return
            with _opened(archive, members[name], where) as file:
                yield from _pieces(file, shape, dtype, where)

    names = () if classes is None else tuple(map(str, classes))
    notes = (f"array '{printable(name)}' is used; not used: {', '.join(map(printable, others))}",) if others else ()
    return Stored(where, shape, dtype, rows, labels, names, f"{mark}\0{name}", notes)


def _images_of(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], names: Sequence[str]) -> str:
    """Which of several arrays is taken: the first whose name says that it is for training, or the first that can be.

    Arrays of numbers of three or four axes go before those of two, which may as well say something about the images.
    """

    def rank(name: str) -> int:
        try:
            with _opened(archive, members[name], name) as file:
                shape, _, dtype = _header(file, name)
        except UNREADABLE:
            return 0  # damaged: better refused than passed over
        except UserError:
            return 2
        return {3: 0, 4: 0, 2: 1}.get(len(shape), 3) if dtype.kind in "uifb" and all(shape) else 3

    some = [name for name in names if not _of_labels(name)] or list(names)
    some = [name for name in some if name in trains(names)] or some
    return min(some, key=rank) if len(some) > 1 else some[0]


def _of_labels(name: str) -> bool:
    return name.lower().startswith("y_") or "label" in name.lower()


def plan(stored: Stored, given: Depth | None = None) -> ArrayPlan:
    """Decides what an array is, from its shape, its type and its range; reads all of it once, unless it is of bytes.

    Where no scale of values that are not bytes is `given`, it is measured.

    Raises:
        UserError: a shape or type that is neither images nor vectors, NaNs or infinities.
    """
    shape, dtype, where = stored.shape, stored.dtype, stored.where
    if dtype.kind not in "uifb":
        raise UserError(f"{where} is of type {dtype}, not of numbers.", WANTED)
    if len(shape) not in (2, 3, 4) or 0 in shape[1:]:
        raise UserError(f"{where} has the shape {shape}.", WANTED)
    if shape[0] == 0:
        raise UserError(f"{where} has no rows.", WANTED)
    if len(shape) == 2:
        _range(stored)
        side = round(shape[1] ** 0.5)
        flat = side * side == shape[1] >= MANY_AXES
        hint = f"taken as vectors; if these are images, reshape them to (N, {side}, {side})"
        return ArrayPlan(True, notes=(hint,) if flat else ())
    first = channels_first(shape, where)
    notes = ["channels come first in the array: they were moved last"] if first else []
    if dtype == np.uint8 and not _few_levels(stored):
        return ArrayPlan(False, first, notes=tuple(notes))
    if dtype == np.bool_:
        return ArrayPlan(False, first, (0, 1), notes=("booleans are taken as black and white", *notes))
    (low, high), kind = _range(stored), kind_of(dtype)
    fixed = given.span(kind) if given else None
    # all black, or not what the given scale is for
    if dtype == np.uint8 and (not high or (fixed and (high > fixed[1] or fixed[1] > DARK))):
        return ArrayPlan(False, first, notes=tuple(notes))
    span = fixed or usual((low, high), kind)
    whose = ", the scale that was given" if fixed else ""
    said = f"values from {low:g} to {high:g} ({dtype}) are taken as of the range {words(span)}{whose}"
    return ArrayPlan(False, first, span, Depth(**{kind: span}), (said, *notes))


def channels_first(shape: tuple[int, ...], where: str) -> bool:
    """Whether images of such a shape are (N, C, H, W), not (N, H, W[, C]).

    Where both can be, square images decide; where these can't, or it is neither, that is a `UserError`.

    >>> channels_first((9, 3, 32, 48), "x"), channels_first((9, 32, 48, 3), "x"), channels_first((9, 4, 4, 3), "x")
    (True, False, False)
    """
    if len(shape) == 3:
        if shape[2] in (3, 4) and shape[0] > 4:
            raise UserError(f"{where} has the shape {shape}: it looks like one image, not many.", WANTED)
        return False
    first, last = shape[1] <= 4, shape[3] <= 4
    if not first and not last:
        raise UserError(f"{where} has {shape[3]} channels (shape {shape}).", WANTED)
    if first and last:
        if (shape[1] == shape[2]) == (shape[2] == shape[3]):
            raise UserError(
                f"{where} has the shape {shape}: where are its channels?", "Enlarge such small images first."
            )
        return shape[2] == shape[3]
    return first


def examples(chunk: Array, how: ArrayPlan, wanted: ImageFormat) -> tuple[Array, int]:
    """A chunk as images uint8 (n, H, W, C), C = 1, 3 or, if wanted, 4, or vectors float32 (n, D); how many transparent."""
    if how.vectors:
        return np.ascontiguousarray(chunk, np.float32), 0
    if how.first:
        chunk = chunk.transpose(0, 2, 3, 1)
    if chunk.dtype != np.uint8 or how.span:
        chunk = scaled(chunk, how.span or (0, 255))
    if chunk.ndim == 3:
        chunk = chunk[..., None]
    if chunk.shape[3] in (1, 3):
        return with_channels(chunk, 4) if wanted.channels == 4 else chunk, 0
    colour, alpha = chunk[..., :-1], chunk[..., -1:]
    clear = int((alpha < 255).any(axis=(1, 2, 3)).sum())
    if wanted.channels == 4:
        return np.concatenate([with_channels(colour, 3), alpha], -1), clear
    return composite(colour, alpha, wanted.background), clear


def _few_levels(stored: Stored) -> bool:
    """Whether no value is above `DARK`; reads no further than to the first that is."""
    return all(chunk.max() <= DARK for chunk in stored.rows())


def _range(stored: Stored) -> tuple[float, float]:
    low, high, row = np.inf, -np.inf, 0
    for chunk in stored.rows():
        if chunk.dtype.kind == "f" and not (fine := np.isfinite(chunk)).all():
            where = row + int(np.flatnonzero(~fine.reshape(len(chunk), -1).all(1))[0])
            raise UserError(f"{stored.where} holds NaN or infinity, first in row {where}.", "Remove or mend such rows.")
        low, high, row = min(low, float(chunk.min())), max(high, float(chunk.max())), row + len(chunk)
    if max(abs(low), abs(high)) > float(np.finfo(np.float32).max):
        raise UserError(f"{stored.where} holds values beyond the range of float32.", "Rescale them.")
    return low, high


def _header(file: Any, where: str, fix: str = ROWS) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    width = 2 if version == (1, 0) else 4
    length = file.read(width)
    if (count := int.from_bytes(length, "little")) > MOST_HEADER:
        raise UserError(f"{where} has a header of {count:,} bytes.", "Save it again: np.save writes about a hundred.")
    head = io.BytesIO(length + file.read(count))
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(head)
    if dtype.hasobject:
        raise _objects(where, fix)
    if (row := _bytes(shape[1:], dtype)) > MOST_ROW:
        raise UserError(
            f"{where} has rows of {row >> 20:,} MB (shape {shape}), and the most is {MOST_ROW >> 20}.",
            "Images: (N, H, W) or (N, H, W, C), N first.",
        )
    return shape, fortran, dtype


def _pieces(file: Any, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> Iterator[Array]:
    """The rows of a file of this header."""
    _header(file, where)
    step, row = _step(shape, dtype), _bytes(shape[1:], dtype)
    for start in range(0, shape[0], step):
        n = min(step, shape[0] - start)
        raw = file.read(n * row)
        if len(raw) < n * row:
            raise UserError(f"{where} is cut short after row {start + len(raw) // row}.", "Fetch or save it again.")
        yield np.frombuffer(raw, dtype).reshape(n, *shape[1:])


def _small(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, fix: str = AS_TEXT) -> Array:
    where = f"{path}, array '{Path(member.filename).stem}'"
    with _opened(archive, member, where) as file:
        shape, _, dtype = _header(file, where, fix)  # refuses objects by name
        # numpy makes room for the shape that the header claims before it reads
        if (due := _bytes(shape, dtype)) > MOST_WHOLE:
            raise UserError(
                f"{where} takes {due / 1e9:.0f} GB, and must be read whole.",
                "Save images as rows: np.ascontiguousarray(images), or as .npy.",
            )
        if member.file_size < due:
            raise UserError(f"{where} is cut short.", "Fetch or save it again.")
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> IO[bytes]:
    if member.compress_type not in METHODS:
        raise UserError(
            f"{where} is compressed by another method than deflate.", "Save it with np.savez or np.savez_compressed."
        )
    return archive.open(member)


def _step(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return max(1, CHUNK // max(1, _bytes(shape[1:], dtype)))


def _bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return dtype.itemsize * math.prod(shape)


def _objects(where: str, fix: str = ROWS) -> UserError:
    return UserError(f"{where} holds Python objects, whose loading could run any program.", fix)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Around reading a file: what is wrong with its format becomes a `UserError`."""
    try:
        yield
    except PermissionError as why:
        raise unreadable(where, why) from why
    except UNREADABLE as why:
        reason = str(why).splitlines()[0][:200] if str(why) else "it ends too soon"
        raise UserError(f"{where} can't be read: {reason}.", "Fetch or save it again.") from why
