"""Writes tests/hub/golden: small models as this version writes them, with what they give, that later ones must still read.

    python scripts/make_golden.py --out DIR

What is there is never made anew: a new format gets a folder of its own, beside the old ones.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

import aegan
from aegan.bundle import FORMAT
from aegan.errors import UserError

TINY = {"width": 4, "critic_width": 4, "play_width": 4, "code_dim": 4, "components": "1,2", "batch_size": 32}
MOST = 60_000  # bytes of one model


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tests' own shapes with their labels, and their circle."""
    path = Path(__file__).parents[1] / "tests" / "conftest.py"
    spec = importlib.util.spec_from_file_location("shared", path)
    assert spec is not None and spec.loader is not None
    shared = importlib.util.module_from_spec(spec)
    sys.modules["shared"] = shared
    spec.loader.exec_module(shared)
    images, labels = shared.shapes(200)
    return images, labels, shared.circle(300)


def write(run: aegan.Run, items: np.ndarray, folder: Path, label: int | None) -> None:
    """The model's two files and expected.npz."""
    if folder.exists():
        raise UserError(f"{folder} is there already, and is never made anew.", "Choose another --out.")
    model = aegan.load(run.model.save(folder), "cpu")
    codes = model.encode(items)
    np.savez_compressed(
        folder / "expected.npz", items=items, codes=codes, back=model.decode(codes), samples=model.sample(6, seed=1),
        of_class=model.sample(6, seed=2, label=label, truncation=0.8),
    )  # fmt: skip
    size = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{folder}: {size:,} bytes")
    assert size <= MOST, "too large to be carried along for ever"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out / f"format-{FORMAT}"
    images, labels, points = data()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        np.savez(root / "shapes.npz", images=images, labels=labels)
        run = aegan.fit(
            root / "shapes.npz", strategy="latent", out=root / "latent", steps=300, size=16, options=TINY, device="cpu",
            precision="fp32", progress=False,
        )  # fmt: skip
        write(run, images[:4], out / "latent-shapes", label=1)
        run = aegan.fit(
            points, strategy="autoencoder", out=root / "autoencoder", steps=100, device="cpu", progress=False,
            options={"width": 8, "components": "1,2"},
        )  # fmt: skip
        write(run, points[:4], out / "autoencoder-circle", label=None)


if __name__ == "__main__":
    main()
