"""How much of the classes a code holds: a linear probe and nearest neighbours, beside PCA of its width and raw pixels.

By hand in torch, since scikit-learn is no dependency of evaluation; the tests hold both against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import pair
from aegan.metrics.interval import Measured
from aegan.metrics.nearest import nearest_items

STEPS = 200  # of L-BFGS, at most
Features = Tensor | np.ndarray


@dataclass(frozen=True)
class Probe:
    """Accuracy on test items of a linear probe and of k-NN, and the width of what they read."""

    linear: Measured
    knn: Measured
    width: int


@dataclass(frozen=True)
class Representation:
    """Codes, beside PCA of the same width and raw pixels; the share of the most frequent class."""

    codes: Probe
    pca: Probe
    pixels: Probe
    chance: float


def linear_probe(train: Features, train_labels: np.ndarray, test: Features, test_labels: np.ndarray) -> Measured:
    """Accuracy on test items of multinomial logistic regression fitted to training items, 95 % interval over test items.

    Each feature is standardised; the loss is mean cross-entropy + |W|² / 2N, as scikit-learn's with C = 1, by L-BFGS.

    Args:
        train (N, D), test (M, D), labels: whole numbers (N,) and (M,); at least two classes in training.
    """
    x, z, y, truth = _labelled(train, train_labels, test, test_labels, "A linear probe")
    mean, sd = x.mean(0), x.std(0, correction=0)
    sd[sd == 0] = 1  # a constant feature says nothing
    x, z = (x - mean) / sd, (z - mean) / sd
    weight = torch.zeros(int(y.max()) + 1, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(len(weight), dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ weight.T + bias, y) + weight.square().sum() / (2 * len(x))
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return _accuracy((z @ weight.T + bias).argmax(1) == truth)


def knn_accuracy(
    train: Features, train_labels: np.ndarray, test: Features, test_labels: np.ndarray, *, k: int = 5
) -> Measured:
    """Accuracy on test items of a vote among the k nearest training items; of equal votes the smallest label wins.

    >>> knn_accuracy(np.array([[0.0], [1.0]]), np.array([0, 1]), np.array([[0.2]]), np.array([0]), k=1).value
    1.0
    """
    x, z, y, truth = _labelled(train, train_labels, test, test_labels, "k-NN accuracy")
    if not 1 <= k <= len(x):
        raise UserError(f"k-NN accuracy needs k from 1 to {len(x):,}, the training items, got {k}.")
    index, _ = nearest_items(z.numpy(), x.numpy(), k)
    votes = F.one_hot(y[torch.from_numpy(index)], int(y.max()) + 1).sum(1)
    return _accuracy(votes.argmax(1) == truth)


def compare_codes(
    codes: Features,
    pixels: np.ndarray,
    labels: np.ndarray,
    test_codes: Features,
    test_pixels: np.ndarray,
    test_labels: np.ndarray,
) -> Representation:
    """Probe and k-NN accuracy of codes, of as many principal components of the pixels, and of the pixels.

    Args:
        codes: of training items, (N, D) or (N, ...), which is flattened; pixels: the same items, (N, ...).
        labels: whole numbers (N,). The three of test items likewise.
    """
    code, test_code, pixel, test_pixel = (
        torch.as_tensor(np.asarray(v)).float().flatten(1) for v in (codes, test_codes, pixels, test_pixels)
    )
    if len(pixel) != len(code) or len(test_pixel) != len(test_code):
        raise UserError(
            f"There are {len(code):,} and {len(test_code):,} codes of {len(pixel):,} and {len(test_pixel):,} items."
        )
    width = min(code.shape[1], pixel.shape[1])
    mean = pixel.mean(0)
    _, axes = torch.linalg.eigh((pixel - mean).T.double() @ (pixel - mean).double())
    axes = axes[:, -width:].float()
    sides = {
        "codes": (code, test_code),
        "pca": ((pixel - mean) @ axes, (test_pixel - mean) @ axes),
        "pixels": (pixel, test_pixel),
    }
    probes = {
        name: Probe(linear_probe(a, labels, b, test_labels), knn_accuracy(a, labels, b, test_labels), int(a.shape[1]))
        for name, (a, b) in sides.items()
    }
    chance = float(np.bincount(test_labels).max() / len(test_labels))
    return Representation(**probes, chance=chance)


def _labelled(
    train: Features, train_labels: np.ndarray, test: Features, test_labels: np.ndarray, what: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, z = pair(train, test, least=1, what=what, sides=("training items", "test items"))
    y, truth = (torch.as_tensor(np.asarray(v)).long() for v in (train_labels, test_labels))
    if y.shape != (len(x),) or truth.shape != (len(z),) or int(min(y.min(), truth.min())) < 0:
        raise UserError(
            f"{what} needs one label (0, 1, …) for each item, got {tuple(y.shape)} and {tuple(truth.shape)}."
        )
    if len(y.unique()) < 2:
        raise UserError(f"{what} needs at least two classes, got one.")
    return x, z, y, truth


def _accuracy(right: Tensor) -> Measured:
    return Measured.share(float(right.double().mean()), len(right))
