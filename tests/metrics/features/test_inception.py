"""InceptionV3 of FID: its resizing by hand, its shapes, its names, and what is said of files that are not it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import aegan
from aegan.errors import UserError
from aegan.metrics import MissingExtractor, extractor
from aegan.metrics.features import inception
from aegan.metrics.features.inception import FILES, SIDE, InceptionV3, resize

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Random ones under the published names, with those of the classifier that is not used."""
    torch.manual_seed(0)
    net = InceptionV3()
    found = {k: v for k, v in net.layers.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name, v in found.items():
        if name.endswith("running_mean"):
            found[name] = 0.1 * torch.randn_like(v)
        elif name.endswith("running_var"):
            found[name] = 0.5 + torch.rand_like(v)
        elif name.endswith("conv.weight"):
            found[name] = torch.randn_like(v) * (2 / v[0].numel()) ** 0.5
    return found | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


@pytest.fixture(scope="module")
def file(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / FILES[0]
    torch.save(weights, path)
    return path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine's own files are not looked at."""
    torch.set_num_threads(1)
    monkeypatch.delenv("AEGAN_INCEPTION", raising=False)
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_resizing_by_hand() -> None:
    # 2 -> 4: outputs at 0, 0.5, 1, 1.5; past the last pixel it repeats. Half-pixel shifts would give 0, 25, 75, 100
    x = torch.tensor([[0.0, 100.0], [200.0, 300.0]])[None, None]
    want = torch.tensor([[0, 50, 100, 100], [100, 150, 200, 200], [200, 250, 300, 300], [200, 250, 300, 300]])
    assert bool((resize(x, 4)[0, 0] == want).all())
    # 4 -> 2: every other pixel, nothing averaged
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert bool((resize(x, 2) == x[:, :, ::2, ::2]).all())
    x = torch.rand(1, 3, 299, 299)
    assert bool((resize(x) == x).all())


def test_shapes_and_names_are_those_of_the_published_graph(weights: dict[str, Tensor]) -> None:
    assert weights["Mixed_6c.branch7x7dbl_4.conv.weight"].shape == (160, 160, 7, 1)
    assert weights["Mixed_7c.branch3x3dbl_3b.bn.running_var"].shape == (384,)
    # torchvision's inception_v3 has as many without auxiliary and last classifier: 21,785,568 with 2 × 17,216 of batch norms
    assert sum(v.numel() for k, v in weights.items() if k.endswith("conv.weight")) == 21_785_568 - 2 * 17_216
    net = InceptionV3().eval()
    sides, x = {}, torch.zeros(1, 3, 299, 299)
    with torch.no_grad():
        for name, layer in net.layers.named_children():
            x = layer(x)
            sides[name] = tuple(x.shape[1:])
    assert sides["Conv2d_2b_3x3"] == (64, 147, 147) and sides["pool_2"] == (192, 35, 35)
    assert sides["Mixed_5b"] == (256, 35, 35) and sides["Mixed_5d"] == (288, 35, 35)
    assert sides["Mixed_6a"] == (768, 17, 17) and sides["Mixed_6e"] == (768, 17, 17)
    assert sides["Mixed_7a"] == (1280, 8, 8) and sides["Mixed_7c"] == (2048, 8, 8)


def test_blocks_pool_as_the_graph_does() -> None:
    # with a branch_pool that passes its input on, an image of ones stays ones where padding is left out of averages
    block = inception.Mixed(4, inception.E, pooled=192)
    ones = torch.ones(1, 4, 5, 5)
    block.branch_pool = torch.nn.Identity()  # type: ignore[assignment]
    assert bool((block._pool(ones) == 1).all())
    block.maximum = True
    x = torch.rand(1, 4, 5, 5)
    assert float(block._pool(x)[0, 0, 0, 0]) == float(x[0, 0, :2, :2].max())


def test_the_folded_network_equals_the_plain_one(file: Path, weights: dict[str, Tensor]) -> None:
    net = InceptionV3()
    net.load(weights)
    x = resize(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float())
    with torch.no_grad():
        want = net.eval()((x - 128) / 128)
    got = extractor(f"inception:{file}")(IMAGES)
    assert got.shape == (2, 2048) and float((got - want).norm() / want.norm()) < 1e-5
    grey = extractor(f"inception:{file}")(IMAGES[:1, :, :, :1])
    torch.testing.assert_close(grey, extractor(f"inception:{file}")(IMAGES[:1, :, :, :1].repeat(3, axis=-1)))


def test_only_the_known_weights_are_fid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "frechet" not in extractor(f"inception:{file}").describe()
    monkeypatch.setattr(inception, "SHA256", extractor(f"inception:{file}").describe()["sha256"])
    assert extractor(f"inception:{file}").describe()["frechet"] == "FID"


@pytest.mark.parametrize("known", [False, True])
def test_evaluation_calls_it_fid_then_alone(file: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    monkeypatch.setattr(InceptionV3, "forward", lambda self, x: x.flatten(1)[:, :: 3 * SIDE * SIDE // 8])  # quick
    if known:
        monkeypatch.setattr(inception, "SHA256", extractor(f"inception:{file}").describe()["sha256"])
    images = np.random.default_rng(1).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    found = aegan.evaluate(images[:80], images[80:], metrics="fd", extractor=f"inception:{file}", reference=160)
    assert found.figures[0].value is not None
    assert found.figures[0].title == ("FID of samples" if known else "Fréchet distance of samples")


def test_where_the_file_is_looked_for(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtractor) as error:
        extractor("inception")
    for said in (FILES[0], str(tmp_path / "cache"), str(tmp_path / "torch" / "hub" / "checkpoints")):
        assert said in error.value.what
    assert "$AEGAN_INCEPTION" in error.value.fix and "inception:FILE" in error.value.fix
    with pytest.raises(MissingExtractor, match=r"no file of weights .*nothing\.pth"):
        extractor(f"inception:{tmp_path / 'nothing.pth'}")
    for folder, name in ((tmp_path / "torch" / "hub" / "checkpoints", FILES[1]), (tmp_path / "cache", FILES[0])):
        folder.mkdir(parents=True)
        (folder / name).symlink_to(file)
        assert inception._file(None) == folder / name
    monkeypatch.setenv("AEGAN_INCEPTION", str(file))
    assert inception._file(None) == file


def test_a_wrong_file_is_one_error(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "wrong.pth"
    wrong = [
        b"not weights",
        {k: v for k, v in weights.items() if "Mixed_7c" not in k},
        weights | {"extra": torch.zeros(1)},
        [1, 2],
    ]
    for what in wrong:
        if isinstance(what, bytes):
            path.write_bytes(what)
        else:
            torch.save(what, path)
        with pytest.raises(UserError, match=r"wrong\.pth does not hold the weights of FID's InceptionV3") as error:
            extractor(f"inception:{path}")
        assert "\n" not in str(error.value.what)
