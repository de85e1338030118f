"""DINOv2 and CLIP, where the package transformers is installed and a model lies on this machine. Nothing is downloaded.

Through transformers and not timm, because timm requires torchvision. Their image processors are not used, since they
too need torchvision to be fast and differ between versions: resizing is ours, and written into every result.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.features._base import BatchedExtractor, Extractor, ExtractorRequest, MissingExtractor, register
from aegan.metrics.features._kept import hash_of


@dataclass(frozen=True)
class Kind:
    """How one family of models is loaded and read."""

    name: str  # of the extractor
    model: str  # its usual model on the hub, looked for in the local cache
    loader: str  # class in transformers
    output: str  # which of its outputs are the features
    side: int  # of the images it sees; 0: what its configuration says
    mean: tuple[float, ...]  # of the colours it was trained on, in [0, 1]
    sd: tuple[float, ...]


# ViT-L/14 as Stein et al. 2023 (2306.04675) compare it; its configuration says 518, images are evaluated at 224
DINOV2 = Kind(
    "dinov2", "facebook/dinov2-large", "Dinov2Model", "pooler_output", 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
# ViT-L/14 of Radford et al. 2021 (2103.00020)
CLIP = Kind(
    "clip", "openai/clip-vit-large-patch14", "CLIPVisionModelWithProjection", "image_embeds", 0,
    (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711),
)  # fmt: skip


def _pretrained(kind: Kind, asked: ExtractorRequest) -> Extractor:
    """A vision transformer; images go to `side` × `side` bicubically, antialiased. Always in eval mode and float32.

    What is loaded is a folder as `save_pretrained` writes it, or the usual model, which must be in the local cache.

    Raises:
        MissingExtractor: the package or the model is not here.
        UserError: it is another kind of model.
    """
    device = asked.device
    net = _load(kind, kind.model if asked.weights is None else asked.weights.as_posix())
    net = net.float().eval().requires_grad_(False)
    side = kind.side or int(net.config.image_size)
    about = {
        "name": kind.name,
        "sha256": hash_of(net),
        "resizing": f"{side}x{side} bicubic, antialiased, mean {list(kind.mean)}, sd {list(kind.sd)}",
        "features": f"{kind.output} of {kind.loader}",
    }
    net = net.to(device)
    mean, sd = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (kind.mean, kind.sd))

    def of(x: Tensor) -> Tensor:
        x = F.interpolate((x + 1) / 2, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
        y: Tensor = getattr(net(pixel_values=(x.expand(-1, 3, -1, -1) - mean) / sd), kind.output)
        return y

    return BatchedExtractor(about, of, 16 if device == "cpu" else 128, device)


def _load(kind: Kind, where: str) -> Any:
    """The network, whole: what transformers would fill with random numbers is an error."""
    try:
        transformers = importlib.import_module("transformers")
        loader = getattr(transformers, kind.loader)
    except (ImportError, AttributeError) as error:
        raise MissingExtractor(
            f"The extractor '{kind.name}' needs the package transformers ({type(error).__name__}).",
            "Install it: pip install transformers. Or use the extractor 'lite0'.",
        ) from None
    logging = transformers.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # its table of unused weights is long, and reported by us below where it matters
    try:
        # weights as safetensors only: the other format is pickle
        net, found = loader.from_pretrained(
            where, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except OSError:
        raise MissingExtractor(
            f"The extractor '{kind.name}' found no model '{where}' (config.json and model.safetensors) on this machine.",
            f"Download it where there is a network: hf download {kind.model}. Or write {kind.name}:FOLDER.",
        ) from None
    except (RuntimeError, ValueError, KeyError) as error:
        raise _other(kind, where, type(error).__name__) from error
    finally:
        logging.set_verbosity(before)
    if found["missing_keys"]:
        raise _other(kind, where, f"{len(found['missing_keys'])} weights are missing")
    return net


def _other(kind: Kind, where: str, why: str) -> UserError:
    return UserError(f"'{where}' is not a model of the kind {kind.loader}: {why}.", f"Give one like {kind.model}.")


for _kind in (DINOV2, CLIP):
    register(_kind.name, takes_file=True)(partial(_pretrained, _kind))
