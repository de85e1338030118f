"""From an image of any size to the training size: crop, resample, then a margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from aegan.data.format import WHITE, ImageFormat, colour_text
from aegan.pictures import composite

SIZES = (8, 16, 24, 32, 48, 64)  # of which one is suggested: a laptop copes, and whoever wants more asks for it
NEAR = 7 / 8  # of at least this share of the size, an image gets a margin, no enlarging: 28×28 becomes 32×32
NOTABLE = 0.05  # share of images that are transparent from which it may be meant


def suggest(short_side: float) -> int:
    """The size to train at where none is asked for: the largest that asks for no enlarging, at most 64.

    It depends on the median over the images of the shorter side, pixels.

    >>> [suggest(side) for side in (5, 8, 28, 47, 500)]
    [8, 8, 32, 48, 64]
    """
    return max((size for size in SIZES if size * NEAR <= short_side), default=SIZES[0])


@dataclass(frozen=True)
class Placing:
    """How an image of one size is brought to another."""

    box: tuple[int, int, int, int]  # (left, top, right, bottom) of what is kept of it
    inner: tuple[int, int]  # (height, width) to which that is resampled
    size: tuple[int, int]  # (H, W) of the result: what `inner` lacks becomes a margin, the image in its middle

    @property
    def plain(self) -> bool:
        """Whether nothing is resampled."""
        left, top, right, bottom = self.box
        return (bottom - top, right - left) == self.inner

    @property
    def edges(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The margin above and below, left and right."""
        rows, columns = self.size[0] - self.inner[0], self.size[1] - self.inner[1]
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def place(width: int, height: int, wanted: ImageFormat) -> Placing:
    """What `fit` does to an image of this size.

    >>> place(200, 100, ImageFormat((64, 96)))
    Placing(box=(25, 0, 175, 100), inner=(64, 96), size=(64, 96))
    >>> place(200, 100, ImageFormat((64, 96), fit="pad"))
    Placing(box=(0, 0, 200, 100), inner=(48, 96), size=(64, 96))
    """
    h, w = wanted.sides
    whole = (0, 0, width, height)
    if wanted.fit == "stretch":
        return Placing(whole, (h, w), (h, w))
    if wanted.fit == "pad":
        scale = min(w / width, h / height)
        if 1 <= scale <= 1 / NEAR:  # slightly too small, or just right: pixel for pixel
            return Placing(whole, (height, width), (h, w))
        return Placing(whole, (min(max(1, round(height * scale)), h), min(max(1, round(width * scale)), w)), (h, w))
    wide = max(1, round(height * w / h)) if width * h > height * w else width
    tall = max(1, round(width * h / w)) if width * h < height * w else height
    left, top = (width - wide) // 2, (height - tall) // 2
    box = (left, top, left + wide, top + tall)
    near = h * NEAR <= tall <= h and w * NEAR <= wide <= w
    return Placing(box, (tall, wide) if near else (h, w), (h, w))


def fit(image: Image.Image, wanted: ImageFormat) -> np.ndarray:
    """An image of mode L, RGB or RGBA at the size wanted, uint8 (H, W) or (H, W, C).

    Larger ones are averaged down with an antialiasing Lanczos filter; those slightly too small get a margin of their
    own border pixels, or with "pad" of the background; smaller ones are enlarged. With alpha, colours count by their
    alpha when they are averaged, the margin is transparent, and what is wholly transparent has the background's colour.
    """
    how = place(*image.size, wanted)
    if how.plain:
        image = image if how.box == (0, 0, *image.size) else image.crop(how.box)
    else:
        # reducing_gap: shrink by whole boxes first, Lanczos only from 3 × size: as good to the eye, several times as fast
        image = image.resize(how.inner[::-1], Image.Resampling.LANCZOS, box=how.box, reducing_gap=3.0)
    return _finished(np.asarray(image)[None], how, wanted)[0]


def fit_all(images: np.ndarray, wanted: ImageFormat) -> np.ndarray:
    """`fit` for images that share one shape: uint8 (N, h, w, C) to (N, H, W, C)."""
    n, h, w, c = images.shape
    how = place(w, h, wanted)
    left, top, right, bottom = how.box
    if how.plain:
        return np.ascontiguousarray(_finished(images[:, top:bottom, left:right], how, wanted))
    done = [fit(Image.fromarray(image[:, :, 0] if c == 1 else image), wanted) for image in images]
    return np.stack(done).reshape(n, *how.size, -1)


def _finished(pixels: np.ndarray, how: Placing, wanted: ImageFormat) -> np.ndarray:
    """Pixels (N, h, w) or (N, h, w, C) with their margin."""
    alpha = pixels.ndim == 4 and pixels.shape[3] == 4
    if how.inner != how.size and wanted.fit == "pad":
        pixels = _on_margin(pixels, how, wanted)
    elif how.inner != how.size:
        pixels = np.pad(pixels, ((0, 0), *how.edges, *((0, 0),) * (pixels.ndim - 3)), mode="edge")
    if alpha and not pixels[..., 3].all():
        pixels = np.array(pixels)
        pixels[..., :3][pixels[..., 3] == 0] = wanted.background
    return pixels


def _on_margin(pixels: np.ndarray, how: Placing, wanted: ImageFormat) -> np.ndarray:
    grey = pixels.ndim == 3 or pixels.shape[3] == 1
    if grey and wanted.channels != 1 and len(set(wanted.background)) > 1:  # grey images on a coloured margin
        pixels, grey = np.repeat(pixels.reshape(*pixels.shape[:3], 1), 3, axis=3), False
    if grey:
        fill = with_channels(np.array(wanted.background, np.uint8), 1)
    else:
        fill = np.array((*wanted.background, 0)[: pixels.shape[3]])
    out = np.full((len(pixels), *how.size, *pixels.shape[3:]), fill, np.uint8)
    (above, _), (before, _) = how.edges
    out[:, above : above + how.inner[0], before : before + how.inner[1]] = pixels
    return out


def describe_fit(widths: np.ndarray, heights: np.ndarray, wanted: ImageFormat, times: int = 1) -> list[str]:
    """What `fit` does to images of such widths and heights, in words; each stands for so many of them.

    >>> describe_fit(np.array([28, 28, 40]), np.array([28, 28, 40]), ImageFormat((32, 32)))
    ['1 image is larger than 32×32: reduced', '2 images are slightly smaller than 32×32: the border is repeated']
    """
    height, width = wanted.sides
    size = f"{width}×{height}"
    counts = dict.fromkeys(("shape", "reduced", "near", "enlarged"), 0)
    sizes, numbers = np.unique(np.stack([widths, heights], 1), axis=0, return_counts=True)
    for (w, h), n in zip(sizes.tolist(), numbers.tolist(), strict=True):
        how = place(w, h, wanted)
        left, top, right, bottom = how.box
        counts["shape"] += n * (w * height != h * width)
        inner, before = how.inner[0] * how.inner[1], (bottom - top) * (right - left)
        counts["reduced"] += n * (inner < before)
        counts["enlarged"] += n * (inner > before)
        short = [inside < side for inside, side in zip(how.inner, how.size, strict=True)]
        counts["near"] += n * (how.plain and (all if wanted.fit == "pad" else any)(short))
    shape, middle = ("square", "central square") if height == width else (f"{size} in shape", "middle")
    done = {"crop": f"cropped to the {middle}", "pad": "a margin is added", "stretch": "stretched"}
    margin = "a margin is added" if wanted.fit == "pad" else "the border is repeated"
    lines = {
        "shape": f"not {shape}: {done[wanted.fit]}",
        "reduced": f"larger than {size}: reduced",
        "near": f"slightly smaller than {size}: {margin}",
        "enlarged": f"smaller than {size}: enlarged, so blurred",
    }
    return [line for key, what in lines.items() for line in of_images(counts[key] * times, len(widths) * times, what)]


def of_images(n: int, count: int, what: str) -> list[str]:
    """The line that says that n of so many images are something; none where n is 0."""
    if n == 0:
        return []
    return [f"1 image is {what}" if n == 1 else f"{'all' if n == count else f'{n:,}'} images are {what}"]


def seen_through(n: int, count: int, wanted: ImageFormat) -> list[str]:
    """What is done where n of so many images are partly transparent, and what could be."""
    if wanted.channels == 4:
        none = ["no image is transparent: --transparent adds a channel that is always full"]
        return of_images(n, count, "partly transparent: alpha is kept") or none
    hint = ["transparent images can be learned as such: --transparent"] if n and n >= count * NOTABLE else []
    return of_images(n, count, f"partly transparent: composited on {colour_text(wanted.background)}") + hint


def with_channels(images: np.ndarray, channels: int, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Images uint8 (..., H, W, C), C = 1, 3 or 4, with the channels asked for.

    Grey is repeated; colour is weighted to luma (ITU-R 601); without alpha it becomes 255; alpha goes by laying the
    image on the background.
    """
    if images.shape[-1] == channels:
        return images
    if images.shape[-1] == 4:
        return with_channels(composite(images[..., :3], images[..., 3:], background), channels)
    if channels == 4:
        return np.concatenate([with_channels(images, 3), np.full_like(images[..., :1], 255)], -1)
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    weights = np.array([299, 587, 114], np.uint32)
    return ((images @ weights + 500) // 1000).astype(np.uint8)[..., None]
