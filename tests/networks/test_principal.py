"""Autoencoders that begin at principal components: the components, the start, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import aegan
from aegan.networks import build_autoencoder
from aegan.networks.principal import Components, PrincipalDecoder, PrincipalEncoder


def images(n: int = 60, seed: int = 0) -> torch.Tensor:
    """Blobs of few dimensions, and a little noise, (n, 3, 16, 16)."""
    rng = torch.Generator().manual_seed(seed)
    basis = torch.randn(12, 3 * 16 * 16, generator=rng) / 16
    x = torch.randn(n, 12, generator=rng) @ basis + 0.01 * torch.randn(n, 3 * 16 * 16, generator=rng)
    return x.view(n, 3, 16, 16)


def test_components_are_those_of_scikit_learn() -> None:
    x = images()
    found = Components((3, 16, 16), 8)
    share = found.fit(x)
    wanted = PCA(8, svd_solver="full").fit(x.flatten(1).numpy())
    np.testing.assert_allclose(found.deviation.numpy() ** 2, wanted.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.V.numpy().T @ wanted.components_.T), np.eye(8), atol=1e-3)
    assert share == pytest.approx(float(wanted.explained_variance_ratio_.sum()), rel=1e-3)
    assert torch.allclose(found(x).std(0), torch.ones(8), atol=1e-4)


def test_few_images_have_few_components_and_come_back_whole() -> None:
    x = images(5)
    found = Components((3, 16, 16), 8)
    assert found.fit(x) == pytest.approx(1)
    assert bool((found.V[:, 4:] == 0).all()), "five images span four dimensions around their mean"
    assert torch.allclose(found.inverse(found(x)), x, atol=1e-4)


def test_images_that_are_all_alike() -> None:
    x = images(1).expand(9, -1, -1, -1)
    found = Components((3, 16, 16), 4)
    found.fit(x)
    assert torch.allclose(found.inverse(found(x)), x, atol=1e-5)


def test_it_begins_at_the_linear_autoencoder() -> None:
    x, shape = images(), (3, 16, 16)
    E, G = build_autoencoder(shape, (8,), width=8)
    u, back = Components(shape, 8), Components(shape, 8)
    u.fit(x)
    back.load_state_dict(u.state_dict())
    encoder, decoder = PrincipalEncoder(u, E), PrincipalDecoder(back, G)  # type: ignore[arg-type]
    assert torch.equal(encoder(x), u(x)) and torch.equal(decoder(u(x)), u.inverse(u(x)))
    assert not {"V", "mean"} & {name.split(".")[-1] for name, _ in encoder.named_parameters()}, "they are not trained"


@pytest.mark.parametrize("strategy", ["autoencoder", "latent"])
def test_a_run_begins_there(strategy: str, make_shapes: Callable[..., Any], tmp_path: Path) -> None:
    x, _ = make_shapes(80)
    options = {"principal": 16, "width": 8, "components": (1,)}
    run = aegan.fit(x, strategy=strategy, out=tmp_path / "run", steps=8, device="cpu", progress=False, options=options)
    model = aegan.load(run.path, device="cpu")
    codes = model.encode(x)
    assert codes.shape == (80, 16)
    mean = x.mean(0, keepdims=True)
    assert np.abs(model.decode(codes) - x.astype(float)).mean() < 0.6 * np.abs(x - mean).mean(), "after eight steps"
