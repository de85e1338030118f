"""What drawing codes from Gaussians around all of them brings to trained runs of `latent`; judged as in bench/pictures.py.

    python bench/priors.py sets/units RUN [RUN ...] --judges lite0,lite2,own

For runs that were trained with prior=mixture. Prints, on the same weights, for samples from the mixture, from Parzen windows
(h = 1, and the h that prior=parzen takes), and for reconstructions of training images: the distance above that of held-out
images, precision, recall and authenticity by each judge, and the share of samples that look copied by pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aegan
from aegan.density import ManifoldParzen
from aegan.metrics import copying

sys.path.insert(0, str(Path(__file__).parent))
from pictures import COUNT, JudgedRuns

MOST = 20_000  # training images whose codes are taken


def main() -> None:
    given = JudgedRuns(__doc__)
    items, held = np.asarray(given.data.train.items), np.asarray(given.data.held_out.items)
    items = items[np.random.default_rng(0).permutation(len(items))[:MOST]]

    def show(what: str, images: np.ndarray[Any, Any]) -> None:
        copied = copying(images[: len(held)], held, items).share.value
        given.show(what, images, "copies", round(copied, 3), keys=("above", "precision", "recall", "authentic"))

    for run in given.runs:
        print(run)
        model = aegan.load(run, "cpu")
        P = model.networks["P"]
        show("  mixture", model.sample(COUNT, seed=0))
        u = P.whitening.encode(torch.from_numpy(model.encode(items)))
        P.parzen = ManifoldParzen().fit(u, scale=P.whitening.scale)
        found = P.parzen.h
        for h in (torch.ones(1), found):
            P.parzen.h = h
            show(f"  windows, h = {float(h):.2f}", model.sample(COUNT, seed=0))
        show("  reconstructions", model.reconstruct(items[:COUNT]))


if __name__ == "__main__":
    main()
