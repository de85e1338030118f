"""Symbols to words and back: exact, near the model's own bits, and the same whatever adds up the sums."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from aegan.codec.coding import Damaged, code_words, pixel_words, words_to_codes, words_to_pixels
from aegan.codec.fixed import ONE, FixedNet, FixedPointMixture, log2_units, scales, sigmoids
from aegan.networks.entropy import CodeDensity, PixelDensity, hidden_net, logistic_mixture, steps_of

SHAPE = (6, 3, 4)


def stirred(net: nn.Module, seed: int = 0, size: float = 0.3) -> nn.Module:
    """With random weights, so that every input matters."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(size * torch.randn(p.shape, generator=rng))
    return net


@pytest.fixture(scope="module")
def density() -> CodeDensity:
    made = CodeDensity(SHAPE, 12)
    made.octaves.copy_(torch.tensor([5.0, 3.0, 2.0, 1.0, 0.0, -2.0]))
    stirred(made)
    return made


def some_codes(n: int = 40) -> np.ndarray:
    spread = np.array([20, 9, 5, 3, 1, 0.4]).reshape(-1, 1, 1)
    return np.rint(np.random.default_rng(0).laplace(0, spread, (n, *SHAPE))).astype(np.int64)


@pytest.mark.parametrize("step", [200, 256, 700, 3072])
def test_codes_come_back(density: CodeDensity, step: int) -> None:
    codes = some_codes()
    words = code_words(density, step, codes)
    assert np.array_equal(words_to_codes(words, density, step, len(codes)), codes)


def test_bits_are_those_of_the_density() -> None:
    density = CodeDensity(SHAPE, 12)
    density.octaves.copy_(torch.tensor([6.0, 5.0, 4.0, 4.0, 2.0, 1.0]))
    stirred(density, size=0.1)
    codes, step = some_codes(200), 512
    s = torch.full((200,), step / 256)
    with torch.no_grad():
        bits = float(density(torch.from_numpy(codes * 2.0).float(), s).sum())
    assert 32 * len(code_words(density, step, codes)) == pytest.approx(bits, rel=0.01)


def test_numbers_far_outside_come_back(density: CodeDensity) -> None:
    codes = some_codes(5)
    codes[0, 0, 0, 0], codes[1, 5, 2, 3], codes[2, 3, 1, 1] = 32_767, -32_768, 999
    words = code_words(density, 256, codes)
    assert np.array_equal(words_to_codes(words, density, 256, 5), codes)


@pytest.mark.parametrize(("channels", "joint"), [(1, True), (3, True), (2, False)])
def test_pixels_come_back(channels: int, joint: bool) -> None:
    density = stirred(PixelDensity(3 if channels == 3 else 1, 8))
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 256, (9, 8, 8, channels)).astype(np.uint8) * (rng.random((9, 8, 8, channels)) < 0.7)
    sizes = rng.integers(1, 9, (9, 2))
    for tile, (rows, cols) in zip(tiles, sizes, strict=True):
        tile[rows:], tile[:, cols:] = 0, 0
    words = pixel_words(density, tiles, sizes, joint)  # type: ignore[arg-type]
    back = words_to_pixels(words, density, (8, 8), channels, sizes, joint)  # type: ignore[arg-type]
    assert np.array_equal(back, tiles)


def test_pixel_bits_are_those_of_the_density() -> None:
    density = stirred(PixelDensity(1, 8), size=0.1)
    tiles = np.random.default_rng(2).integers(0, 256, (64, 8, 8, 1)).astype(np.uint8)
    x = torch.from_numpy(tiles).permute(0, 3, 1, 2) / 127.5 - 1
    torch.manual_seed(0)
    with torch.no_grad():
        bits = float(density(x, 4_000).mean())
    words = pixel_words(density, tiles, np.full((64, 2), 8), True)  # type: ignore[arg-type]
    assert 32 * len(words) / tiles.size == pytest.approx(bits, rel=0.02)


def test_words_of_another_density(density: CodeDensity) -> None:
    """They give other codes, or none; never an error of another kind."""
    other = stirred(CodeDensity(SHAPE, 12), seed=5)
    codes = some_codes()
    words = code_words(density, 256, codes)
    with contextlib.suppress(Damaged):
        assert not np.array_equal(words_to_codes(words, other, 256, len(codes)), codes)  # type: ignore[arg-type]


def test_sums_in_another_order() -> None:
    """Hidden units change places: floats would round differently, and here nothing changes."""
    net = stirred(hidden_net(30, 16, [0.0] * 5))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    other = hidden_net(30, 16, [0.0] * 5)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        other[0].weight.copy_(net[0].weight[order])  # type: ignore[union-attr,index,arg-type]
        other[0].bias.copy_(net[0].bias[order])  # type: ignore[union-attr,index,arg-type]
        other[2].weight.copy_(net[2].weight[:, order])  # type: ignore[union-attr,index,arg-type]
    inputs = np.rint(np.random.default_rng(0).normal(0, 300, (30, 500)))
    assert np.array_equal(FixedNet(net)(inputs), FixedNet(other)(inputs))
    x = torch.from_numpy(inputs.T / 256).float()
    with torch.no_grad():
        assert not torch.equal(net(x), other(x)), "the floats do differ, so that the test says something"
        assert np.allclose(FixedNet(net)(inputs) / 2**24, net(x).numpy().T, atol=0.02, rtol=0.01)


SCRIPT = """
import hashlib, numpy as np, torch
from aegan.codec.coding import code_words, pixel_words
from aegan.networks.entropy import CodeDensity, PixelDensity
torch.manual_seed(0)
H, Q = CodeDensity((16, 4, 4), 48), PixelDensity(3, 32)
with torch.no_grad():
    for p in [*H.parameters(), *Q.parameters()]:
        p.copy_(torch.from_numpy(np.random.default_rng(p.numel()).normal(0, 0.2, p.shape)))
rng = np.random.default_rng(0)
k = np.rint(rng.laplace(0, 4, (300, 16, 4, 4))).astype(np.int64)
x = rng.integers(0, 256, (300, 8, 8, 3)).astype(np.uint8)
both = code_words(H, 300, k).tobytes() + pixel_words(Q, x, np.full((300, 2), 8), True).tobytes()
print(hashlib.sha256(both).hexdigest())
"""


def test_the_same_words_on_any_number_of_threads() -> None:
    """And with other instructions: OpenBLAS is told to use the kernels of another processor."""
    said = set()
    for extra in ({"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "4"}, {"OPENBLAS_CORETYPE": "Prescott"}):
        env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | extra
        env |= {"OPENBLAS_NUM_THREADS": extra.get("OMP_NUM_THREADS", "1")}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1


def test_tables() -> None:
    table = sigmoids()
    assert table[len(table) // 2] == ONE // 2 and (np.diff(table) >= 0).all() and table[0] + table[-1] == ONE
    exact = 1 / (1 + np.exp(-(np.arange(len(table)) - len(table) // 2) / 1024))
    assert np.abs(table - ONE * exact).max() <= 0.51
    sigma, inverse = scales()
    assert np.allclose(sigma / 512 * inverse / 2**14, 1, atol=0.02) and sigma[0] == 32
    assert [log2_units(v) for v in (128, 256, 1024)] == [-256, 0, 512]


def test_a_mixture_in_whole_numbers() -> None:
    rng = torch.Generator().manual_seed(0)
    out = torch.randn(50, 5, generator=rng)
    edges = np.arange(-40, 41, 4)[None] * 512 // 4
    _, high = logistic_mixture(torch.from_numpy(edges / 512)[0].expand(50, -1), out[:, None], 0.0, 2.0, 1.0)
    fixed = FixedPointMixture(np.rint(out.numpy().T.astype(float) * 2**24), 2.0, 1)
    assert np.abs(fixed.cdf(edges) / ONE - high.numpy()).max() < 0.01


def test_rounding_towards_zero() -> None:
    y = torch.tensor([[-1.4, -0.55, 0.55, 0.61, 1.59, 1.61]])
    assert steps_of(y, torch.ones(1), 0.4).tolist() == [[-1, 0, 0, 1, 1, 2]]
    assert steps_of(2 * y, torch.full((1,), 2.0), 0.5).tolist() == [[-1, -1, 1, 1, 2, 2]]
