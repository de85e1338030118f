"""Pictures of many examples: a grid of images, a scatter plot of vectors. NumPy and Pillow only."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from aegan.errors import UserError
from aegan.evenly import evenly

GAP = (127, 127, 127)  # between images: visible beside black and beside white pictures, on light and on dark pages
CHECKS, CHECK = (255, 208), 8  # greys of the board behind transparent images, and pixels of a field's side
INK = (31, 111, 235)  # samples in a scatter plot
SHADE = (176, 176, 176)  # reference points
STRAY = (209, 36, 47)  # samples outside the frame
PNG_LEVEL = 4  # of zlib: grids are as small as at 9, up to 25 times as fast
MOST = 5000  # points of a scatter plot, of samples and of the reference

Alpha: TypeAlias = Literal["checked", "kept"] | tuple[int, int, int]


def as_image(pixels: np.ndarray) -> Image.Image:
    """Of uint8 (H, W, C); of one channel a grey one."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    """The file of an image; `kind` and `how` are Pillow's."""
    if kind == "PNG":
        how.setdefault("compress_level", PNG_LEVEL)
    with io.BytesIO() as buffer:
        image.save(buffer, kind, **how)
        return buffer.getvalue()


def composite(colour: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """Straight colour uint8 (..., C), C = 1 or 3, over a background by its alpha (..., 1); grey stays grey on grey."""
    back = np.array(background, np.uint32)
    if colour.shape[-1] == 1 and len(set(background)) == 1:
        back = back[:1]
    a = alpha.astype(np.uint32)
    return ((colour.astype(np.uint32) * a + back * (255 - a) + 127) // 255).astype(np.uint8)


def grid(
    images: np.ndarray | Sequence[np.ndarray],
    columns: int = 8,
    pad: int = 2,
    scale: int | None = None,
    *,
    group: tuple[int, int] = (1, 1),
    alpha: Alpha = "checked",
) -> Image.Image:
    """One picture of N images, row by row from the top left.

    Args:
        images: uint8 (N, H, W, C) with C = 1, 3 or 4, or (N, H, W). Of C = 2 the first is shown.
        columns: images in a row; the last row may be shorter.
        pad: pixels of the finished picture between images.
        scale: whole-number enlargement, nearest neighbour. None: such that an image is at least 64 pixels wide.
        group: (rows, columns) that belong together; a gap three times as wide follows each such block.
        alpha: of C = 4: "checked" shows images on a checkerboard, "kept" keeps their alpha, (R, G, B) lays them on it.

    Returns:
        a picture of mode RGB, or RGBA where alpha is kept, at least one pixel a side.
    """
    items = np.asarray(images)
    items = items[..., None] if items.ndim == 3 else items
    if items.ndim != 4 or items.dtype != np.uint8:
        raise UserError(
            f"A grid needs uint8 images (N, H, W, C), got {items.dtype} {items.shape}.",
            "Convert with aegan.data.to_items.",
        )
    if columns < 1 or pad < 0 or (scale is not None and scale < 1) or min(group) < 1:
        raise UserError("A grid needs columns, scale and group of at least 1 and pad of at least 0.")
    n, h, w, c = items.shape
    items = items if c >= 3 else np.repeat(items[..., :1], 3, axis=-1)
    k = scale if scale is not None else max(1, math.ceil(64 / max(h, w, 1)))
    items = items.repeat(k, axis=1).repeat(k, axis=2)
    if c == 4 and alpha != "kept":
        items = on_checks(items) if alpha == "checked" else composite(items[..., :3], items[..., 3:], alpha)
    columns = min(columns, max(n, 1))
    rows = math.ceil(n / columns)
    tops = _starts(rows, h * k, pad, group[0])
    lefts = _starts(columns, w * k, pad, group[1])
    canvas = np.empty((max(tops[-1] - pad, 1), max(lefts[-1] - pad, 1), items.shape[3]), np.uint8)
    canvas[:] = (*GAP, 0)[: items.shape[3]]
    for i, item in enumerate(items):
        top, left = tops[i // columns], lefts[i % columns]
        canvas[top : top + h * k, left : left + w * k] = item
    return Image.fromarray(canvas)


def on_checks(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, H, W, 4) on a checkerboard of light greys, as is usual: (N, H, W, 3)."""
    h, w = images.shape[1:3]
    light = (np.add.outer(np.arange(h) // CHECK, np.arange(w) // CHECK) % 2 == 0)[None, :, :, None]
    pale, dark = (composite(images[..., :3], images[..., 3:], (grey,) * 3) for grey in CHECKS)
    return np.where(light, pale, dark)


def _starts(n: int, extent: int, pad: int, group: int) -> list[int]:
    """Where each of n tiles starts, and one more: where the next would."""
    wide = (3 * pad if i % group == 0 and group > 1 and i < n else pad for i in range(1, n + 1))
    return list(itertools.accumulate((extent + gap for gap in wide), initial=0))


def scatter(
    points: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    size: int = 480,
) -> Image.Image:
    """Generated vectors in blue over reference vectors in grey, on equal axes.

    Args:
        points: float (N, D). D = 1 is drawn against an even spread, D > 2 on the first two principal axes of the
            reference.
        reference: float (M, D): it sets the frame. None: the points themselves do.
        size: pixels a side. At most 5,000 of either are drawn, evenly spaced.

    Returns:
        an RGB picture. A point outside the frame sits on its edge in red; one that is not a number is left out.
    """
    points = np.asarray(points, np.float64)
    back = points if reference is None else np.asarray(reference, np.float64)
    if points.ndim != 2 or back.ndim != 2 or points.shape[1] != back.shape[1] or points.shape[1] < 1:
        raise UserError(f"A scatter plot needs vectors (N, D) on both sides, got {points.shape} and {back.shape}.")
    points, back = (p[np.isfinite(p).all(1)] for p in (points, back))
    points, back = (p[evenly(len(p), MOST)] for p in (points, back))
    frame = back if len(back) else points
    if not len(frame):
        return Image.new("RGB", (size, size), "white")
    points, back = (_plane(p, frame) for p in (points, back))
    frame = _plane(frame, frame)
    low, high = frame.min(0), frame.max(0)
    half = 0.58 * max(float((high - low).max()), 1e-9)
    centre = (low + high) / 2
    # Pillow draws hard-edged discs: draw at four times the size and shrink
    fine = 4 * size
    image = Image.new("RGB", (fine, fine), "white")
    draw = ImageDraw.Draw(image)

    def dots(p: np.ndarray, colour: tuple[int, int, int], radius: float) -> None:
        unit = (p - centre) / half
        for (x, y), out in zip(np.clip(unit, -0.985, 0.985), (np.abs(unit) > 0.985).any(1), strict=True):
            u, v, r = (1 + x) / 2 * fine, (1 - y) / 2 * fine, radius * 4
            draw.ellipse((u - r, v - r, u + r, v + r), fill=STRAY if out else colour)

    crowd = 2.4 if len(points) <= 600 else 1.5
    if reference is not None:
        dots(back, SHADE, crowd)
    dots(points, INK, crowd)
    draw.rectangle((0, 0, fine - 1, fine - 1), outline=GAP, width=4)
    return image.resize((size, size), Image.Resampling.BOX)


def _plane(points: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, 2): as they are, beside an even spread, or on the frame's first two principal axes."""
    if points.shape[1] == 2:
        return points
    if points.shape[1] == 1:
        spread = float(np.ptp(frame)) or 1.0
        return np.concatenate([points, spread * np.linspace(-0.4, 0.4, len(points))[:, None]], 1)
    axes = np.linalg.svd(frame - frame.mean(0), full_matrices=False)[2]
    axes = np.resize(axes, (2, points.shape[1])) if len(axes) < 2 else axes[:2]
    return np.asarray((points - frame.mean(0)) @ axes.T)
