"""The cards of finished runs side by side, as one picture: samples above, figures with intervals and baselines below.

    python bench/cards.py runs/latent runs/gan runs/vae --out docs/images/cards.png

Each run is evaluated as `aegan evaluate RUN` does, unless it has been already. Runs that were evaluated under different
conditions are refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from aegan import Run
from aegan.errors import UserError
from aegan.evaluation import Evaluation, evaluate_run
from aegan.evaluation.compare import Comparison, compare
from aegan.pictures import grid
from aegan.text import show

SHOWN = (
    "fd", "kd", "precision", "recall", "coverage", "copies", "authenticity", "fd_reconstructions", "psnr", "ssim",
)  # fmt: skip
SIDE, COLUMNS = 6, 5  # samples: rows and columns
LABEL, COLUMN, PERFECT, LINE, GAP = 340, 330, 110, 46, 16  # pixels
INK, SOFT, RULE = "#1b1f24", "#57606a", "#d5dae0"
WAY = {"lower": "lower is better", "higher": "higher is better", "near": "best near the baseline"}


def result(run: Run) -> Evaluation:
    """The run's evaluation, made now where there is none that this version can read."""
    try:
        return Evaluation.read(run.path / "evaluation.json")
    except UserError:
        return evaluate_run(run, progress=True)


def card(runs: list[Run], found: Comparison) -> Image.Image:
    """The picture."""
    large, plain, small = (ImageFont.load_default(size) for size in (24, 18, 14))
    pictures = [samples(run) for run in runs]
    rows = [row for row in found.figures if any(f is not None and f.name in SHOWN for f in row)]
    top = 48 + max(p.height for p in pictures) + GAP
    width = LABEL + COLUMN * len(runs) + PERFECT + 2 * GAP
    height = top + LINE * (len(rows) + 1) + 3 * GAP + 24
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    right = width - GAP
    for i, (run, picture) in enumerate(zip(runs, pictures, strict=True)):
        edge = LABEL + COLUMN * (i + 1)
        draw.text((edge, GAP), run.config.run.strategy, INK, large, anchor="ra")
        image.paste(picture, (edge - picture.width, 48 + GAP // 2))
    y = top + LINE // 2
    draw.text((right, y), "baseline", SOFT, plain, anchor="ra")
    draw.text((GAP, y), "value [95 % interval]", SOFT, plain)
    for row in rows:
        y += LINE
        draw.line((GAP, y - 6, right, y - 6), RULE)
        known = next(f for f in row if f is not None)
        draw.text((GAP, y - 3), known.title.replace("é", "e"), INK, plain)  # the font has no é
        draw.text((GAP, y + 18), WAY[known.better], SOFT, small)
        for i, f in enumerate(row):
            text = "none" if f is None or f.value is None else f.text
            draw.text((LABEL + COLUMN * (i + 1), y + 3), text, INK, plain, anchor="ra")
        if known.baseline is not None:
            draw.text((right, y + 3), show(known.baseline, known.unit), SOFT, plain, anchor="ra")
    first = found.results[0]
    c = first.counts
    said = (
        f"{c['samples']:,} samples against {c['reference']:,} training images of {first.data['name']}; baseline: "
        f"{c['baseline']:,} held-out images. {first.extractor['name']} features, not FID. aegan {first.version}."
    )
    draw.text((GAP, height - GAP - 14), said, SOFT, small)
    return image


def samples(run: Run) -> Image.Image:
    """The first samples of the model, none chosen."""
    made = run.model.sample(SIDE * COLUMNS, seed=0)
    picture = grid(made, columns=COLUMNS, scale=max(1, 56 // made.shape[1]) if made.ndim == 4 else 1)
    wide = COLUMN - 3 * GAP
    return picture.resize((wide, round(picture.height * wide / picture.width)), Image.Resampling.LANCZOS)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs, at least two")
    parser.add_argument("--out", type=Path, default=Path("docs/images/cards.png"), help="the picture")
    a = parser.parse_args()
    runs = [Run(path) for path in a.runs]
    found = compare({str(run.path): result(run) for run in runs})
    a.out.parent.mkdir(parents=True, exist_ok=True)
    image = card(runs, found)
    image.save(a.out, optimize=True)
    print(found)
    print(f"wrote {a.out}")


if __name__ == "__main__":
    main()
