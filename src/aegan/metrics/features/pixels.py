"""The pixels themselves: needs nothing, always there."""

from __future__ import annotations

from aegan.metrics.features._base import BatchedExtractor, Extractor, ExtractorRequest, averaged_down, register

SIDE = 16


def pixels(device: str = "cpu") -> Extractor:
    """The image itself, averaged down to at most 16 × 16: needs nothing, sees colour and layout, no texture."""
    about = {
        "name": "pixels",
        "sha256": "",
        "resizing": f"at most {SIDE}x{SIDE}, averaged, [-1, 1]",
        "features": "pixels",
    }
    return BatchedExtractor(about, lambda x: averaged_down(x, SIDE).flatten(1), 1024, device, (1, 3, 4))


@register("pixels")
def _make(asked: ExtractorRequest) -> Extractor:
    return pixels(asked.device)
