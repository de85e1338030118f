"""The example with Keras models: a few steps of each way, and what Keras needs of us."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import aegan
from aegan import UserError
from aegan.data import DataSpec
from aegan.networks.custom import OwnCritic, use_networks
from aegan.strategies import strategy

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", minversion="3")

EXAMPLE = Path(__file__).parents[2] / "examples" / "keras_article.py"


@pytest.fixture(scope="module")
def article() -> Any:
    spec = importlib.util.spec_from_file_location("keras_article", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images(make_shapes: Any) -> np.ndarray:
    found: np.ndarray = make_shapes(60, 16, 1)[0]
    return found


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def test_no_other_backend_comes_along() -> None:
    assert keras.backend.backend() == "torch"
    assert "tensorflow" not in sys.modules and "torchvision" not in sys.modules


def test_each_function_trains_one_network(article: Any) -> None:
    torch.manual_seed(0)
    _, generator, discriminator = article.networks((16, 16, 1), 4)
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (generator, discriminator)]
    x, z = torch.rand(8, 16, 16, 1), torch.randn(8, 4)
    before = [weights(net) for net in (generator, discriminator)]
    loss = article.train_generator(generator, discriminator, optimizers[0], z)
    assert float(loss) > 0 and torch.equal(weights(discriminator), before[1])
    assert not torch.equal(weights(generator), before[0])
    middle = weights(generator)
    article.train_discriminator(discriminator, generator, optimizers[1], x, z)
    assert torch.equal(weights(generator), middle) and not torch.equal(weights(discriminator), before[1])


def test_by_hand(article: Any, images: np.ndarray) -> None:
    torch.manual_seed(0)
    made = article.by_hand(images, steps=20, encoding_dim=4, batch_size=8)
    assert made.shape == (16, 16, 16, 1) and made.dtype == np.uint8
    assert len(np.unique(made.reshape(16, -1), axis=0)) == 16


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, copying
def test_with_aegan(article: Any, images: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    run = article.with_aegan(images, out=str(tmp_path / "run"), steps=20, encoding_dim=4, progress=False)
    made = run.model.sample(5, seed=1)
    assert made.shape == (5, 16, 16, 1)
    again = aegan.load(run.path, networks=article.own_networks((16, 16, 1), 4))
    assert np.array_equal(again.sample(5, seed=1), made)
    assert np.array_equal(again.encode(images[:3]), run.model.encode(images[:3]))


def test_channels_last_is_found_and_layers_know_that_they_train() -> None:
    spec = DataSpec((3, 16, 16))
    D = keras.Sequential(
        [keras.layers.Conv2D(4, 3, strides=2), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    nets = use_networks(strategy("gan")(width=8, critic_width=8).build(spec), {"D": D}, spec, strategy="gan")
    assert isinstance(nets["D"], OwnCritic)
    x = torch.randn(4, 3, 16, 16)
    assert nets["D"](x).shape == (4,)
    assert not torch.equal(nets["D"](x), nets["D"](x)), "dropout while training"
    nets["D"].eval()
    assert torch.equal(nets["D"](x), nets["D"](x))


def test_wrong_shapes_of_a_keras_model_are_told() -> None:
    spec = DataSpec((1, 16, 16))
    E = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7)])
    with pytest.raises(UserError, match=r"\(2, 7\).*\(2, 64\)"):
        use_networks(strategy("latent")().build(spec), {"E": E}, spec, strategy="latent")


def test_a_model_that_cannot_be_copied_asks_for_a_function(article: Any, images: np.ndarray, tmp_path: Path) -> None:
    _, _, discriminator = article.networks((16, 16, 1), 4)
    run = aegan.fit(
        images, strategy="gan", out=tmp_path / "run", steps=2, size=16, progress=False, evaluate=False,
        networks={"D": discriminator}, options={"width": 8, "batch_size": 8, "gamma": 0.0, "loss": "nonsaturating"},
    )  # fmt: skip
    with pytest.raises(UserError, match="Give a function that makes it"):
        _ = run.model


def test_weights_keep_the_order_of_their_layers() -> None:
    """Keras names layers by how many the process has made; a name with more digits must not change the order."""
    import keras

    from aegan.networks.custom import KerasModule

    def shapes() -> list[tuple[int, ...]]:
        layers = [keras.layers.Dense(width) for width in range(2, 14)]  # of twelve in a row some have one digit more
        model = keras.Sequential([keras.layers.Input((1,)), *layers])
        return [tuple(p.shape) for p in KerasModule(model).parameters()]

    wanted = [shape for width in range(2, 14) for shape in ((max(width - 1, 1), width), (width,))]
    for _ in range(2):
        keras.utils.clear_session()  # names start at dense again
        assert shapes() == wanted
