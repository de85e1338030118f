"""How well strategies rebuild held-out images after so many steps without a game: PSNR in dB, printed.

    python bench/reconstruction.py digits:300 fashion:150 --strategies titok,vqgan          four minutes on one core

`start=0.999` keeps the critic out, `prior=normal` leaves out what is fitted afterwards; 64 images a step, seed 0.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import torch

import aegan
from aegan.data import open_data
from aegan.strategies import strategy as kind_of

OPTIONS = {"start": 0.999, "prior": "normal"}
HELD_OUT = 500  # images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", help="DATA:STEPS")
    parser.add_argument("--strategies", default="titok,vqgan")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for task in args.tasks:
        name, steps = task.split(":")
        data = open_data(name)
        x = np.asarray(data.held_out.items[:HELD_OUT])
        for strategy in args.strategies.split(","):
            known = {field for field in OPTIONS if hasattr(kind_of(strategy), field)}
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                run = aegan.fit(
                    name, strategy=strategy, steps=int(steps), batch_size=64, out=f"{folder}/run", device="cpu",
                    options={k: v for k, v in OPTIONS.items() if k in known}, progress=False, logger="none",
                )  # fmt: skip
                spent = time.process_time() - began
                error = np.square(run.model.reconstruct(x).astype(float) - x).mean()
            print(f"{task} {strategy}: {10 * np.log10(255**2 / error):.1f} dB, {spent:.0f} s of a core", flush=True)


if __name__ == "__main__":
    main()
