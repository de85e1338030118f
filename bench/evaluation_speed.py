"""How long `aegan evaluate` takes, and how much memory, with the default metrics and extractor.

    python bench/evaluation_speed.py                     10,000 images, then the memory at 50,000; about ten minutes
    python bench/evaluation_speed.py --count 500 --large 0 --out /tmp/x.json         a quick look

COUNT colour images of 32 × 32 are compared with COUNT real ones, and as many other real ones give the baseline: features of
3 × COUNT images the first time. With a cached reference only those of the samples are computed. Each is a process of its
own, start and reading of files included. The images are smooth random patterns: speed does not depend on what they show.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from targets import measured

SIDE, PIECE = 32, 2000


def write_images(path: Path, count: int, seed: int) -> None:
    """A .npy of uint8 (count, 32, 32, 3), written in pieces: memory of this process would count as the other's."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        shape = (count, SIDE, SIDE, 3)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, count, PIECE):
            n = min(PIECE, count - start)
            coarse = rng.integers(30, 226, (n, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
            file.write((coarse + rng.integers(0, 30, (n, SIDE, SIDE, 3), dtype=np.uint8)).tobytes())


def compare(folder: Path, count: int, cached: bool) -> list[dict[str, Any]]:
    """Seconds and peak memory of one comparison, with an empty cache and, if wanted, again with a filled one."""
    samples, real = folder / f"samples-{count}.npy", folder / f"real-{count}.npy"
    write_images(samples, count, 0)
    # a tenth of the real images is held out; twice the count, and some more, leaves enough of both
    write_images(real, 2 * count + count // 20 + 64, 1)
    os.environ["AEGAN_CACHE"] = str(folder / f"cache-{count}")
    found = []
    for state in ("empty", "filled")[: 1 + cached]:
        written = folder / "result.json"
        seconds, peak = measured(
            [
                *(sys.executable, "-m", "aegan", "evaluate", str(samples)),
                *("--against", str(real), "--count", str(count), "--reference", str(count)),
                *("--device", "cpu", "--json", str(written)),
            ]
        )
        result = json.loads(written.read_text())
        found.append(
            {
                "cache": state,
                "counts": result["counts"],
                "extractor": result["extractor"]["name"],
                "figures": [name for name, f in result["figures"].items() if f["value"] is not None],
                "seconds": round(seconds, 1),
                "peak_memory_mb": round(peak),
            }
        )
        print(json.dumps(found[-1]), file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="images a side")
    parser.add_argument("--large", type=int, default=50_000, help="images a side for the memory; 0: leave it out")
    parser.add_argument("--out", type=Path, default=Path("docs/results/evaluation_speed.json"))
    args = parser.parse_args()
    if args.count < 64 or (args.large and args.large < 64):
        parser.error("an evaluation needs at least 64 images a side")
    with tempfile.TemporaryDirectory() as name:
        results = compare(Path(name), args.count, cached=True)
        if args.large:
            results += compare(Path(name), args.large, cached=False)
    # only now: torch in this process would count in the memory of the others
    import torch

    from aegan import __version__
    from aegan.engine.device import describe_machine

    report = {"aegan": __version__, "machine": describe_machine(torch.device("cpu")), "results": results}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
