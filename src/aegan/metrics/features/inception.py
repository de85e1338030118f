"""InceptionV3 as FID uses it (Heusel et al. 2017, 1706.08500): its weights, its network, its resizing.

The network is Inception of Szegedy et al. 2015 (1512.00567) in the TensorFlow graph of 2015-12-05, in which it differs
from later ones: averages leave padding out, and the last block takes a maximum where the paper takes an average. Written
by hand, because the packages that hold it need torchvision; the names of layers are those of the published file.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.folders import cache_root, home_cache
from aegan.metrics.features._base import BatchedExtractor, Extractor, ExtractorRequest, MissingExtractor, register
from aegan.networks.lite import fold_batch_norms

SIDE = 299
FILES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")  # one file, two names
SOURCE = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILES[0]}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # with any other weights it is not FID

Layer = tuple[int, int, int]  # channels out, kernel's height and width
Step = Layer | list[Layer]  # a list: all see the same input, their outputs are concatenated
Branches = dict[str, list[Step]]


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, a: int, layer: Layer, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        b, height, width = layer
        self.conv = nn.Conv2d(a, b, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(b, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Branches side by side, concatenated in this order, and after them a pooled one.

    Args:
        a: channels in.
        branches: steps one after another, by the branch's name; where there are several, their layers are numbered.
        pooled: channels of the convolution after the 3 × 3 average; 0: a maximum of stride 2, without convolution, and
            stride 2 in the last step of each branch, without padding.
        maximum: a maximum instead of the average.
    """

    def __init__(self, a: int, branches: Branches, *, pooled: int, maximum: bool = False) -> None:
        super().__init__()
        self.pooled, self.maximum = pooled, maximum
        self.branches: list[list[list[str]]] = []
        for branch, steps in branches.items():
            width, names = a, []
            for i, step in enumerate(steps, 1):
                fork = step if isinstance(step, list) else [step]
                number = f"_{i}" if len(steps) > 1 else ""
                names.append([f"{branch}{number}{letter}" for letter in ("ab" if len(fork) > 1 else [""])])
                halves = not pooled and i == len(steps)
                for name, layer in zip(names[-1], fork, strict=True):
                    pad = (0, 0) if halves else (layer[1] // 2, layer[2] // 2)
                    self.add_module(name, Conv(width, layer, 2 if halves else 1, pad))
                width = sum(layer[0] for layer in fork)
            self.branches.append(names)
        if pooled:
            self.branch_pool = Conv(a, (pooled, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out = []
        for branch in self.branches:
            y = x
            for names in branch:
                y = torch.cat([self.get_submodule(name)(y) for name in names], 1)
            out.append(y)
        return torch.cat([*out, self._pool(x)], 1)

    def _pool(self, x: Tensor) -> Tensor:
        if not self.pooled:
            return F.max_pool2d(x, 3, 2)
        if self.maximum:
            return self.branch_pool(F.max_pool2d(x, 3, 1, 1))
        return self.branch_pool(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))


# the branches of the kinds of block: at 35 × 35, from there to 17 × 17, at 17 × 17, to 8 × 8, and at 8 × 8
A: Branches = {
    "branch1x1": [(64, 1, 1)],
    "branch5x5": [(48, 1, 1), (64, 5, 5)],
    "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
}
B: Branches = {"branch3x3": [(384, 3, 3)], "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)]}
C: dict[int, Branches] = {
    n: {
        "branch1x1": [(192, 1, 1)],
        "branch7x7": [(n, 1, 1), (n, 1, 7), (192, 7, 1)],
        "branch7x7dbl": [(n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)],
    }
    for n in (128, 160, 192)
}
D: Branches = {
    "branch3x3": [(192, 1, 1), (320, 3, 3)],
    "branch7x7x3": [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)],
}
E: Branches = {
    "branch1x1": [(320, 1, 1)],
    "branch3x3": [(384, 1, 1), [(384, 1, 3), (384, 3, 1)]],
    "branch3x3dbl": [(448, 1, 1), (384, 3, 3), [(384, 1, 3), (384, 3, 1)]],
}


class InceptionV3(nn.Module):
    """float32 (N, 3, 299, 299) in [-1, 1) -> (N, 2048), the last block averaged over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential()  # in this order; their names are those of the file
        for name, layer in {
            "Conv2d_1a_3x3": Conv(3, (32, 3, 3), 2),
            "Conv2d_2a_3x3": Conv(32, (32, 3, 3)),
            "Conv2d_2b_3x3": Conv(32, (64, 3, 3), padding=(1, 1)),
            "pool_1": nn.MaxPool2d(3, 2),
            "Conv2d_3b_1x1": Conv(64, (80, 1, 1)),
            "Conv2d_4a_3x3": Conv(80, (192, 3, 3)),
            "pool_2": nn.MaxPool2d(3, 2),
            "Mixed_5b": Mixed(192, A, pooled=32),
            "Mixed_5c": Mixed(256, A, pooled=64),
            "Mixed_5d": Mixed(288, A, pooled=64),
            "Mixed_6a": Mixed(288, B, pooled=0),
            "Mixed_6b": Mixed(768, C[128], pooled=192),
            "Mixed_6c": Mixed(768, C[160], pooled=192),
            "Mixed_6d": Mixed(768, C[160], pooled=192),
            "Mixed_6e": Mixed(768, C[192], pooled=192),
            "Mixed_7a": Mixed(768, D, pooled=0),
            "Mixed_7b": Mixed(1280, E, pooled=192),
            "Mixed_7c": Mixed(2048, E, pooled=192, maximum=True),
        }.items():
            self.layers.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean((2, 3))

    def load(self, weights: dict[str, Tensor]) -> None:
        """Loads the published names: all but those of the classifier, which FID does not use.

        Raises:
            RuntimeError: names or shapes are not this network's.
        """
        counted = {k: v for k, v in self.layers.state_dict().items() if k.endswith("num_batches_tracked")}
        self.layers.load_state_dict(counted | {k: v for k, v in weights.items() if not k.startswith("fc.")})


def resize(x: Tensor, side: int = SIDE) -> Tensor:
    """Bilinear as in TensorFlow 1: pixel i of the output lies at i · in / out, without half-pixel shift or antialiasing.

    torch's own shifts by half a pixel, which moves FID. float32 (N, C, H, W) -> (N, C, side, side).
    """
    for axis in (3, 2):
        n = x.shape[axis]
        at = torch.arange(side, device=x.device) * torch.tensor(n / side, dtype=torch.float32, device=x.device)
        low = at.floor().long().clamp(max=n - 1)
        shape = [-1 if i == axis else 1 for i in range(4)]
        a, b = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=n - 1))
        x = a + (b - a) * (at - low).view(shape)
    return x


@register("inception", takes_file=True)
def _inception(asked: ExtractorRequest) -> Extractor:
    """InceptionV3 with the weights of a file; its Fréchet distance is called FID if they are FID's own.

    Images go to 299 × 299 by `resize`, then (x − 128) / 128; one channel is repeated to three. Always in eval mode and
    float32.
    """
    file, device, net = _file(asked.weights), asked.device, InceptionV3()
    try:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a stranger's file makes torch say is reported below, in one line
            weights = torch.load(file, map_location="cpu", weights_only=True)
        net.load(weights)
    except Exception as error:  # torch.load raises whatever the bytes lead it to
        raise UserError(
            f"{file} does not hold the weights of FID's InceptionV3 ({type(error).__name__}).",
            f"Use the file {FILES[0]} of pytorch-fid or torch-fidelity.",
        ) from error
    fold_batch_norms(net.eval().requires_grad_(False))
    # torch's annotations of `to` do not know memory_format
    net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def of(x: Tensor) -> Tensor:
        x = ((x + 1) * 127.5).round()  # exactly the pixels again
        x = ((resize(x) - 128) / 128).expand(-1, 3, -1, -1)
        y: Tensor = net(x.contiguous(memory_format=torch.channels_last))
        return y

    about = {
        "name": "inception",
        "sha256": sha256,
        "resizing": f"{SIDE}x{SIDE} bilinear as in TensorFlow 1, not antialiased, (x - 128) / 128",
        "features": "2048, pooled before the classifier",
    } | ({"frechet": "FID"} if sha256 == SHA256 else {})
    return BatchedExtractor(about, of, 16 if device == "cpu" else 128, device)


def _file(named: Path | None) -> Path:
    """The file of weights: the one named, $AEGAN_INCEPTION, or one of its two names in the usual folders."""
    asked = named or (Path(os.environ["AEGAN_INCEPTION"]) if os.environ.get("AEGAN_INCEPTION") else None)
    if asked is not None:
        if not asked.is_file():
            raise MissingExtractor(f"There is no file of weights {asked}.", f"It can be had from {SOURCE}")
        return asked
    # torch's folder is where pytorch-fid and torch-fidelity download it to
    home = os.environ.get("TORCH_HOME")
    homes = [Path(home)] if home else [place / "torch" for place in home_cache()]
    folders = [cache_root(), *(place / "hub" / "checkpoints" for place in homes)]
    for folder in folders:
        for name in FILES:
            if (folder / name).is_file():
                return folder / name
    raise MissingExtractor(
        f"The extractor 'inception' needs the file {FILES[0]}, which is not in {' nor in '.join(map(str, folders))}.",
        f"Put it there, set $AEGAN_INCEPTION, or write inception:FILE. It can be had from {SOURCE}",
    )
