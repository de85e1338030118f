"""Probes against scikit-learn; codes, PCA and pixels where it is known which holds the classes."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import compare_codes, knn_accuracy, linear_probe


def classes(n: int, seed: int, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(seed)
    labels = g.integers(0, 3, n)
    return g.normal(size=(n, d)) + 1.2 * np.eye(3, d)[labels], labels


def test_equal_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    neighbours = pytest.importorskip("sklearn.neighbors")
    (x, y), (z, truth) = classes(300, 0), classes(200, 1)
    model = linear.LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit((x - x.mean(0)) / x.std(0), y)
    assert linear_probe(x, y, z, truth).value == pytest.approx(
        model.score((z - x.mean(0)) / x.std(0), truth), abs=0.006
    )
    knn = neighbours.KNeighborsClassifier(5).fit(x, y)
    assert knn_accuracy(x, y, z, truth).value == pytest.approx(knn.score(z, truth), abs=0.006)


def test_codes_beside_pca_and_pixels() -> None:
    """The classes lie along faint pixels, which PCA of the code's width cannot see and the codes are."""
    g = np.random.default_rng(0)
    labels, test_labels = g.integers(0, 2, 400), g.integers(0, 2, 200)

    def items(y: np.ndarray) -> np.ndarray:
        loud = g.normal(0, 50, (len(y), 30))
        return np.concatenate([loud, np.stack([y, 1 - y], 1) + g.normal(0, 0.2, (len(y), 2))], 1)

    x, z = items(labels), items(test_labels)
    found = compare_codes(x[:, -2:], x.reshape(-1, 4, 4, 2), labels, z[:, -2:], z.reshape(-1, 4, 4, 2), test_labels)
    assert found.codes.width == found.pca.width == 2 and found.pixels.width == 32
    assert found.codes.linear.value > 0.98 and found.codes.knn.value > 0.98
    assert found.pca.linear.value < 0.65 and found.pixels.linear.value > 0.95 and found.pixels.knn.value < 0.65
    assert 0.5 <= found.chance < 0.6


def test_constant_features_get_the_most_frequent_class() -> None:
    found = linear_probe(np.ones((10, 2)), np.arange(10) // 7, np.ones((4, 2)), np.array([0, 0, 0, 1]))
    assert found.value == 0.75


def test_bad_labels_are_named() -> None:
    x, y = classes(20, 0)
    with pytest.raises(UserError, match="two classes"):
        linear_probe(x, np.zeros(20, int), x, y)
    with pytest.raises(UserError, match="one label"):
        knn_accuracy(x, y[:-1], x, y)
    with pytest.raises(UserError, match="from 1 to 20"):
        knn_accuracy(x, y, x, y, k=21)
    with pytest.raises(UserError, match="20 and 20 codes of 19 and 20 items"):
        compare_codes(x, x[:-1], y, x, x, y)
