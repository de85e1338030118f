"""Of the files of a source those to train on, each with its label: by its folders, and by the label files beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aegan.data.decode import SUFFIXES, Skip
from aegan.data.inspection import printable
from aegan.data.labels import Label
from aegan.data.layout import SPLIT, STRAY, SUB_FOLDERS, Layout, decide
from aegan.data.litter import RUN, left_by_a_program, results_inside
from aegan.data.matching import Index, Read, read_sheet, sheets
from aegan.data.parts import FolderNumbers
from aegan.data.tables import MOST_TABLES, LabelFile, Table, Unread, class_names, may_tell, read_table

COVERED = 0.9  # the share of the images that a label file must name to be the one that is used
OTHERS = 1_000  # files other than images whose names are remembered, a folder
SHOWN = 6  # label files that are named one by one
LABELS_FROM = "the labels are those of {}"
COPY = "the same file again, in a copy of its folder"
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
ARCHIVE = "archive: unpack it, and name the folder"


def suffix_of(name: str) -> str:
    base = name[name.rfind("/") + 1 :]
    at = base.rfind(".")
    return base[at:].lower() if at > 0 else ""


def facts_of(names: Iterable[str]) -> dict[str, FolderNumbers]:
    """What lies directly in each folder that holds files. Without any image by its name, files without a suffix count."""
    images: dict[str, FolderNumbers] = {}
    plain: dict[str, FolderNumbers] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        if (here := images.get(folder)) is None:
            here, plain[folder] = images.setdefault(folder, FolderNumbers()), FolderNumbers()
        if (suffix := suffix_of(base)) in SUFFIXES:
            here.add(base[: -len(suffix)])
        elif not suffix:
            plain[folder].add(base)
        if (suffix not in SUFFIXES or base.startswith(("fakes", "reals"))) and len(here.others) < OTHERS:
            here.others.add(base)
    return images if any(each.count for each in images.values()) else plain


def results(facts: Mapping[str, FolderNumbers]) -> dict[str, str]:
    """Why some of the folders are left out: they, or folders they lie in, are what a program left."""
    inside: dict[str, set[str]] = {folder: set(each.others) for folder, each in facts.items()}
    for folder in facts:
        while folder:
            above, name = posixpath.split(folder)
            inside.setdefault(above, set()).add(name)
            folder = above
    why = {
        folder: found
        for folder, names in inside.items()
        if folder and (found := left_by_a_program(posixpath.basename(folder), names))
    }
    for name in results_inside(inside.get("", ())):
        why[name] = RUN
    return {folder: why[found] for folder in facts if (found := next((f for f in _above(folder) if f in why), ""))}


def _above(folder: str) -> Iterable[str]:
    """The folder, and all those it lies in."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


@dataclass
class Choice:
    """What to do with each file of a source.

    Args:
        layout: what its folders mean.
        labels: of images by their paths, where a label file says; None: the folders say, or nothing does.
        title: of that file.
        held: images that a table holds back.
        copies: images that are copies of others.
        used: label files that were used.
        classes: class names by number, where they are known.
        notes: what was decided.
        labels_from: where the labels come from, or "none: " and why.
    """

    layout: Layout
    labels: Mapping[str, Label | None] | None = None
    title: str = ""
    held: frozenset[str] = frozenset()
    copies: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    labels_from: str = ""

    @staticmethod
    def all() -> Choice:
        """Everything, without labels."""
        return Choice(Layout(labels_from="none"), labels_from="none")

    def of(self, name: str) -> tuple[Label | None, str]:
        """(its label or None, why it is left out or "")."""
        folder, suffix = posixpath.dirname(name), suffix_of(name)
        if suffix in ARCHIVES:
            return None, ARCHIVE
        if name in self.copies:
            return None, COPY
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
        return label, "" if label is not None else f"no label in {self.title}"


def choose(
    names: Callable[[], Iterable[str]],
    facts: Mapping[str, FolderNumbers],
    files: Sequence[LabelFile],
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
    files = sorted(
        (f for f in files if posixpath.dirname(f.name) not in left), key=lambda f: (f.name.count("/"), f.name)
    )
    dataset = any(posixpath.basename(file.name).lower() == "dataset.json" for file in files)
    layout = decide({folder: each for folder, each in facts.items() if folder not in left}, title, parts=dataset)
    layout.left.update(left)
    out = Choice(layout, notes=list(layout.notes), labels_from=layout.labels_from)
    if layout.again:
        out.copies = same(layout.again)
        more = sum(facts[folder].count for folder in layout.again) - len(out.copies)
        said = f"the same folders once more inside: {_count(len(out.copies), 'image')} there twice, used once"
        out.notes.append(said + (f"; {more:,} more used with the rest" if more else ""))
    if files:
        _Files(out, files, names).read()
    if out.labels is None:
        out.notes += layout.about_classes
    return out


class _Files:
    """The label files of a source, and what becomes of each."""

    def __init__(self, out: Choice, files: Sequence[LabelFile], names: Callable[[], Iterable[str]]) -> None:
        self.out, self.files, self.names = out, files, names
        self.unused: list[str] = []
        self.by_folder = out.layout.labels_from == SUB_FOLDERS

    def read(self) -> None:
        tables, lists = self.tables()
        images = [name for name in self.names() if name not in self.out.copies]
        index = Index(images)
        own = {name for name in images if self.out.layout.left.get(posixpath.dirname(name), STRAY) == STRAY}
        read = [read_sheet(sheet, index) for sheet in sheets(tables, index)]
        for each in read:  # a labels.txt may be rows or a list of names
            if each.labels:
                lists = {name: words for name, words in lists.items() if name not in each.sheet.names}
        read = [each for each in read if not set(each.sheet.names) <= lists.keys()]
        own -= self.hold_back(read, own)
        chosen = self.choose(read, own)
        if chosen:
            lists = self.use(chosen, own, lists)
        self.say_unused(read, chosen, lists)

    def tables(self) -> tuple[list[tuple[LabelFile, Table]], dict[str, list[str]]]:
        """The files as tables, and those that may be lists of class names."""
        tables: list[tuple[LabelFile, Table]] = []
        lists: dict[str, list[str]] = {}
        for file in self.files[:MOST_TABLES]:
            try:
                if found := class_names(file):
                    lists[file.name] = found
                tables.append((file, read_table(file)))
            except (Unread, Skip) as why:
                self.unused.append(f"{printable(file.name)} is not used: {why}")
        if len(self.files) > MOST_TABLES:
            self.out.notes.append(f"of {len(self.files):,} tables the first {MOST_TABLES} are looked at")
        return tables, lists

    def hold_back(self, read: Sequence[Read], own: set[str]) -> set[str]:
        """The images that a column of splits, or a test.csv beside a train.csv, holds back."""
        kinds: dict[str, str] = {}
        where = ""
        for each in read:
            for image, kind in each.splits.items():
                if kinds.get(image) != "train":
                    kinds[image] = kind
            where = where or (each.sheet.title if set(each.splits.values()) - {"train"} else "")
        held = {image for image, kind in kinds.items() if kind != "train"} & own
        if held and "train" in kinds.values():
            self.out.held = frozenset(held)
            self.out.used = frozenset(name for each in read if each.splits for name in each.sheet.names)
            self.out.notes.append(
                f"only the split 'train' is used; held back for testing by {printable(where)}: {len(held):,} images"
            )
        return set(self.out.held)

    def choose(self, read: Sequence[Read], own: set[str]) -> Read | None:
        """The sheet whose labels are used, if there is one."""
        able = [each for each in read if each.column]
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

    def use(self, read: Read, own: set[str], lists: dict[str, list[str]]) -> dict[str, list[str]]:
        """Takes the labels of a sheet; returns the lists of names that are not used with it."""
        out, title = self.out, printable(read.sheet.title)
        labels = {image: label for image, label in read.labels.items() if label is not None}
        column = "" if read.sheet.dataset else f", {printable(read.column)}"
        out.notes.append(LABELS_FROM.format(f"{title}{column}"))
        labels = self.beside_folders(labels, own) if self.by_folder else labels
        numbers = [label for label in labels.values() if isinstance(label, int)]
        used = set(read.sheet.names)
        for name, words in lists.items():
            first = 0 if min(numbers, default=0) <= 0 else int(max(numbers) == len(words))
            if len(numbers) == len(labels) and all(0 <= n - first < len(words) for n in numbers):
                out.classes = tuple(map(printable, words))
                labels = {image: number - first for (image, _), number in zip(labels.items(), numbers, strict=True)}
                used.add(name)
                out.notes.append(f"the names of the classes are those of {printable(name)}")
                break
        if without := sum(image not in labels for image in own):
            out.notes.append(f"{_count(without, 'image')} without a label in {title}: left out")
        if absent := len(read.absent):
            shown = ", ".join(printable(name) for name in read.absent[:3]) + (", …" if absent > 3 else "")
            out.notes.append(f"{_count(absent, 'row')} of {title} for images that are not there ({shown})")
        if read.unused:
            out.notes.append(
                f"not used as labels: the columns {', '.join(map(printable, read.unused[:SHOWN]))} of {title}"
            )
        out.labels, out.title, out.labels_from, out.used = labels, title, f"{title}{column}", out.used | used
        return {name: words for name, words in lists.items() if name not in used}

    def beside_folders(self, labels: dict[str, Label], own: set[str]) -> dict[str, Label]:
        """The labels where the sub-folders say something too: where they agree, under the names of the folders."""
        classes = self.out.layout.classes
        pairs = {
            (classes[folder], labels[i]) for i in own & labels.keys() if (folder := posixpath.dirname(i)) in classes
        }
        folders, values = {a for a, _ in pairs}, {b for _, b in pairs}
        if not len(pairs) == len(folders) == len(values):
            self.out.notes.append("the sub-folders, which divide the images otherwise, are not the classes")
        elif all(isinstance(label, int) for label in values):
            naming = {label: name for name, label in pairs}
            self.out.notes.append(
                "the names of the classes are those of the sub-folders, which divide the images alike"
            )
            return {image: naming.get(label, str(label)) for image, label in labels.items()}
        return labels

    def say_unused(self, read: Sequence[Read], chosen: Read | None, lists: Mapping[str, list[str]]) -> None:
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
        for name, words in lists.items():
            if set(words) != folders:
                self.unused.append(
                    f"{printable(name)} is not used: it is a list of {len(words):,} names without images"
                )
        out.notes += self.unused[:SHOWN]
        if more := len(self.unused) - SHOWN:
            out.notes += [f"{more:,} further files like labels are not used"] if more > 0 else []


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def label_files(names: Iterable[str], reader: Callable[[str], Callable[[int], bytes]]) -> list[LabelFile]:
    """Of the files of a source those that may say which class each image has."""
    return [LabelFile(name, reader(name)) for name in names if may_tell(name)]
