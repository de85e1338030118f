"""Which image a row of a label file means, and which of its columns hold the file names, the labels and the split."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aegan.data.decode import Entry
from aegan.data.labels import Label, Vector, label_of, label_rank, numbers_of, plain, refusal
from aegan.data.splitnames import split_name
from aegan.data.tables import Table

FILE_COLUMNS = {
    "filename", "file", "files", "filenames", "image", "images", "imagepath", "path", "filepath", "img", "imgpath",
    "imageid", "imagename", "imgname", "id", "name", "imagefile", "fname", "picture", "photo", "key", "isicid", "pid",
    "relativepath", "relpath", "imgid", "uuid", "index", "imageindex", "photoid",
}  # fmt: skip
SPLIT_COLUMNS = {"split", "set", "subset", "partition", "usage", "phase", "dataset", "datasplit"}
TRAIN_COLUMNS = {"istrain", "istraining", "istrainingimg", "train", "training"}
PROBED = 200  # rows by which the column of file names is found
FEW = 0.5  # the share of these that must name images, where the column has no usual name
MOST_GUESSED = 1_000  # classes of a column whose name is not a usual one


def folded(path: str) -> str:
    """A path as it is compared: slashes forward, one Unicode form, one case, no "./".

    >>> folded(".\\\\Cats\\\\1.PNG")
    'cats/1.png'
    """
    path = unicodedata.normalize("NFC", path.strip().strip("\"'")).replace("\\", "/").casefold()
    return "/".join(part for part in path.split("/") if part not in ("", "."))


class Index:
    """The images of a source (their paths inside it), found by what people write for them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_path: dict[str, str] = {}
        self.by_base: dict[str, list[str]] = defaultdict(list)
        for name in names:
            path = folded(name)
            for key in (path, posixpath.splitext(path)[0]):
                self.by_path.setdefault(key, name)
            base = posixpath.basename(path)
            for key in {base, posixpath.splitext(base)[0]}:
                self.by_base[key].append(name)
        self.by_number: dict[str, list[str]] = defaultdict(list)
        for key, some in self.by_base.items():
            if key.isdecimal():
                self.by_number[key.lstrip("0") or "0"] += some

    def find(self, text: str, near: str, split: str = "", numbered: bool = False) -> str | None:
        """The image that a cell means; None where there is none, or where it can't be told which of several.

        `near` is the folder of the label file, `split` that of the row; `numbered`: leading zeros may be lost.
        """
        path = folded(text)
        if not path:
            return None
        parts, beside = path.split("/"), folded(near)
        for i in range(len(parts)):  # the data set's own folder, or one of another machine, may come first
            rest = "/".join(parts[i:])
            for key in (f"{beside}/{rest}" if beside else rest, rest):
                if found := self.by_path.get(key):
                    return found
            if i == 8:
                break
        tail = "/" + "/".join(parts[-2:]) if len(parts) > 1 else ""
        some = self.by_base.get(parts[-1], [])
        if not some and numbered and re.fullmatch(r"\d+(\.0)?", path):
            some = self.by_number.get(path.split(".")[0].lstrip("0") or "0", [])
        if len(some) > 1 and tail:
            some = [name for name in some if tail in "/" + folded(name)] or some
        if len(some) > 1 and beside:
            some = [name for name in some if folded(name).startswith(beside + "/")] or some
        if len(some) > 1 and split:
            some = [name for name in some if split in _kinds(name)] or some
        return some[0] if len(some) == 1 else None


def _kinds(name: str) -> set[str]:
    return {parsed.kind for part in name.split("/")[:-1] if (parsed := split_name(part))}


@dataclass
class Sheet:
    """Files of one layout read as one table, as train.csv and test.csv, or a metadata.csv in every folder."""

    names: list[str]  # of the files
    columns: list[str]
    rows: list[tuple[Sequence[Any], str, str]]  # cells, folder of their file, the split that its name tells
    dataset: bool  # they are a `dataset.json`

    @property
    def title(self) -> str:
        """The name of the file, of that for training where there are several."""
        bases = [posixpath.basename(name) for name in self.names]
        trains = (base for base in bases if (parsed := split_name(base.rpartition(".")[0])) and parsed.kind == "train")
        base = next(trains, bases[0])
        return base if len(bases) == 1 else f"{base} and {len(bases) - 1} more"

    def cells(self, column: int) -> list[Any]:
        return [row[0][column] for row in self.rows]


def sheets(tables: Sequence[tuple[Entry, Table]], index: Index) -> list[Sheet]:
    """The tables, those of one layout joined; a first line that names an image is data."""
    joined: dict[tuple[Any, ...], Sheet] = {}
    for file, table in tables:
        folder, base = posixpath.split(file.name)
        parsed = split_name(posixpath.splitext(base)[0])
        columns, rows = table.columns, table.rows
        named = any(plain(cell) in FILE_COLUMNS or label_rank(cell) >= 0 for cell in table.head)
        if not named and any(index.find(cell, folder) for cell in table.head):
            columns, rows = [f"column {i + 1}" for i in range(len(columns))], [table.head, *rows]
        kind = parsed.rest if parsed else base
        sheet = joined.setdefault((kind, posixpath.splitext(base)[1], *columns), Sheet([], columns, [], table.dataset))
        sheet.names.append(file.name)
        sheet.rows += [(row, folder, parsed.kind if parsed else "") for row in rows]
    return list(joined.values())


@dataclass
class Read:
    """What a sheet says."""

    sheet: Sheet
    labels: dict[str, Label | None] = field(default_factory=dict)  # of the images that it names, by their paths
    column: str = ""  # where they come from, in words; "" where it says nothing about classes
    usual: bool = False  # that column has a usual name of labels
    why: str = ""  # it says nothing
    splits: dict[str, str] = field(default_factory=dict)  # of the images that it names, where it tells
    absent: list[str] = field(default_factory=list)  # what the rows write that name no image
    unused: list[str] = field(default_factory=list)  # columns that might be labels


def read_sheet(sheet: Sheet, index: Index) -> Read:
    """Finds the columns of a sheet and the images of its rows."""
    out = Read(sheet)
    at, numbered = _file_column(sheet, index)
    if at < 0:
        out.why = "none of its columns names the images" if sheet.rows else "it has no rows"
        return out
    images = [index.find(_text(row[at]), folder, split, numbered) for row, folder, split in sheet.rows]
    out.absent = [_text(row[at]) for (row, _, _), image in zip(sheet.rows, images, strict=True) if image is None]
    kinds = _splits(sheet, at)
    here = {i: image for i, image in enumerate(images) if image is not None}
    out.splits = {image: kinds[i] for i, image in here.items() if kinds[i]}
    # a table of several splits is judged by its rows to train on
    judged = [i for i in here if kinds[i] in ("", "train")] or list(here)
    labels = _labels(sheet, at, judged, out)
    if not labels:
        out.labels = dict.fromkeys(here.values())
        return out
    for i, image in here.items():
        if out.labels.setdefault(image, labels[i]) != labels[i]:
            out.why = "it gives several labels to an image"
            out.labels, out.column = {}, ""
            break
    return out


def _text(value: Any) -> str:
    if isinstance(value, dict):  # an image of Hugging Face: {bytes, path}
        value = value.get("path")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int) else ""


def _file_column(sheet: Sheet, index: Index) -> tuple[int, bool]:
    """The column whose cells name the most different images, and whether only by numbers without their zeros; or -1."""
    some = sheet.rows[:: max(1, len(sheet.rows) // PROBED)]
    best, most, found = -1, 0.0, False
    for numbered in (False, True):
        for i, column in enumerate(sheet.columns):
            usual = plain(column) in FILE_COLUMNS or plain(column).removesuffix("filename") in ("", "image")
            if numbered and not usual:
                continue
            named = {index.find(_text(row[i]), folder, split, numbered) for row, folder, split in some} - {None}
            share = len(named) / max(1, len(some)) + 0.01 * usual
            if named and share > most and (usual or share >= FEW):
                best, most, found = i, share, numbered
        if most >= FEW:
            break
    return best, found


def _splits(sheet: Sheet, at: int) -> list[str]:
    """The split of each row: by a column of such names, or by the file's name; "" where nothing tells."""
    for i, column in enumerate(sheet.columns):
        if i == at:
            continue
        values = [_text(cell) for cell in sheet.cells(i)]
        if plain(column) in SPLIT_COLUMNS:
            kinds = [parsed.kind if (parsed := split_name(value)) else "" for value in values]
            if "train" in kinds and all(kinds):
                return kinds
        if _partition(sheet, column, values):
            return [("train", "validation", "test")[int(value)] for value in values]
        if plain(column) in TRAIN_COLUMNS and {value.lower() for value in values} in ({"0", "1"}, {"false", "true"}):
            return ["train" if value.lower() in ("1", "true") else "test" for value in values]
    return [split for _, _, split in sheet.rows]


def _labels(sheet: Sheet, at: int, judged: list[int], out: Read) -> list[Label | None]:
    """The label of each row, of the most usual column that can be one; none where there is no such column."""
    others = [
        i for i, column in enumerate(sheet.columns)
        if i != at and plain(column) not in SPLIT_COLUMNS | TRAIN_COLUMNS and not _index(sheet.cells(i))
        and not _partition(sheet, column, [_text(cell) for cell in sheet.cells(i)])
    ]  # fmt: skip
    usual = sorted((i for i in others if label_rank(sheet.columns[i]) >= 0), key=lambda i: label_rank(sheet.columns[i]))
    values = {i: numbers_of([label_of(cell) for cell in sheet.cells(i)]) for i in others}
    refused = {i: refusal([values[i][j] for j in judged]) for i in others}
    if good := [i for i in usual if not refused[i]]:
        # numbers and names of the same classes in two columns: the names
        named = (
            i for i in good
            if any(isinstance(v, str) for v in values[i]) and _same(values[i], values[good[0]], judged)
        )  # fmt: skip
        use = next(named, good[0])
        out.column, out.usual = _called(sheet.columns[use]), True
        out.unused = [sheet.columns[i] for i in good if i != use and not _same(values[i], values[use], judged)]
        return values[use]
    hot, labels = _one_hot(sheet, others, judged)
    if hot:
        out.column, out.usual = f"columns '{sheet.columns[hot[0]]}' to '{sheet.columns[hot[-1]]}'", True
        return labels
    left = usual or others
    if len(left) == 1 and not usual and not refused[left[0]]:
        if (different := len(set(values[left[0]]))) > MOST_GUESSED:
            out.why = f"its column '{sheet.columns[left[0]]}' has {different:,} different values"
            return []
        out.column = _called(sheet.columns[left[0]])
        return values[left[0]]
    if len(left) == 1:
        out.why = f"its column '{sheet.columns[left[0]]}' can't be classes: {refused[left[0]]}"
    elif left:
        shown = ", ".join(f"'{sheet.columns[i]}'" for i in left[:6]) + (", …" if len(left) > 6 else "")
        out.why = f"none of its columns {shown} is known as the label: name one of them 'label'"
    else:
        out.why = "it has no column of labels"
    return []


def _partition(sheet: Sheet, column: str, values: Sequence[str]) -> bool:
    """Whether a column says 0, 1, 2 for train, validation and test, as CelebA's list_eval_partition does."""
    said = "partition" in plain(column) or "partition" in plain(posixpath.basename(sheet.names[0]))
    return said and "0" in values and set(values) <= {"0", "1", "2"}


def _called(column: str) -> str:
    return column if column.startswith("column ") else f"column '{column}'"


def _index(cells: Sequence[Any]) -> bool:
    """Whether these number the rows, as tables saved with their index do."""
    return len(cells) > 1 and all(_text(cell) == str(i) for i, cell in enumerate(cells))


def _same(a: Sequence[Label | None], b: Sequence[Label | None], judged: Sequence[int]) -> bool:
    """Whether two columns divide the rows alike."""
    return one_to_one({(a[i], b[i]) for i in judged})


def one_to_one(pairs: Collection[tuple[Any, Any]]) -> bool:
    """Whether different pairs have nothing in common."""
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def _one_hot(sheet: Sheet, others: Sequence[int], judged: Sequence[int]) -> tuple[list[int], list[Label | None]]:
    """Columns of zeros and ones of which every row has one one, and the label of each row; none if there are no such."""
    cells = {i: [_text(cell).removesuffix(".0") for cell in sheet.cells(i)] for i in others}
    hot = [i for i in others if judged and {cells[i][j] for j in judged} <= {"0", "1"}]
    if len(hot) < 2 or any(sum(cells[i][j] == "1" for i in hot) != 1 for j in judged):
        return [], []
    rows = [[sheet.columns[i] for i in hot if cells[i][j] == "1"] for j in range(len(sheet.rows))]
    return hot, [Vector(" ".join(ones)) if len(ones) > 1 else ones[0] if ones else None for ones in rows]
