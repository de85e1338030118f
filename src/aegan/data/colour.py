"""Colours as their profile means them: Adobe RGB, Display P3, ProPhoto, CMYK, Lab and grey curves become sRGB."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from typing import Any, Literal

import numpy as np
from PIL import Image

Outcome = Literal["", "converted", "unusable", "by rule"]

SAME = 2  # of 255: a profile that changes no colour by more is sRGB under another name, and the pixels stay
KEPT = 64  # transforms that are remembered
SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}  # by mode; ICC's names, without spaces


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, Outcome]:
    """A loaded 8-bit image in sRGB, and what was done.

    Args:
        image: of any mode but I, F and their kin.
        profile: its ICC profile, if it has one.

    Returns:
        (the image: L, RGB, LA or RGBA where it was converted, else untouched; what was done: "" nothing, "converted" by its
        profile, "unusable" where there is one that can't be used, "by rule" for CMYK and Lab without one).
    """
    if image.mode in ("P", "PA") and profile:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    mode = {"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode)
    outcome: Outcome = ""
    if profile and mode in SPACES:
        change = _changes.of(profile, mode)
        if change == "same":
            return image, ""
        if change != "unusable":
            plain = change(image if alpha is None else image.convert(mode))
            if alpha is not None:
                plain.putalpha(alpha)
            elif "transparency" in image.info:
                plain = _keyed(plain, image)
            return plain, "converted"
        outcome = "unusable"
    elif profile:
        outcome = "unusable"
    if mode == "LAB":
        return _lab(image), "by rule"
    if mode == "CMYK":
        return image.convert("RGB"), outcome or "by rule"
    return image, outcome


def _keyed(plain: Image.Image, image: Image.Image) -> Image.Image:
    """The converted image, transparent where the original's colour is the one that means so."""
    clear = image.convert("RGBA").getchannel("A")
    plain = plain.copy()
    plain.putalpha(clear)
    return plain


class _Changes:
    """Transforms to sRGB by profile and mode, remembered: building one takes longer than using it on a small image."""

    def __init__(self) -> None:
        self._lock, self._kept = threading.Lock(), OrderedDict[tuple[bytes, str], Any]()

    def of(self, profile: bytes, mode: str) -> Any:
        """A function from image to image, or "same" or "unusable"."""
        key = (hashlib.blake2b(profile, digest_size=16).digest(), mode)
        with self._lock:
            if key not in self._kept:
                try:
                    self._kept[key] = _built(profile, mode)
                except (
                    Exception
                ):  # ImportError of a Pillow without LittleCMS; PyCMSError, OSError and more of a bad one
                    self._kept[key] = "unusable"
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


_changes = _Changes()


def _built(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if source.profile.xcolor_space.strip().upper() != SPACES[mode]:
        return "unusable"
    made = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")

    def change(image: Image.Image) -> Image.Image:
        out = ImageCms.applyTransform(image, made)
        assert out is not None  # None is for changes in place
        return out

    if mode == "L":  # a grey stays one: its 256 values are looked up
        ramp = np.asarray(change(Image.fromarray(np.arange(256, dtype=np.uint8)[None])))[0, :, 0]
        if np.abs(ramp.astype(int) - np.arange(256)).max() <= SAME:
            return "same"
        return lambda image: image.point(ramp.tolist())
    if mode == "RGB":
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        probe = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(27, 27, 3)
        if np.abs(np.asarray(change(Image.fromarray(probe))).astype(int) - probe).max() <= SAME:
            return "same"
    return change


def _lab(image: Image.Image) -> Image.Image:
    """Lab without a profile, which Pillow's own conversion doesn't know."""
    from PIL import ImageCms

    made = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    out = ImageCms.applyTransform(image, made)
    assert out is not None
    return out
