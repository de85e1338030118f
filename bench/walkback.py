"""What walks back to the data, z ← E(G(z)), bring samples of trained runs of `latent`; judged as in bench/pictures.py.

    python bench/walkback.py fashion-full RUN [RUN ...] --judges lite0,own,classifier

Prints, for 0 to 3 walks and for reconstructions of held-out images: the distance above that of held-out images, precision
and recall, by each judge. The weights are the same in every line; only `walkback_steps` differs.
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from pathlib import Path

import numpy as np

import aegan

sys.path.insert(0, str(Path(__file__).parent))
from pictures import COUNT, JudgedRuns

WALKS = (0, 1, 2, 3)


def main() -> None:
    given = JudgedRuns(__doc__)
    show = partial(given.show, keys=("above", "precision", "recall"))
    for run in given.runs:
        print(run)
        model = aegan.load(run, "cpu")
        for walks in WALKS:
            model.strategy = dataclasses.replace(model.strategy, walkback_steps=walks)
            show(f"  {walks} walks", model.sample(COUNT, seed=0))
        show("  reconstructions", model.reconstruct(np.asarray(given.data.held_out.items)[:COUNT]))


if __name__ == "__main__":
    main()
