"""Folders of numbers: parts that a large set was cut into, or classes? Decided by the numbers and the files in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

WORDED = re.compile(r"(.*?)(?:part|batch|shard|chunk|piece|images?|imgs?)s?[ _-]*\d+", re.IGNORECASE)
LONG = 4  # digits from which on padded numbers of equal folders are parts, whatever the files are called
STEP = 100  # as in 00000, 01000, 02000; angles are numbered in smaller ones
ROUND = 1_000  # tools that cut a set put a multiple of this in a folder


@dataclass
class FolderNumbers:
    """What lies directly in a folder."""

    count: int = 0  # images
    low: int = -1  # the least number that ends the name of one; -1 where not all are numbered
    high: int = -1  # the greatest
    others: set[str] = field(default_factory=set)  # names of other files, the first of them

    def add(self, stem: str) -> None:
        """One more image, of this name without its suffix."""
        digits = len(stem) - len(stem.rstrip("0123456789"))
        number = int(stem[-min(digits, 18) :]) if digits else -1
        self.low = min(self.low, number) if self.count else number
        self.high = max(self.high, number) if self.low >= 0 else -1
        self.count += 1

    @staticmethod
    def joined(some: Iterable[FolderNumbers]) -> FolderNumbers:
        """The same of several folders."""
        some = list(some)
        low = min(each.low for each in some)
        high = max(each.high for each in some) if low >= 0 else -1
        return FolderNumbers(sum(each.count for each in some), low, high)


def numbered_parts(folders: Mapping[str, FolderNumbers], known: bool = False) -> str:
    """Why these folders are parts of one set, by name; "" where they may be classes.

    Where it is `known` (by a `dataset.json`) that folders of numbers are parts, nothing else is looked at.

    >>> bool(numbered_parts({"00000": FolderNumbers(1000, 0, 999), "00001": FolderNumbers(40, 1000, 1039)}))
    True
    >>> numbered_parts({"0": FolderNumbers(5923), "1": FolderNumbers(6742)})
    ''
    """
    worded = [WORDED.fullmatch(name) for name in folders]
    if all(worded) and len({match[1] for match in worded if match}) == 1:
        return "numbered parts by their names"
    if not all(name.isdecimal() for name in folders):
        return ""
    if known:
        return "numbered folders beside a dataset.json"
    order = sorted(folders, key=int)
    numbers, facts = [int(name) for name in order], [folders[name] for name in order]
    sizes = [each.count for each in facts]
    usual = Counter(sizes[:-1]).most_common(1)[0][0]
    equal = sizes[:-1].count(usual) >= 0.9 * len(sizes[:-1]) and max(sizes) == usual
    near = min(sizes[:-1]) >= 0.5 * max(sizes)
    on = all(a.high < b.low for a, b in pairwise(facts)) and all(each.low >= 0 for each in facts)
    steps = {b - a for a, b in pairwise(numbers)}
    width = len(order[0])
    padded = all(len(name) == width for name in order) and width > len(str(numbers[-1]))
    if equal and len(steps) == 1 and min(steps) >= STEP and numbers[0] == 0 and len({len(name) for name in order}) == 1:
        return f"numbered in steps of {min(steps):,}, of equal size"
    if padded and on and near:
        return "padded numbers, and the files are numbered on from folder to folder"
    if padded and equal and width >= LONG and steps == {1} and (len(order) > 2 or sizes[0] == sizes[1]):
        return "padded numbers, of equal size"
    digits = len(order) <= 10 and numbers[-1] <= 9  # as classes of digits are stored
    if equal and on and not digits and usual % ROUND == 0 and steps == {1}:
        return f"{usual:,} files each, numbered on from folder to folder"
    return ""
