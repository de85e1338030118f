"""The codec on Fashion-MNIST's held-out images beside WebP, JPEG, AVIF and PNG: prints what docs/codec.md quotes.

python bench/codec.py                          train for 10 minutes, then measure; writes docs/results/codec.json
python bench/codec.py --run runs/codec         measure a model that was trained before
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import aegan
from aegan.codec.rates import Curves, rate_distortion, write_curves
from aegan.metrics.features import extractor

WEBP_HEADER = 30  # bytes of RIFF, chunk and frame header of a lossy WebP, which a common container would hold once
DATA = "fashion"


def without_headers(curves: Curves) -> list[dict[str, float]]:
    """At the PSNR of each of our points: our bytes, and WebP's of single files less their headers, per image."""
    points = sorted(
        (p.psnr, p.bytes / curves.images - WEBP_HEADER)
        for p in curves.points
        if (p.codec, p.packing) == ("WebP", "files") and p.psnr is not None
    )
    rows = []
    for p in curves.points:
        if p.codec == "aegan" and p.psnr is not None and points[0][0] <= p.psnr <= points[-1][0]:
            theirs = float(np.exp(np.interp(p.psnr, [a for a, _ in points], [np.log(b) for _, b in points])))
            ours = p.bytes / curves.images
            rows.append({"psnr": p.psnr, "ours": ours, "webp": theirs, "share": ours / theirs})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--page", type=Path, default=Path("runs/rates-fashion"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/codec.json"))
    args = parser.parse_args()
    run = args.run or Path("runs/codec-fashion")
    if not run.exists():
        aegan.fit(DATA, strategy="codec", minutes=args.minutes, out=run)
    images = aegan.open_data(DATA).held_out.items[:2_000]
    curves = rate_distortion(aegan.load(run), np.asarray(images), DATA, extractor=extractor("lite0"), say=print)
    write_curves(curves, args.page)
    shared = without_headers(curves)
    for row in shared:
        print(
            f"{row['psnr']:.2f} dB: {row['ours']:.1f} bytes, WebP less its header {row['webp']:.1f}: {row['share']:.2f}"
        )
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    machine["threads"] = torch.get_num_threads()
    command = f"python bench/codec.py --minutes {args.minutes:g}"
    content = {"command": command, "machine": machine, "webp_less_header": shared, "compared": curves.compared()}
    args.out.write_text(json.dumps({**content, **asdict(curves)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
