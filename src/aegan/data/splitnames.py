"""Names that say to which split something belongs: train, test_set, seg_train, val2017, trainA, …"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

KINDS = {
    "train": "train training trainval trn",
    "test": "test testing tst holdout heldout eval evaluation pred predict prediction submission query gallery",
    "validation": "val valid validation dev",
    "unlabeled": "unlabeled unlabelled unsup unsupervised",
    "extra": "extra",
}
WORDS = {word: kind for kind, words in KINDS.items() for word in words.split()}
NO_SPLIT_ALONE = {"valid", "dev", "pred"}  # no splits where no other split stands beside them
ALSO_WORDS = {"val", "gallery", "query"}  # nor these beside classes: people, or places, are called so
FILL = {
    "set", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "split",
    "folder", "dir", "files", "seg", "part", "sample",
}  # fmt: skip  # words that say nothing more
_GLUED = re.compile(
    rf"(?:seg|images?|imgs?)?({'|'.join(sorted(WORDS, key=len, reverse=True))})"
    r"(?:set|data|images?|imgs?|split|folder)?([ab]?)"
)


class SplitName(NamedTuple):
    """What a name says."""

    kind: str  # "train", "test", "validation", "unlabeled" or "extra"
    rest: str = ""  # what else it says: of DIV2K_train_HR "div k hr"
    domain: str = ""  # "A" or "B" of trainA, trainB, the two sides of an unpaired set
    plain: bool = False  # it is the one word, which may also be a class (a train, a test)


def split_name(name: str) -> SplitName | None:
    """The split that a name belongs to; None where it names none.

    >>> split_name("training_set").kind, split_name("seg-test").kind, split_name("val2017").kind
    ('train', 'test', 'validation')
    >>> split_name("trainA"), split_name("asl_alphabet_test").rest, split_name("trainer")
    (SplitName(kind='train', rest='', domain='A', plain=False), 'asl alphabet', None)
    """
    parts = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    kinds, rest, domain = [], [], ""
    for part in map(str.lower, parts):
        if glued := _GLUED.fullmatch(part):
            kinds.append(WORDS[glued[1]])
            domain = domain or glued[2].upper()
        elif part in ("a", "b") and kinds:
            domain = part.upper()
        elif part not in FILL:
            rest.append(part)
    if not kinds or len(set(kinds) - {"validation"}) > 1:  # train_test_split is no split; train_val is one to train on
        return None
    kind = "train" if "train" in kinds else kinds[0]
    return SplitName(kind, " ".join(rest), domain, name.lower() in WORDS)


def trains(names: Iterable[str]) -> set[str]:
    """Of names that stand for several splits, those to train on; none where they don't.

    >>> sorted(trains(["train-00000", "train-00001", "test-00000"])), trains(["a", "b"])
    (['train-00000', 'train-00001'], set())
    """
    kinds = {name: split.kind for name in names if (split := split_name(name))}
    several = len(set(kinds.values())) > 1
    use = next((kind for kind in ("train", "unlabeled") if several and kind in kinds.values()), "")
    return {name for name, kind in kinds.items() if kind == use}
