"""The metrics that need labels: the Inception-style score, and how much of the classes the codes hold."""

from __future__ import annotations

from functools import cache

import numpy as np

from aegan.data import Split
from aegan.errors import UserError
from aegan.evaluation.rows import Rows
from aegan.evaluation.task import Task
from aegan.metrics import Measured, Representation, compare_codes, inception_score
from aegan.metrics.features import Classifier, classifier

TRAIN, TEST = 10_000, 2000  # items a probe learns from, and is tested on
SIDE = 32  # larger images are averaged down before PCA and the probe of pixels, whose cost is the cube of their number


def inception(task: Task) -> None:
    """The Inception-style score, by a classifier of the data's own labels."""

    @cache
    def net() -> Classifier:
        found = classifier(task.data, device=task.device, progress=task.step("training a classifier"))
        task.remarks.append(f"The classifier is right on {found.accuracy:.1%} of {found.tested:,} held-out images.")
        return found

    def score(rows: Rows) -> Measured:
        p = np.concatenate([net().probabilities(piece).numpy() for piece in rows.pieces()])
        return inception_score(p[np.random.default_rng(0).permutation(len(p))])  # folders are in the order of classes

    task.add(
        "is", "Inception-style score", lambda: score(task.the_samples()), baseline=lambda: score(task.baseline),
        better="higher", count=task.count,
        meaning="exp of how sure a classifier is of each sample while being of many minds about all; it knows nothing of "
        "the data itself, and copies score perfectly.",
    )  # fmt: skip


def representation(task: Task) -> None:
    """Accuracy of a linear probe and of nearest neighbours on codes, beside PCA of the same width and raw pixels."""
    if not task.can("encode"):
        return

    @cache
    def found() -> Representation:
        train, labels = _labelled(task.data.train, TRAIN)
        test, truth = _labelled(task.data.held_out, TEST)
        assert task.model is not None
        task.step("probing codes")
        codes, test_codes = task.model.encode(train), task.model.encode(test)
        return compare_codes(codes, _small(train), labels, test_codes, _small(test), truth)

    for how, title in (("linear", "linear probe"), ("knn", "5 nearest neighbours")):
        for side, of in (("codes", "codes"), ("pca", "PCA of that width"), ("pixels", "raw pixels")):
            task.add(
                f"{how}_{side}", f"{title} on {of}",
                lambda how=how, side=side: getattr(getattr(found(), side), how),  # type: ignore[misc]
                better="higher", unit="%",
                count=min(len(task.data.held_out), TEST), against=min(len(task.data.train), TRAIN),
                meaning="Accuracy on held-out items; codes are worth their name where they beat PCA of the same width.",
            )  # fmt: skip


def _labelled(split: Split, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many items with their labels."""
    if split.labels is None or not len(split):
        raise UserError("needs labels, on held-out items too: put each class into a folder of its own")
    chosen = Rows([split.items]).choose(most, 0)
    return chosen[:], np.asarray(split.labels)[chosen.index]


def _small(items: np.ndarray) -> np.ndarray:
    """Images averaged down to at most SIDE, by whole blocks; anything else as it is."""
    if items.ndim != 4 or (k := -(-max(items.shape[1:3]) // SIDE)) == 1:
        return items
    n, h, w, c = items.shape
    h, w = h - h % k, w - w % k
    return items[:, :h, :w].reshape(n, h // k, k, w // k, k, c).mean((2, 4), dtype=np.float32)
