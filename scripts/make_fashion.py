"""Makes the subset of Fashion-MNIST that the package carries: src/aegan/data/builtin/fashion.npz.

    python scripts/make_fashion.py [--data-dir FOLDER]

The first 1,000 training and the first 200 test images of each class, in their original order; uint8, 28×28, zip-deflated.
The same files give the same bytes. Needs the four IDX files, for instance from Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import aegan.data.builtin as builtin

EACH = {"train": 1_000, "test": 200}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=None, help="folder of the IDX files")
    files = builtin.find_fashion(parser.parse_args().data_dir)
    arrays = {}
    for part, each in EACH.items():
        images, labels = map(builtin.read_idx, files[part])
        kept = np.sort(
            np.concatenate([np.flatnonzero(labels == c)[:each] for c in range(len(builtin.FASHION_CLASSES))])
        )
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = images[kept], labels[kept]
    path = Path(builtin.__file__).with_name("fashion.npz")
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes, " + ", ".join(f"{k} {v.shape}" for k, v in arrays.items()))


if __name__ == "__main__":
    main()
