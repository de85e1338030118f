"""Rate against distortion: the codec beside JPEG, WebP, AVIF and PNG on the same images, every byte counted."""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from aegan.codec.files import compress, decompress
from aegan.codec.images import cut, joined
from aegan.data.format import size_text
from aegan.data.inspection import size_shown
from aegan.errors import UserError
from aegan.files import write_json, write_text
from aegan.hints import Array
from aegan.metrics.features import Extractor
from aegan.metrics.frechet import frechet_between, statistics
from aegan.metrics.similarity import ms_ssim
from aegan.model import Model
from aegan.pages import columns, line_chart, render
from aegan.pictures import as_image, encoded

OURS = "aegan"
QUALITIES = (1, 20, 40, 60, 80, 100)
LOSSY = {"JPEG": (5, 10, 20, 35, 50, 70, 85), "WEBP": (0, 2, 5, 10, 20, 40, 60, 80), "AVIF": (5, 15, 30, 45, 60, 75)}
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "WEBP": {"lossless": True, "quality": 100, "method": 6},
}
MOST_SIDE, MOST_PIXELS = 16_383, 89_000_000  # of a mosaic: what WebP can hold, and Pillow reads
SHOWN = {"JPEG": "JPEG", "WEBP": "WebP", "AVIF": "AVIF", "PNG": "PNG"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Point:
    """One codec at one setting."""

    codec: str
    packing: str  # "container" (ours), "files" (an image each) or "mosaic" (all as one picture: the header is shared)
    setting: str  # quality, or "lossless"
    bytes: int  # in all
    bits_per_pixel: float
    psnr: float | None  # dB, of the mean squared error over all images; None: nothing was lost
    ms_ssim: float | None  # mean over images; None for images too small
    feature_distance: float | None  # Fréchet, from the features of the originals; None: not measured
    seconds_in: float  # to compress
    seconds_out: float  # to decompress


@dataclass(frozen=True)
class Curves:
    """All points, in the order measured, and what they were measured on."""

    data: str
    images: int
    side: int | str  # as `--size` takes it
    channels: int
    extractor: str  # of the feature distance; "" if there was none
    points: tuple[Point, ...]

    def at_psnr(self, codec: str, packing: str, psnr: float) -> float | None:
        """Bytes of a codec at a PSNR, between its points; None beyond them."""
        found = sorted(
            (p.psnr, math.log(p.bytes))
            for p in self.points
            if p.codec == codec and p.packing == packing and p.psnr is not None
        )
        if not found or not found[0][0] <= psnr <= found[-1][0]:
            return None
        return math.exp(float(np.interp(psnr, [a for a, _ in found], [b for _, b in found])))

    def compared(self) -> list[dict[str, Any]]:
        """At the PSNR of each of our points: our bytes as a share of each other codec's at that PSNR."""
        rows = []
        others = dict.fromkeys((p.codec, p.packing) for p in self.points if p.codec != OURS and p.psnr is not None)
        for p in self.points:
            if p.codec == OURS and p.psnr is not None:
                shares = {f"{c}, {how}": self.at_psnr(c, how, p.psnr) for c, how in others}
                own: dict[str, float | None] = {"psnr": p.psnr, "bytes": p.bytes}
                rows.append(own | {k: p.bytes / v if v else None for k, v in shares.items()})
        return rows


def rate_distortion(
    model: Model, images: Array, data: str, *, extractor: Extractor | None = None, say: Say = lambda _: None
) -> Curves:
    """Compresses images with our codec and the others at several settings, and compares what comes back.

    Args:
        model: trained by the strategy `codec`.
        images: uint8 (N, H, W, C), of the model's size; data: what to call them.
        extractor: for the feature distance.
        say: gets a line for each point.
    """
    if len(images) < 2:
        raise UserError("Rates need at least two images.", "Give more.")
    if images.shape[3] == 4:
        raise UserError(
            "Rates are compared with JPEG's, which has no alpha, and this model makes transparent images.",
            "Train the codec without --transparent.",
        )
    originals = None if extractor is None else statistics(extractor(images))
    points = []
    for codec, packing, setting, size, back, t_in, t_out in _all(model, images):
        same = np.array_equal(back, images)
        error = float(np.mean((back.astype(np.float32) - images) ** 2))
        psnr = None if same else 10 * math.log10(255**2 / error)
        apart = (
            None if extractor is None or originals is None else frechet_between(originals, statistics(extractor(back)))
        )
        rate = 8 * size / (images.size / images.shape[-1])
        similar = None if min(images.shape[1:3]) < 22 else float(ms_ssim(back, images).mean())
        point = Point(codec, packing, setting, size, rate, psnr, similar, apart, t_in, t_out)
        points.append(point)
        quality = "lossless" if point.psnr is None else f"{point.psnr:.2f} dB"
        say(f"{codec:6s} {packing:9s} {setting:>8s}  {point.bits_per_pixel:6.3f} bits a pixel  {quality}")
    named = "" if extractor is None else extractor.describe()["name"]
    return Curves(data, len(images), size_text(images.shape[1:3]), images.shape[3], named, tuple(points))


def _all(model: Model, images: Array) -> Iterator[tuple[str, str, str, int, Array, float, float]]:
    for quality in QUALITIES:
        yield OURS, "container", str(quality), *_ours(model, images, quality)
    if "Q" in model.networks:
        yield OURS, "container", "lossless", *_ours(model, images, None)
    tall, wide = (side * count for side, count in zip(images.shape[1:3], mosaic(len(images)), strict=True))
    whole = max(tall, wide) <= MOST_SIDE and tall * wide <= MOST_PIXELS  # else no program of that kind reads it
    packings = ("files", "mosaic") if whole else ("files",)
    for kind, settings in LOSSY.items():
        if kind == "AVIF" and not features.check("avif"):
            continue
        for packing in packings:
            for setting in settings:
                how: dict[str, Any] = {"quality": setting} | ({"method": 6} if kind == "WEBP" else {})
                yield SHOWN[kind], packing, str(setting), *_theirs(images, packing, kind, how)
    for kind, how in LOSSLESS.items():
        for packing in packings:
            yield SHOWN[kind], packing, "lossless", *_theirs(images, packing, kind, how)


def mosaic(n: int) -> tuple[int, int]:
    """Rows and columns of so many images in one.

    >>> mosaic(10)
    (3, 4)
    """
    columns = math.ceil(math.sqrt(n))
    return -(-n // columns), columns


def _ours(model: Model, images: Array, quality: int | None) -> tuple[int, Array, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / "images.npy", Path(folder) / "images.aeg"
        np.save(source, images)
        start = time.perf_counter()
        done = compress(model, str(source), path, quality=quality or 50, lossless=quality is None)
        packed_at = time.perf_counter()
        back = np.stack([picture.pixels for _, picture in decompress(path, model)[1]])
        return done.bytes, back, packed_at - start, time.perf_counter() - packed_at


def _theirs(images: Array, packing: str, kind: str, how: dict[str, Any]) -> tuple[int, Array, float, float]:
    n, height, width, channels = images.shape
    pictures = images
    if packing == "mosaic":
        rows, columns = mosaic(n)
        blank = np.zeros((rows * columns - n, height, width, channels), np.uint8)
        pictures = joined(np.concatenate([images, blank]), rows * height, columns * width)[None]
    start = time.perf_counter()
    stored = [encoded(as_image(pixels), kind, **how) for pixels in pictures]
    packed_at = time.perf_counter()
    mode = "L" if channels == 1 else "RGB"
    back = np.stack(
        [np.asarray(Image.open(io.BytesIO(raw)).convert(mode)).reshape(pictures.shape[1:]) for raw in stored]
    )
    seconds = time.perf_counter() - packed_at
    if packing == "mosaic":
        back = cut(back[0], (height, width))[:n]
    return sum(map(len, stored)), back, packed_at - start, seconds


# --- what is written ----------------------------------------------------------------------------------------------------


def write_curves(curves: Curves, folder: Path) -> None:
    """`rates.json` and `index.html`."""
    content = {**asdict(curves), "compared": curves.compared()}
    write_json(folder / "rates.json", content)
    write_text(folder / "index.html", page(curves))


def page(curves: Curves) -> str:
    """A page with a curve for each measure, and the tables."""
    measures = [
        ("psnr", "PSNR, dB: more is better"),
        ("ms_ssim", "MS-SSIM: more is better"),
        ("feature_distance", f"Fréchet distance of {curves.extractor} features: less is better"),
    ]
    names = list(dict.fromkeys((p.codec, p.packing) for p in curves.points))
    charts = []
    for key, title in measures:
        series = {}
        for codec, packing in names:
            curve = sorted(
                (p.bits_per_pixel, getattr(p, key))
                for p in curves.points
                if (p.codec, p.packing) == (codec, packing) and p.psnr is not None and getattr(p, key) is not None
            )
            if len(curve) > 1:
                label = codec if codec == OURS else f"{codec}, {packing}"
                series[label] = ([x for x, _ in curve], [y for _, y in curve])
        if series:
            charts.append(line_chart(title, series, x_title="bits a pixel, all bytes counted"))
    return render(
        "rates.html",
        title="Rate and distortion",
        source="rates.json",
        images=f"{curves.images:,}",
        side=size_shown(curves.side),
        data=curves.data,
        charts=charts,
        shares=_shares(curves.compared()),
        points=_points(curves),
    )


def _shares(rows: list[dict[str, Any]]) -> dict[str, Any]:
    others = [k for k in rows[0] if k not in ("psnr", "bytes")] if rows else []
    return {
        "columns": columns("PSNR, dB", "our bytes", *others),
        "rows": [
            [f"{r['psnr']:.2f}", f"{r['bytes']:,}", *(f"{r[k]:.2f}" if r[k] else "–" for k in others)] for r in rows
        ],
    }


def _points(curves: Curves) -> dict[str, Any]:
    def shown(value: float | None, digits: int) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    heads = ("codec", "packing", "setting", "bytes an image", "bits a pixel", "PSNR, dB", "MS-SSIM", "features")
    n = curves.images
    rows = [
        [
            p.codec, p.packing, p.setting, f"{p.bytes / n:.1f}", f"{p.bits_per_pixel:.3f}",
            "lossless" if p.psnr is None else f"{p.psnr:.2f}", shown(p.ms_ssim, 4), shown(p.feature_distance, 1),
            f"{n / p.seconds_in:,.0f}", f"{n / p.seconds_out:,.0f}",
        ]
        for p in curves.points
    ]  # fmt: skip
    return {"columns": columns(*heads, "in/s", "out/s"), "rows": rows}
