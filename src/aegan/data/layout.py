"""What the folders of a source mean: which are splits, classes, numbered parts, masks, or copies; and what to say of it.

Only the names of folders, how many images each holds and how these are numbered are looked at: a source of ten million
images has few folders.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field

from aegan.data.inspection import printable
from aegan.data.labels import natural, plain
from aegan.data.parts import FolderNumbers, numbered_parts
from aegan.data.splitnames import ALSO_WORDS, NO_SPLIT_ALONE, SplitName, split_name
from aegan.errors import UserError
from aegan.text import plural

IN_CLASSES = 2 / 3  # the share of the images that must lie in sub-folders for these to be classes
MOST = 0.5  # the share of the images that must lie in folders named after splits for these to be splits
DEEPEST = 12  # levels of wrapping folders
TESTS = ("test", "validation")
WANTING = "left out, for want of a class"
SPLIT, BESIDE, STRAY = "of another split than train", "beside the folders of the splits", "outside the class folders"
SUB_FOLDERS = "sub-folders"
_IMAGES = {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "inputs", "input", "rgb", "originals"}
_MASKS = {
    "masks", "mask", "labels", "annotations", "segmentationclass", "segmentationobject", "segmentations", "gt",
    "groundtruth", "trimaps", "annots", "segmaps",
}  # fmt: skip


@dataclass
class Layout:
    """What was decided."""

    classes: dict[str, str] = field(default_factory=dict)  # of the images in a folder, where the folders are classes
    left: dict[str, str] = field(default_factory=dict)  # why the images in a folder are left out
    again: dict[str, str] = field(default_factory=dict)  # of a folder in a copy of its parent, which it would copy
    notes: list[str] = field(default_factory=list)  # what is to be said
    about_classes: list[str] = field(default_factory=list)  # the same, unless a label file says the classes
    labels_from: str = ""  # "sub-folders", or "none: " and why


def decide(folders: Mapping[str, FolderNumbers], name: str, parts: bool = False) -> Layout:
    """What the folders of a source mean.

    Args:
        folders: all of them by path, "" for the source itself; each with what lies directly in it.
        name: of the source's own folder.
        parts: folders of numbers are known to be parts of one set, not classes.

    Raises:
        UserError: there are images of several splits, and none to train on.

    >>> two = FolderNumbers(2)
    >>> decide({"a/train/cat": two, "a/train/dog": two, "a/test/cat": two}, "data").classes
    {'a/train/cat': 'cat', 'a/train/dog': 'dog'}
    """
    deciding = _Deciding(folders, name)
    for _ in range(DEEPEST):
        if deciding.domains or not (deciding.nested() or deciding.masks() or deciding.splits() or deciding.descend()):
            break
    deciding.inner_splits()
    deciding.classes(parts)
    return deciding.out


class _Deciding:
    """One decision, level by level."""

    def __init__(self, folders: Mapping[str, FolderNumbers], name: str) -> None:
        self.folders, self.name, self.out = folders, name, Layout()
        # the folders not left out, each with the rest of its path below the level that is looked at; with no rest, its
        # images lie beside the folders of the level
        self.live = {each: tuple(p for p in each.split("/") if p not in ("", ".")) for each in folders}
        self.unlabelled = self.domains = False

    def heads(self, at: int = 0) -> Counter[str]:
        """The folders of a level, with the number of images under each; only those that hold any."""
        counts = Counter[str]()
        for each, rest in self.live.items():
            if len(rest) > at and self.folders[each].count:
                counts[rest[at]] += self.folders[each].count
        return counts

    def total(self) -> int:
        return sum(self.folders[each].count for each in self.live)

    def under(self, heads: Container[str], at: int = 0) -> list[str]:
        """The folders below some of a level."""
        return [each for each, rest in self.live.items() if len(rest) > at and rest[at] in heads]

    def leave(self, why: str, gone: Collection[str]) -> int:
        """Leaves out some folders; the number of their images."""
        for each in gone:
            del self.live[each]
            self.out.left[each] = why
        return sum(self.folders[each].count for each in gone)

    def descend(self) -> bool:
        """Goes into the one folder that holds nearly everything."""
        heads = self.heads()
        if len(heads) != 1 or heads.total() < IN_CLASSES * self.total():
            return False
        (head,) = heads
        if (split := split_name(head)) and split.kind != "train":
            self.out.notes.append(f"the only images are in '{printable(head)}': they are used")
        self.name = head
        for each, rest in self.live.items():
            self.live[each] = rest[1:] if rest[:1] == (head,) else ()
        return True

    def nested(self) -> bool:
        """The same folders once more inside one of them, as archives are often unpacked: cell/cell/…"""
        heads = self.heads()
        full = {rest for each, rest in self.live.items() if self.folders[each].count}
        for head in heads:
            inside = {rest[1] for rest in full if rest[:1] == (head,) and len(rest) > 1}
            others, named = set(heads) - {head}, head.lower() == self.name.lower()
            flat = not others and {(head,), ()} <= full
            if (len(inside) >= 2 and inside <= others) or (named and (inside & others or flat)):
                for each in self.under({head}):
                    rest = self.live[each]
                    self.live[each] = rest[1:]
                    self.out.again[each] = "/".join([*each.split("/")[: -len(rest)], *rest[1:]])
                return True
        return False

    def masks(self) -> bool:
        """Images and their masks, as sets for segmentation and detection are laid out."""
        heads = self.heads()
        gone = {head for head in heads if plain(head) in _MASKS}
        others = {plain(head) for head in set(heads) - gone}
        if not gone or not others or not others <= _IMAGES:
            # train beside train_masks
            stems = {h: re.sub(r"[\W_]*(masks?|annotations|labels|gt)$", "", h.lower()) for h in heads}
            bare = {re.sub(r"[\W_]*(images|imgs)$", "", h.lower()) for h in heads if stems[h] == h.lower()}
            gone = {h for h in heads if stems[h] != h.lower() and stems[h] in bare and split_name(stems[h])}
        if not gone:
            return False
        count = self.leave("a mask or an annotation beside the images", self.under(gone))
        self.out.notes.append(f"{_listed(gone)} beside the images: {count:,} masks or annotations are left out")
        return True

    def splits(self) -> bool:
        """Folders named after splits: of several, the one to train on."""
        heads = self.heads()
        parsed = {head: split for head in heads if (split := split_name(head))}
        use, kind = self.chosen(heads, parsed)
        if not use:
            return False
        others = {head: parsed[head].kind for head in parsed if head not in use}
        beside = sorted(set(heads) - parsed.keys() - use)
        held = {head: self.leave(SPLIT, self.under({head})) for head in others}
        held |= {head: self.leave(BESIDE, self.under({head})) for head in beside}
        self.leave(BESIDE, self.live.keys() - self.under(use))
        domains = {parsed[head].domain for head in use & parsed.keys()} - {""}
        rests = {parsed[head].rest for head in use & parsed.keys()}
        for each, rest in self.live.items():
            split = parsed.get(rest[0])
            first = split.domain if split and len(domains) > 1 else split.rest if split and len(rests) > 1 else ""
            keep = rest if len(use) > 1 and not split else rest[1:]
            self.live[each] = (first, *keep) if first else keep
        self.domains = len(domains) > 1 or len(rests) > 1
        self.unlabelled = self.unlabelled or kind == "unlabeled"
        self.say(use, held, others, kind)
        if len(domains) > 1:
            self.out.notes.append(f"the domains {' and '.join(sorted(domains))} are taken as classes")
        return True

    def chosen(self, heads: Mapping[str, int], parsed: Mapping[str, SplitName]) -> tuple[set[str], str]:
        """The folders to train on, and their kind; none where the folders are no splits."""
        groups: dict[str, set[str]] = defaultdict(set)
        for split in parsed.values():
            groups[split.rest].add(split.kind)
        # "steam train" is a split only beside a "steam test"
        good = {head for head, split in parsed.items() if not split.rest or len(groups[split.rest]) > 1}
        kinds = {parsed[head].kind for head in good}
        inside = sum(heads[head] for head in good)
        if len(kinds) > 1 and inside >= MOST * self.total():
            for kind in ("train", "unlabeled"):
                if kind in kinds:
                    return {head for head in good if parsed[head].kind == kind}, kind
            if good == set(heads):
                raise UserError(
                    f"There is nothing to train on: the folders are {_listed(good)}, which are held back for testing.",
                    "To train on one of them all the same, name that folder.",
                )
        train = {head for head in good if parsed[head].kind == "train"}
        if len({parsed[head].domain for head in train} - {""}) > 1 and train == set(heads):
            return train, "train"
        beside = set(heads) - good
        # one split alone: 'training_set', or 'train' with classes of its own, beside something else
        deep = any(sum(len(self.live[each]) > 1 for each in self.under({head})) > 1 for head in train)
        sure = deep or not any(parsed[head].plain for head in train)
        if train and beside and sure and inside >= MOST * self.total():
            return train, "train"
        images = {plain(head) for head in beside} <= _IMAGES
        held = any(
            parsed[h].kind in TESTS and h.lower() not in (NO_SPLIT_ALONE if images else NO_SPLIT_ALONE | ALSO_WORDS)
            for h in good
        )
        if held and not train and (len(beside) > 1 or (beside and images)):
            return beside - set(parsed), "rest"
        return set(), ""

    def say(self, use: set[str], held: Mapping[str, int], others: Mapping[str, str], kind: str) -> None:
        what = "without labels, only" if kind == "unlabeled" else "only"
        folders = f"folder {_listed(use)} is" if len(use) == 1 else f"folders {_listed(use)} are"
        said = f"{what} the {folders} used"
        back = [f"'{printable(h)}' {n:,}" for h, n in held.items() if others.get(h) in TESTS]
        more = [f"'{printable(h)}' {n:,}" for h, n in held.items() if others.get(h) not in TESTS and n]
        if back:
            said += f"; held back for testing: {', '.join(back)}"
        if more:
            said += f"; not used: {', '.join(more)}"
        self.out.notes.append(f"{said} (to use another folder, name it)")

    def inner_splits(self) -> None:
        """Splits inside each class: cats/train, cats/test."""
        heads = self.heads(1)
        parsed = {head: split for head in heads if (split := split_name(head)) and not split.rest}
        use = {head for head, split in parsed.items() if split.kind == "train"}
        if not use or len(parsed) == len(use) or sum(heads[h] for h in parsed) < MOST * self.total():
            return
        held = {head: self.leave(SPLIT, self.under({head}, 1)) for head in sorted(parsed.keys() - use)}
        for each in self.under(use, 1):
            first, _, *rest = self.live[each]
            self.live[each] = (first, *rest)
        self.say(use, held, {head: parsed[head].kind for head in held}, "train")

    def classes(self, parts: bool) -> None:
        """The folders of the last level as classes, or why they are none."""
        heads, out = self.heads(), self.out
        inside, total = heads.total(), self.total()
        names = {head: unicodedata.normalize("NFC", head) for head in heads}
        count = len(set(names.values()))
        why = said = ""
        if self.unlabelled:
            why = "the images used are the unlabelled ones"
        elif not heads:
            why = "no sub-folders"
        elif count < 2:
            why = "there is one folder only"
        elif why := self.parts(parts):
            first, *_, last = sorted(heads, key=natural)
            said = f"the folders '{first}' to '{last}' are parts of one set, not classes ({why}); if they are classes, "
            said += "list them in a labels.csv (file_name, label)"
        elif inside < IN_CLASSES * total:
            why = f"{total - inside:,} of {total:,} images lie beside the sub-folders"
            said = f"the {count} sub-folders are not taken as classes: {total - inside:,} images lie beside them"
        elif 2 * count > total:
            why = f"{count:,} sub-folders for {total:,} images"
            said = f"the {count:,} sub-folders are not taken as classes: with {total:,} images they hold fewer than two each"
        else:
            self.take(names)
            return
        out.labels_from = f"none: {why}"
        out.about_classes += [said] if said else []

    def parts(self, known: bool) -> str:
        """Why the folders are numbered parts of one set; "" if they aren't."""
        inside: dict[str, list[FolderNumbers]] = defaultdict(list)
        for each, rest in self.live.items():
            if rest and self.folders[each].count:
                inside[rest[0]].append(self.folders[each])
        return numbered_parts({head: FolderNumbers.joined(facts) for head, facts in inside.items()}, known)

    def take(self, names: Mapping[str, str]) -> None:
        """Takes the folders as classes, under these names."""
        out = self.out
        out.labels_from = SUB_FOLDERS
        out.about_classes.append("the sub-folders are taken as classes")
        for each, rest in self.live.items():
            if rest and rest[0] in names:
                out.classes[each] = printable(names[rest[0]])
            else:
                out.left[each] = STRAY
        if strays := sum(self.folders[each].count for each in self.live if each in out.left):
            said = f"{plural(strays, 'image')} beside the class folders: {WANTING}"
            out.about_classes.append(said)
        if both := [name for name, n in Counter(names.values()).items() if n > 1]:
            out.about_classes.append(f"{_listed(both)}: written in two Unicode forms, taken as one class")
        alike: dict[str, set[str]] = defaultdict(set)
        for name in names.values():
            alike[name.strip().casefold()].add(name)
        for some in alike.values():
            if len(some) > 1:
                out.about_classes.append(
                    f"classes whose names differ in case or spaces only, kept apart: {_listed(some)}"
                )


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names, key=lambda name: (natural(name), name))
    more = f" … ({len(shown)} in all)" if len(shown) > 6 else ""
    return ", ".join(f"'{printable(name)}'" for name in shown[:6]) + more
