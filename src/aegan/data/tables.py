"""Files that say which class each image has, read as tables: .csv, .tsv, .jsonl, .json, .txt, .parquet."""

from __future__ import annotations

import codecs
import csv
import io
import json
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from aegan.data.decode import SUFFIXES, Entry
from aegan.data.splitnames import split_name

MOST_TABLE = 2**26  # bytes of such a file
MOST_TABLES = 64  # such files that are looked at
FEW = 0.1  # the share of the lines that may be odd
PROBED = 50  # lines that tell what stands between cells
MOST_SPAN = 50  # lines that a cell may have
MOST_NAMES = 100_000  # lines of a list of class names
ALWAYS = (".csv", ".tsv", ".jsonl", ".ndjson")
BY_NAME = (".json", ".txt", ".parquet")  # of these there may be one an image, so only those of a telling name are read
CLOSED = (".xlsx", ".xls", ".ods", ".xml", ".mat", ".pkl", ".pickle", ".npy", ".h5", ".hdf5", ".db", ".sqlite")
_TELLING = re.compile(
    r"(^|[^a-z])(labels?|classes|class|metadata|meta|annotations?|annots?|targets?|categories|dataset|data|index|info|names|"
    r"attr|attributes?|list|partition|split|"
    r"species|diagnos[ei]s|ground_?truth|synsets?)([^a-z]|$)"
)
_NAMES = re.compile(r"(classes|class_?names?|labels?|label_?names?|categories|names|synsets?|label_?map)\.txt")


@dataclass
class Table:
    """Rows of such a file."""

    columns: list[str]  # their names; where the file has none, "column 1" and so on
    rows: list[Sequence[Any]]  # cells, text or as JSON and parquet have them
    head: Sequence[str] = ()  # the first line, where it may be names or data
    dataset: bool = False  # it is a `dataset.json` as StyleGAN's tools write it
    bad: Sequence[int] = ()  # numbers of the lines that could not be read


class Unread(Exception):
    """Why a file says nothing about classes, in words that follow its name."""


def may_tell(name: str) -> bool:
    """Whether a file of this name is looked at.

    >>> may_tell("a/metadata.jsonl"), may_tell("0001.txt"), may_tell("train.txt"), may_tell("labels.xlsx")
    (True, False, True, True)
    """
    stem, suffix = posixpath.splitext(posixpath.basename(name).lower())
    if suffix in ALWAYS:
        return True
    return suffix in BY_NAME + CLOSED and bool(_TELLING.search(stem) or (split_name(stem) and suffix in BY_NAME))


def read_table(file: Entry) -> Table:
    """Its rows; raises `Unread` where it is no table, or too large, or damaged."""
    suffix = posixpath.splitext(file.name.lower())[1]
    if suffix in CLOSED:
        raise Unread(f"{suffix} is not read: save it as .csv")
    raw = file.read(MOST_TABLE + 1)
    if len(raw) > MOST_TABLE:
        raise Unread(f"it is larger than {MOST_TABLE >> 20} MB")
    try:
        if suffix == ".parquet":
            return _parquet(raw)
        text = _text(raw)
        if suffix in (".jsonl", ".ndjson"):
            return _json_lines(text)
        if suffix == ".json":
            return _json(json.loads(text), posixpath.basename(file.name).lower() == "dataset.json")
        return _delimited(text, suffix)
    except (ValueError, OSError, NotImplementedError, RecursionError, csv.Error) as why:  # pyarrow's are OSErrors, too
        raise Unread(f"it is damaged ({str(why)[:80]})") from why


def class_names(file: Entry) -> list[str]:
    """The names that a list such as classes.txt gives, one a line, with or without numbers before them; else none."""
    if not _NAMES.fullmatch(posixpath.basename(file.name).lower()):
        return []
    lines = [line.strip() for _, line in _numbered(_text(file.read(MOST_TABLE)))]
    numbered = [re.fullmatch(r"(\d+)[\s:=,;]+(.+)", line) for line in lines]
    if lines and all(numbered):
        lines = [match[2].strip() for match in sorted((m for m in numbered if m), key=lambda m: int(m[1]))]
    return lines if len(set(lines)) == len(lines) <= MOST_NAMES else []


def _text(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")  # as spreadsheets on Windows save them


def _numbered(text: str) -> list[tuple[int, str]]:
    """Lines that hold anything, with their numbers; not `splitlines`, which cuts at characters that a cell may hold."""
    return [(n, line) for n, line in enumerate(re.split(r"\r\n|\r|\n", text), 1) if line.strip()]


def _json_lines(text: str) -> Table:
    """A JSON object a line; lines that are none are left out, if they are few."""
    records, bad, first = list[Any](), list[int](), ""
    for number, line in _numbered(text):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as why:
            record, what = None, getattr(why, "msg", str(why))
        else:
            what = "no JSON object"
        if isinstance(record, dict):
            records.append(record)
        else:
            bad.append(number)
            first = first or f"line {number}: {what}"
    if bad and (not records or len(bad) > max(1, FEW * len(records))):
        raise Unread(f"it is damaged ({first[:80]})")
    return replace(_records(records), bad=bad)


def _delimited(text: str, suffix: str) -> Table:
    numbered = [(n, line) for n, line in _numbered(text) if not (suffix == ".txt" and line.startswith("#"))]
    if not numbered:
        raise Unread("it is empty")
    count = numbered[0][1].strip()
    if len(numbered) > 2 and suffix == ".txt" and count.isdecimal() and int(count) == len(numbered) - 2:
        numbered = numbered[1:]  # a count of the rows, as CelebA's lists begin
    notes = next((i for i, (_, line) in enumerate(numbered) if not line.startswith("#")), 0)
    lines, bad = [line for _, line in numbered], list[int]()
    places: list[int] = [n for n, _ in numbered]
    rows: list[Sequence[Any]] = []
    if mark := _separator(lines[notes:][:PROBED]):
        above = _records_of(numbered[:notes], mark)[0][-1:]
        found, bad = _records_of(numbered[notes:], mark)
        width = _usual([len(row) for _, row in found])
        if above and len(above[0][1]) == width:  # names of columns, the first of which begins with #
            found = above + found
        if not found:
            raise Unread("none of its lines can be read")
        places, rows = [n for n, _ in found], [row for _, row in found]
    elif suffix == ".txt":
        rows = [line.split() for line in lines]
        spaced = sum(posixpath.splitext(" ".join(row[:-1]))[1].lower() in SUFFIXES for row in rows if len(row) > 2)
        uneven = len({len(row) for row in rows[1:] or rows}) > 1
        if uneven or 2 * spaced > len(rows):  # names with spaces, then the class
            rows = [line.rsplit(None, 1) for line in lines]
    else:
        rows, places = [[line.strip()] for line in lines[notes:]], places[notes:]
    return _filled(rows, places, bad)


def _filled(rows: Sequence[Sequence[Any]], places: Sequence[int], bad: Sequence[int]) -> Table:
    """Rows of one width, the first of them the names of the columns; a few of too many cells are left out."""
    body = rows[1:] or rows
    width = _usual([len(row) for row in body])
    long = {n for n, row in zip(places[1:], rows[1:], strict=True) if any(row[width:])}
    if len(long) > FEW * len(body):  # rows of any length
        width, long = max(map(len, body)), set()
    head = [str(cell).strip() for cell in rows[0]]
    if len(head) == width - 1:  # the first column, an index, has no name
        head = ["", *head]
    full: list[Sequence[Any]] = [
        [*row, *[""] * (width - len(row))][:width] for n, row in zip(places[1:], rows[1:], strict=True) if n not in long
    ]
    columns = [*head, *(f"column {i + 1}" for i in range(len(head), width))][:width]
    return Table(columns, full, head, bad=sorted({*bad, *long}))


def _records_of(numbered: Sequence[tuple[int, str]], mark: str) -> tuple[list[tuple[int, list[str]]], list[int]]:
    """(number of its first line, cells) of each record, and the numbers of lines whose quotes are never closed."""
    # where no cell goes on in the next line, all at once is faster
    if not any(line.count('"') % 2 for _, line in numbered):
        with suppress(csv.Error):
            rows = list(csv.reader((line for _, line in numbered), delimiter=mark, skipinitialspace=True))
            if len(rows) == len(numbered):
                return [(n, row) for (n, _), row in zip(numbered, rows, strict=True)], []
    out, bad, at = list[tuple[int, list[str]]](), list[int](), 0
    while at < len(numbered):
        number, line = numbered[at]
        some = [line]
        if line.count('"') % 2:  # a cell may go on in the next lines
            some = [each + "\n" for _, each in numbered[at : at + MOST_SPAN]]
        reader = csv.reader(some, delimiter=mark, skipinitialspace=True)
        try:
            row = next(reader)
        except csv.Error:
            bad.append(number)
            at += 1
            continue
        if reader.line_num > 1 and sum(each.count('"') for each in some[: reader.line_num]) % 2:
            bad.append(number)
            at += 1
            continue
        out.append((number, row))
        at += reader.line_num
    return out, bad


def _usual(counts: Sequence[int]) -> int:
    """The most frequent of some numbers, of equally frequent ones the greatest."""
    found = Counter(counts)
    return max(found, key=lambda count: (found[count], count), default=0)


def _separator(lines: Sequence[str]) -> str:
    """The character between cells: the one that all lines have, or nearly all equally often."""
    numbered = list(enumerate(lines))

    def evenness(mark: str) -> float:
        counts = [len(row) - 1 for _, row in _records_of(numbered, mark)[0]]
        if not counts or not (usual := _usual(counts)):
            return 0.0
        share = counts.count(usual) / len(counts)
        return share if min(counts) or share >= 1 - FEW else 0.0

    best = max("\t,;|", key=evenness)
    return best if evenness(best) else ""


def _json(content: Any, dataset: bool) -> Table:
    if isinstance(content, dict):
        if dataset and "labels" in content:
            content = content["labels"] or []
        elif isinstance(content.get("annotations"), list):
            raise Unread("it holds annotations of several to an image (COCO), not one class each")
        elif isinstance(content.get("labels"), dict | list):
            content = content["labels"]
    if isinstance(content, dict):
        if content and all(isinstance(value, dict) for value in content.values()):
            return _records([{"file_name": key, **value} for key, value in content.items()])
        content = list(content.items())
    if isinstance(content, list) and all(isinstance(row, dict) for row in content) and content:
        return _records(content)
    if isinstance(content, list) and all(isinstance(row, list | tuple) and len(row) == 2 for row in content):
        return Table(["file_name", "label"], content, dataset=dataset)
    raise Unread("it is no list of images and their classes")


def _records(records: list[Any]) -> Table:
    if not records or not all(isinstance(record, dict) for record in records):
        raise Unread("it is empty" if not records else "its lines are not JSON objects")
    columns = list(dict.fromkeys(key for record in records for key in record))
    return Table([str(c) for c in columns], [[record.get(c) for c in columns] for record in records])


def _parquet(raw: bytes) -> Table:
    try:
        import pyarrow.parquet as pq
    except ImportError as why:
        raise Unread("reading it needs pyarrow: pip install pyarrow") from why
    file = pq.ParquetFile(io.BytesIO(raw))
    if sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)) > 2 * MOST_TABLE:
        raise Unread(f"it is larger than {MOST_TABLE >> 20} MB")
    table = file.read()
    rows: list[Sequence[Any]] = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return Table(list(table.column_names), rows)
