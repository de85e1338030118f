"""Names that say to which split something belongs: train, test_set, seg_train, val2017, trainA, …"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

WORDS = {
    "train": "train", "training": "train", "trainval": "train", "trn": "train",
    "test": "test", "testing": "test", "tst": "test", "holdout": "test", "heldout": "test", "eval": "test",
    "evaluation": "test", "pred": "test", "predict": "test", "prediction": "test", "submission": "test",
    "query": "test", "gallery": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "unlabeled": "unlabeled", "unlabelled": "unlabeled", "unsup": "unlabeled", "unsupervised": "unlabeled",
    "extra": "extra",
}  # fmt: skip
FILL = {
    "set", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "split",
    "folder", "dir", "files", "seg", "part", "sample",
}  # fmt: skip  # words that say nothing more
_GLUED = re.compile(
    rf"(?:seg|images?|imgs?)?({'|'.join(sorted(WORDS, key=len, reverse=True))})"
    r"(?:set|data|images?|imgs?|split|folder)?([ab]?)"
)


class SplitName(NamedTuple):
    """What a name says.

    Args:
        kind: "train", "test", "validation", "unlabeled" or "extra".
        rest: what else it says: "hr" of DIV2K_train_HR is "div k hr"; "" where it says nothing else.
        domain: "A" or "B" of trainA, trainB, the two sides of an unpaired set; else "".
        plain: it is the one word, which may also be a class (a train, a test).
    """

    kind: str
    rest: str = ""
    domain: str = ""
    plain: bool = False


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
        glued = _GLUED.fullmatch(part)
        if glued:
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
    parsed = {name: split_name(name) for name in names}
    by_kind: dict[str, set[str]] = {}
    for name, split in parsed.items():
        if split:
            by_kind.setdefault(split.kind, set()).add(name)
    for kind in ("train", "unlabeled"):
        if kind in by_kind and len(by_kind) > 1:
            return by_kind[kind]
    return set()
