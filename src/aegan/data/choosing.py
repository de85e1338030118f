"""Of the files of a source those to train on, each with its label: by its folders, and by the label files beside them."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aegan.data.decode import SUFFIXES, Entry, Skip
from aegan.data.inspection import printable
from aegan.data.labels import Label
from aegan.data.layout import SPLIT, STRAY, SUB_FOLDERS, Layout, decide
from aegan.data.listing import RUN, left_by_a_program, results_inside
from aegan.data.matching import Index, Read, one_to_one, read_sheet, sheets
from aegan.data.parts import FolderNumbers
from aegan.data.tables import MOST_TABLES, Table, Unread, class_names, read_table
from aegan.text import plural

COVERED = 0.9  # the share of the images that a label file must name to be the one that is used
OTHERS = 1_000  # files other than images whose names are remembered, a folder
SHOWN = 6  # label files that are named one by one
NO_LABEL = "no label in"  # a label file; begins the reason to leave an image out
WITHOUT = "without a label in"  # the same in a note
LABELS_FROM = "the labels are those of {}"
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


def suffix_of(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def facts_of(names: Iterable[str]) -> dict[str, FolderNumbers]:
    """What lies directly in each folder that holds files. Without any image by its name, files without a suffix count."""
    images, plain = defaultdict[str, FolderNumbers](FolderNumbers), defaultdict[str, FolderNumbers](FolderNumbers)
    for name in names:
        folder, _, base = name.rpartition("/")
        here, without = images[folder], plain[folder]
        if (suffix := suffix_of(base)) in SUFFIXES:
            here.add(base[: -len(suffix)])
        elif not suffix:
            without.add(base)
        if (suffix not in SUFFIXES or base.startswith(("fakes", "reals"))) and len(here.others) < OTHERS:
            here.others.add(base)
    return images if any(each.count for each in images.values()) else plain


def results(facts: Mapping[str, FolderNumbers]) -> dict[str, str]:
    """Why some of the folders are left out: they, or folders they lie in, are what a program left."""
    inside: dict[str, set[str]] = {folder: set(each.others) for folder, each in facts.items()}
    for each in {above for folder in facts for above in _above(folder)}:
        parent, name = posixpath.split(each)
        inside.setdefault(parent, set()).add(name)
    why = {
        folder: found
        for folder, names in inside.items()
        if folder and (found := left_by_a_program(posixpath.basename(folder), names))
    }
    why |= dict.fromkeys(results_inside(inside.get("", ())), RUN)
    return {folder: why[found] for folder in facts if (found := next((f for f in _above(folder) if f in why), ""))}


def _above(folder: str) -> Iterable[str]:
    """The folder, and all those it lies in."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


@dataclass
class Choice:
    """What to do with each file of a source."""

    layout: Layout  # what its folders mean
    labels: Mapping[str, Label] | None = None  # of images by their paths, where a label file says
    title: str = ""  # of that file
    held: frozenset[str] = frozenset()  # images that a table holds back
    copies: frozenset[str] = frozenset()  # images that are copies of others
    used: frozenset[str] = frozenset()  # label files that were used
    classes: tuple[str, ...] = ()  # names by number, where they are known
    notes: list[str] = field(default_factory=list)  # what was decided
    labels_from: str = ""  # or "none: " and why

    @staticmethod
    def all() -> Choice:
        """Everything, without labels."""
        return Choice(Layout(labels_from="none"), labels_from="none")

    def of(self, name: str) -> tuple[Label | None, str]:
        """(its label or None, why it is left out or "")."""
        folder, suffix = posixpath.dirname(name), suffix_of(name)
        if suffix in ARCHIVES:
            return None, "archive: unpack it, and name the folder"
        if name in self.copies:
            return None, "the same file again, in a copy of its folder"
        why = self.layout.left.get(folder, "")
        if name in self.held:
            return None, SPLIT
        if self.labels is None:
            if why and suffix and suffix not in SUFFIXES:
                return None, f"not an image ({suffix})"
            return self.layout.classes.get(folder), why
        if why and why != STRAY:
            return None, why
        if suffix and suffix not in SUFFIXES:
            return None, f"not an image ({suffix})" if len(suffix) < 8 else "not an image (no known suffix)"
        label = self.labels.get(name)
        return label, "" if label is not None else f"{NO_LABEL} {self.title}"


def choose(
    names: Callable[[], Iterable[str]],
    facts: Mapping[str, FolderNumbers],
    files: Sequence[Entry],
    title: str,
    same: Callable[[Mapping[str, str]], frozenset[str]],
) -> Choice:
    """Decides what to train on, and which label each image has.

    Args:
        names: gives the paths of all images inside the source; asked for only where something needs them.
        facts: of `facts_of`.
        files: those that may say which class each image has.
        title: name of the source's own folder.
        same: given folders and the folders that they may be copies of, the images that are copies.

    Raises:
        UserError: there are images of several splits, and none to train on.
    """
    left = results(facts)
    files = [file for file in files if posixpath.dirname(file.name) not in left]
    files.sort(key=lambda file: (file.name.count("/"), file.name))
    dataset = any(posixpath.basename(file.name).lower() == "dataset.json" for file in files)
    layout = decide({folder: each for folder, each in facts.items() if folder not in left}, title, parts=dataset)
    layout.left.update(left)
    out = Choice(layout, notes=list(layout.notes), labels_from=layout.labels_from)
    if layout.again:
        out.copies = same(layout.again)
        more = sum(facts[folder].count for folder in layout.again) - len(out.copies)
        said = f"the same folders once more inside: {plural(len(out.copies), 'image')} there twice, used once"
        out.notes.append(said + (f"; {more:,} more used with the rest" if more else ""))
    if files:
        _Files(out, [name for name in names() if name not in out.copies]).read(files)
    if out.labels is None:
        out.notes += layout.about_classes
    return out


class _Files:
    """The label files of a source, and what becomes of each."""

    def __init__(self, out: Choice, images: Sequence[str]) -> None:
        self.out, self.index = out, Index(images)
        self.own = {name for name in images if out.layout.left.get(posixpath.dirname(name), STRAY) == STRAY}
        self.by_folder = out.layout.labels_from == SUB_FOLDERS
        self.lists: dict[str, list[str]] = {}  # of class names, by file
        self.bad: dict[str, Sequence[int]] = {}  # lines that could not be read, by file
        self.unused: list[str] = []

    def read(self, files: Sequence[Entry]) -> None:
        tables = self.tables(files)
        read = [read_sheet(sheet, self.index) for sheet in sheets(tables, self.index)]
        for each in read:  # a labels.txt may be rows or a list of names
            for name in each.sheet.names if each.labels else ():
                self.lists.pop(name, None)
        read = [each for each in read if not set(each.sheet.names) <= self.lists.keys()]
        self.hold_back(read)
        if chosen := self.choose(read):
            self.use(chosen)
        self.say_unused(read, chosen)

    def tables(self, files: Sequence[Entry]) -> list[tuple[Entry, Table]]:
        """The files as tables; those that may be lists of class names are remembered as such too."""
        tables: list[tuple[Entry, Table]] = []
        for file in files[:MOST_TABLES]:
            try:
                if found := class_names(file):
                    self.lists[file.name] = found
                table = read_table(file)
                tables.append((file, table))
                self.bad[file.name] = table.bad
            except (Unread, Skip) as why:
                self.unused.append(f"{printable(file.name)} is not used: {why}")
        if len(files) > MOST_TABLES:
            self.out.notes.append(f"of {len(files):,} tables the first {MOST_TABLES} are looked at")
        return tables

    def hold_back(self, read: Sequence[Read]) -> None:
        """Leaves out the images that a column of splits, or a test.csv beside a train.csv, holds back."""
        kinds: dict[str, str] = {}
        for each in read:
            kinds |= {image: kind for image, kind in each.splits.items() if kinds.get(image) != "train"}
        held = {image for image, kind in kinds.items() if kind != "train"} & self.own
        if held and "train" in kinds.values():
            where = next(each.sheet.title for each in read if set(each.splits.values()) - {"train"})
            self.own -= held
            self.out.held = frozenset(held)
            self.out.used = frozenset(name for each in read if each.splits for name in each.sheet.names)
            self.out.notes.append(
                f"only the split 'train' is used; held back for testing by {printable(where)}: {len(held):,} images"
            )

    def choose(self, read: Sequence[Read]) -> Read | None:
        """The sheet whose labels are used, if there is one."""
        own, able = self.own, [each for each in read if each.column]
        able.sort(key=lambda r: (not r.sheet.dataset, not r.usual, -len(own & r.labels.keys()), r.sheet.names[0]))
        for each in able:
            labelled = sum(each.labels.get(image) is not None for image in own)
            if self.by_folder and not each.usual:
                each.why = "the sub-folders are classes, and no column of it has a usual name of labels"
            elif labelled < COVERED * len(own) or not labelled:
                each.why = f"it has labels for {labelled:,} of {len(own):,} images"
            else:
                return each
        return None

    def use(self, read: Read) -> None:
        """Takes the labels of a sheet, and the names of its classes from a list of such."""
        out, title = self.out, printable(read.sheet.title)
        out.title, out.labels_from = title, title if read.sheet.dataset else f"{title}, {printable(read.column)}"
        out.used |= set(read.sheet.names)
        out.notes.append(LABELS_FROM.format(out.labels_from))
        for name in read.sheet.names:
            if bad := self.bad.get(name):
                which = ", ".join(map(str, bad[:3])) + (", …" if len(bad) > 3 else "")
                out.notes.append(
                    f"{plural(len(bad), 'line')} of {printable(name)} that can't be read: left out ({which})"
                )
        labels = {image: label for image, label in read.labels.items() if label is not None}
        labels = self.beside_folders(labels) if self.by_folder else labels
        numbers = [label for label in labels.values() if isinstance(label, int)]
        for name, words in self.lists.items():
            first = 0 if min(numbers, default=0) <= 0 else int(max(numbers) == len(words))
            if len(numbers) == len(labels) and all(0 <= n - first < len(words) for n in numbers):
                out.classes = tuple(map(printable, words))
                labels = {image: number - first for image, number in zip(labels, numbers, strict=True)}
                out.used |= {name}
                out.notes.append(f"the names of the classes are those of {printable(name)}")
                break
        self.lists = {name: words for name, words in self.lists.items() if name not in out.used}
        if without := sum(image not in labels for image in self.own):
            out.notes.append(f"{plural(without, 'image')} {WITHOUT} {title}: left out")
        if absent := len(read.absent):
            shown = ", ".join(printable(name) for name in read.absent[:3]) + (", …" if absent > 3 else "")
            out.notes.append(f"{plural(absent, 'row')} of {title} for images that are not there ({shown})")
        if read.unused:
            columns = ", ".join(map(printable, read.unused[:SHOWN]))
            out.notes.append(f"not used as labels: the columns {columns} of {title}")
        out.labels = labels

    def beside_folders(self, labels: dict[str, Label]) -> dict[str, Label]:
        """The labels where the sub-folders say something too: where they agree, under the names of the folders."""
        classes, notes = self.out.layout.classes, self.out.notes
        folders = {image: classes.get(posixpath.dirname(image)) for image in self.own & labels.keys()}
        pairs = {(labels[image], folder) for image, folder in folders.items() if folder is not None}
        if not one_to_one(pairs):
            notes.append("the sub-folders, which divide the images otherwise, are not the classes")
        elif all(isinstance(label, int) for label, _ in pairs):
            notes.append("the names of the classes are those of the sub-folders, which divide the images alike")
            naming = dict(pairs)
            return {image: naming.get(label, str(label)) for image, label in labels.items()}
        return labels

    def say_unused(self, read: Sequence[Read], chosen: Read | None) -> None:
        """One line for each file that might hold labels and isn't used."""
        out = self.out
        for each in read:
            if each is chosen or (each.splits and not each.column and out.held):
                continue
            if each.sheet.dataset and not each.sheet.rows:
                out.labels_from = "none: dataset.json has no labels" if out.labels is None else out.labels_from
                continue
            why = each.why or (f"the labels are those of {out.title}" if chosen else "it says nothing about classes")
            self.unused.append(f"{printable(each.sheet.title)} is not used: {why}")
        if self.unused and out.labels is None and not self.by_folder:
            out.labels_from += f"; {self.unused[0]}"
        folders = set(out.layout.classes.values())
        for name, words in self.lists.items():
            if set(words) != folders:
                said = f"it is a list of {len(words):,} names without images"
                self.unused.append(f"{printable(name)} is not used: {said}")
        out.notes += self.unused[:SHOWN]
        if (more := len(self.unused) - SHOWN) > 0:
            out.notes.append(f"{more:,} further files like labels are not used")
