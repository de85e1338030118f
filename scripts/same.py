"""Whether two versions of aegan do the same, bit for bit: for changes that are to change nothing.

    git worktree add ../before HEAD~5
    python scripts/same.py ../before/src src

Each version, in processes of its own, decodes a folder of images into a fresh cache, trains five strategies for 60 steps
from one seed, draws samples and evaluates them. What came of it is compared by hash: decoded images, weights, samples,
figures. Exits with 1 and names what differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

TRAININGS = {
    "latent": ["FOLDER", "--strategy", "latent", "--size", "32"],
    "vaegan": ["digits", "--strategy", "vaegan"],
    "gan": ["digits", "--strategy", "gan"],
    "vqgan": ["digits", "--strategy", "vqgan"],
    "wae-gan": ["ring", "--strategy", "wae-gan"],
}


RENAMED = {"floor": "baseline"}


def make_folder(folder: Path) -> None:
    """120 images of several sizes and modes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(120):
        side = (40, 48, 64)[i % 3]
        low = rng.integers(0, 256, (4, 4, 4 if i % 5 == 0 else 3), np.uint8)
        Image.fromarray(low).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i:03}.png")


def digest(arrays: dict[str, np.ndarray]) -> str:
    """Of names, shapes and values."""
    h = hashlib.sha256()
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name} {a.dtype} {a.shape}".encode())
        h.update(a.tobytes())
    return h.hexdigest()[:16]


def results(source: Path, work: Path, folder: Path, steps: int) -> dict[str, str]:
    """Hashes of all that one version makes."""
    found: dict[str, str] = {}
    environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "AEGAN_CACHE": str(work / "cache")}

    def aegan(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "aegan", *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{source}: aegan {' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    for name, words in TRAININGS.items():
        run = work / name
        data, *rest = [str(folder) if word == "FOLDER" else word for word in words]
        common = ["--steps", str(steps), "--seed", "0", "--threads", "1", "--no-evaluate", "--logger", "none"]
        aegan("train", data, *rest, *common, "--out", str(run))
        found[f"{name}: weights"] = digest(load_file(run / "model" / "model.safetensors"))
        aegan("sample", str(run), "--n", "64", "--out", str(run / "samples.npz"))
        with np.load(run / "samples.npz") as kept:
            found[f"{name}: samples"] = digest(dict(kept))
        if data != "ring":
            aegan("evaluate", str(run), "--extractor", "pixels", "--count", "64")
            figures = json.loads((run / "evaluation.json").read_text())["figures"]
            # by today's names, and without the sentences, so that versions that only call things otherwise are equal
            figures = {
                figure: {RENAMED.get(k, k): v for k, v in values.items() if not isinstance(v, str)}
                for figure, values in figures.items()
            }
            found[f"{name}: figures"] = hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()[:16]
    files = [path for path in sorted((work / "cache").rglob("*.npy")) if "features" not in path.parts]
    # by their content: the name of a cache has the version of its form
    decoded = {f"{hashlib.sha256(path.read_bytes()).hexdigest()}/{path.name}": np.load(path) for path in files}
    found["decoded images"] = digest(decoded)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the src folder of one version")
    parser.add_argument("after", type=Path, help="that of the other")
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        make_folder(work / "images")
        before, after = (
            results(source, work / name, work / "images", given.steps)
            for name, source in (("before", given.before), ("after", given.after))
        )
    different = [name for name in before if before[name] != after.get(name)]
    for name in before:
        print(f"{name:24} {before[name]}  {'DIFFERENT' if name in different else 'equal'}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
