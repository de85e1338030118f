"""What walks back to the data, z ← E(G(z)), bring samples of trained runs of `latent`; judged as in bench/pictures.py.

    python bench/walkback.py fashion-full RUN [RUN ...] --judges lite0,own,classifier

Prints, for 0 to 3 walks and for reconstructions of held-out images: the distance above that of held-out images, precision
and recall, by each judge. The weights are the same in every line; only `walkback_steps` differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

import aegan
from aegan.data import open_data

sys.path.insert(0, str(Path(__file__).parent))
from pictures import COUNT, Judge

WALKS = (0, 1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="what the runs were trained on")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--judges", default="lite0,own")
    given = parser.parse_args()
    data = open_data(given.data)
    judges = {name: Judge(name, data, "cpu") for name in given.judges.split(",")}
    held = np.asarray(data.held_out.items)[:COUNT]

    def show(what: str, images: np.ndarray[Any, Any]) -> None:
        found = {name: judge.score(images) for name, judge in judges.items()}
        print(what, {name: [f[k] for k in ("above", "precision", "recall")] for name, f in found.items()}, flush=True)

    for run in given.runs:
        print(run)
        model = aegan.load(run, "cpu")
        for walks in WALKS:
            model.strategy = dataclasses.replace(model.strategy, walkback_steps=walks)
            show(f"  {walks} walks", model.sample(COUNT, seed=0))
        show("  reconstructions", model.reconstruct(held))


if __name__ == "__main__":
    main()
