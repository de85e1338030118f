"""Any network as an extractor: its modes come back, its weights are recorded, its refusals are said."""

import numpy as np
import pytest
import torch
from torch import nn

from aegan.errors import UserError
from aegan.metrics.features import module_extractor

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


def test_eval_mode_is_enforced_and_restored() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    net[1].eval()
    extract = module_extractor(net, batch=2)
    first = extract(IMAGES)
    assert first.shape == (5, 4 * 6 * 6) and bool((first == extract(IMAGES)).all())
    assert net.training and not net[1].training and net[2].training


def test_normalisation_and_the_hash() -> None:
    found = module_extractor(nn.Flatten(), mean=(0.1, 0.2, 0.3), sd=(0.5, 0.4, 0.2))(IMAGES)
    want = (IMAGES / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.4, 0.2]
    np.testing.assert_allclose(found, want.transpose(0, 3, 1, 2).reshape(5, -1), atol=1e-5)
    net = nn.Linear(2, 2)
    before = module_extractor(net).describe()["sha256"]
    with torch.no_grad():
        net.weight[0, 0] += 1
    assert before != module_extractor(net).describe()["sha256"]


def test_refusals() -> None:
    with pytest.raises(UserError, match=r"\(5, 3, 8, 8\).*\(5, 8, 8, 3\)"):
        module_extractor(nn.Conv2d(1, 1, 3))(IMAGES)
    with pytest.raises(UserError, match="of 1 channel, got 3"):
        module_extractor(nn.Flatten(), channels=1)(IMAGES)
    with pytest.raises(UserError, match="not finite"):
        module_extractor(nn.Sequential(nn.Flatten(), nn.Threshold(9, float("nan"))))(IMAGES)
