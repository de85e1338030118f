"""Colours as their profile means them: Adobe RGB, Display P3, ProPhoto, CMYK, Lab and grey curves become sRGB."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageCms

Outcome = Literal["", "converted", "unusable", "by rule"]

SAME = 2  # of 255: a profile that changes no colour by more is sRGB under another name, and the pixels stay
KEPT = 64  # transforms that are remembered
SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}  # by mode; ICC's names, without spaces
_changes: dict[tuple[bytes, str], Any] = {}
_lock = threading.Lock()


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, Outcome]:
    """A loaded 8-bit image (of any mode but I, F and similar ones) in sRGB, by its ICC profile; and what was done.

    Where it was converted it is L, RGB, LA or RGBA, else untouched. What was done: "" nothing, "converted" by its profile,
    "unusable" where there is one that can't be used, "by rule" for CMYK and Lab without one.
    """
    if image.mode in ("P", "PA") and profile:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    mode = {"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode)
    outcome: Outcome = "unusable" if profile else ""
    if profile and mode in SPACES:
        change = _change_of(profile, mode)
        if change == "same":
            return image, ""
        if change != "unusable":
            plain = change(image if alpha is None else image.convert(mode))
            if "transparency" in image.info:  # of a colour that means so
                alpha = alpha or image.convert("RGBA").getchannel("A")
            if alpha is not None:
                plain.putalpha(alpha)
            return plain, "converted"
    if mode == "LAB":  # which Pillow's own conversion doesn't know
        return _transform(ImageCms.createProfile("LAB"), mode)(image), "by rule"
    if mode == "CMYK":
        return image.convert("RGB"), outcome or "by rule"
    return image, outcome


def _change_of(profile: bytes, mode: str) -> Any:
    """A function from image to image, or "same" or "unusable"; remembered, since it takes longer to make than to use."""
    key = (hashlib.blake2b(profile, digest_size=16).digest(), mode)
    with _lock:
        if key not in _changes:
            if len(_changes) == KEPT:
                _changes.clear()
            try:
                _changes[key] = _built(profile, mode)
            except Exception:  # ImportError of a Pillow without LittleCMS; PyCMSError, OSError and more of a bad one
                _changes[key] = "unusable"
        return _changes[key]


def _built(profile: bytes, mode: str) -> Any:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if source.profile.xcolor_space.strip().upper() != SPACES[mode]:
        return "unusable"
    change = _transform(source, mode)
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


def _transform(source: Any, mode: str) -> Callable[[Image.Image], Image.Image]:
    made = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")

    def change(image: Image.Image) -> Image.Image:
        out = ImageCms.applyTransform(image, made)
        assert out is not None  # None is for changes in place
        return out

    return change
