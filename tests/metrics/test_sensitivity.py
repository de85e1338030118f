"""Each measure sees the fault that it is there for, more of it the stronger it is: real images, small counts, `pixels`."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from aegan.data import open_data
from aegan.metrics import (
    authenticity,
    copying,
    data_copying,
    extractor,
    frechet_distance,
    kernel_distance,
    ms_ssim,
    prdc,
    psnr,
    ssim,
)

Images = NDArray[np.uint8]
N = 400


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The script that makes the table of docs/evaluation.md: its faults are the ones tested here."""
    path = Path(__file__).parents[2] / "bench" / "sensitivity.py"
    spec = importlib.util.spec_from_file_location("sensitivity", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clothes() -> tuple[Images, Images, Images, NDArray[np.int64]]:
    """Training, held-out and new images, and the labels of the new ones."""
    data = open_data("fashion")
    items, labels = np.array(data.train.items[:5600]), np.array(data.train.labels)
    return items[:1200], items[1200:1600], items[1600:5600], labels[1600:5600]


def features(images: Images) -> NDArray[np.float32]:
    return extractor("pixels")(images).numpy()


def rises(values: list[float]) -> bool:
    return all(a < b for a, b in itertools.pairwise(values))


@pytest.mark.parametrize(
    ("fault", "strengths"), [("blur", (0, 1, 2, 4)), ("noise", (0, 32, 64, 128)), ("salt", (0, 0.05, 0.1, 0.3))]
)
def test_distances_and_pairs_see_what_is_done_to_pixels(
    bench: ModuleType, clothes: tuple, fault: str, strengths: tuple
) -> None:
    train, _, new, _ = clothes
    series = [getattr(bench, fault)(new[:N], s, np.random.default_rng(0)) for s in strengths]
    x = features(train)
    assert rises([frechet_distance(features(s), x) for s in series])
    assert rises([kernel_distance(features(s), x, subsets=2).value for s in series])
    for measure in (psnr, ssim, ms_ssim):
        assert rises([-float(measure(s[:100], new[:100]).mean()) for s in series]), measure.__name__


def test_recall_and_coverage_see_dropped_classes(bench: ModuleType, clothes: tuple) -> None:
    train, _, new, labels = clothes
    x = features(train)
    series = [features(new[np.flatnonzero(labels >= dropped)[:N]]) for dropped in (0, 3, 6, 8)]
    found = [prdc(x[:N], s) for s in series]
    assert rises([-f["recall"].value for f in found]) and rises([-f["coverage"].value for f in found])
    assert rises([frechet_distance(s, x) for s in series])
    assert (
        min(f["precision"].value for f in found) > found[0]["precision"].value - 0.1
    )  # blind to it: what is left is still real


def test_recall_and_coverage_see_repeated_samples_and_precision_does_not(bench: ModuleType, clothes: tuple) -> None:
    train, _, new, _ = clothes
    rng = np.random.default_rng(0)
    found = [prdc(features(train[:N]), features(new[bench.repeated(N, times, rng)])) for times in (1, 2, 5, 20)]
    assert rises([-f["coverage"].value for f in found])
    assert found[-1]["recall"].value < 0.5 * found[0]["recall"].value
    assert abs(found[-1]["precision"].value - found[0]["precision"].value) < 0.15


def test_tests_for_copies_see_memorised_images_and_distances_praise_them(bench: ModuleType, clothes: tuple) -> None:
    train, held_out, new, _ = clothes
    x, h = features(train), features(held_out)
    series = [np.concatenate([train[: int(s * N)], new[int(s * N) : N]]) for s in (0, 0.25, 0.5, 1)]
    clouds = [features(s) for s in series]
    assert rises([-authenticity(x, f).share.value for f in clouds])
    assert rises([-data_copying(x, h, f, cells=3).c_t for f in clouds])
    assert rises([copying(s, held_out, train).share.value for s in series])
    assert rises([copying(f, h, x).share.value for f in clouds])
    assert rises([-frechet_distance(f, x) for f in clouds])


def test_shuffled_channels_are_seen_by_distances_and_precision(bench: ModuleType, clothes: tuple) -> None:
    train, _, new, _ = clothes
    tinted = [np.uint8(each[:N] * bench.TINT) for each in (train, new)]
    series = [features(bench.shuffle(tinted[1], share, np.random.default_rng(0))) for share in (0, 0.25, 0.5, 1)]
    x = features(tinted[0])
    assert rises([frechet_distance(s, x) for s in series])
    assert rises([-prdc(x, s)["precision"].value for s in series])


def test_the_figure_tells_seen_from_unseen_and_turning(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "bench" / "sensitivity_figure.py"
    spec = importlib.util.spec_from_file_location("sensitivity_figure", path)
    assert spec and spec.loader
    figure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figure)
    clean = {"mean": 0.0, "sd": 1.0}
    assert figure.symbol(figure.verdict([0, 2, 5, 9, 20], clean), [0, 1, 2, 3, 4]) == "↑ 2"
    assert figure.symbol(figure.verdict([0, -4, -30, -20, -9], clean), [0, 1, 2, 3, 4]) == "↓ 1 ~"
    assert figure.symbol(figure.verdict([0, 1, 2, -1, 1], clean), [0, 1, 2, 3, 4]) == "·"
    assert figure.symbol(figure.verdict([0, 8, 9, 4, 1], clean), [0, 1, 2, 3, 4]) == "(turns)"
