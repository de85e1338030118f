"""Data sets that go by a name. Each is one function that returns its splits; `NAMES` finds them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from aegan.data.split import MOST, content_hashes, held_out
from aegan.errors import UserError, required
from aegan.folders import expanded

STACKED = 128_000  # images of `stacked`, as many as PacGAN's

FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
)  # fmt: skip
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
FASHION_FILES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Part:
    """One split as its source has it: images uint8 (N, H, W, C) or vectors float32 (N, D), and labels int64 (N,)."""

    items: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class BuiltIn:
    """A named data set."""

    title: str  # one line for lists
    classes: tuple[str, ...]  # names of the labels; empty where they are no use as classes
    # given `data_dir`, the training part and the held-out part; None: the usual split by content
    read: Callable[[str | None], tuple[Part, Part | None]]


def read_idx(path: Path) -> np.ndarray:
    """An array of bytes in the IDX format of MNIST, gzipped or not.

    The format: two zero bytes, the type (8: unsigned byte), the rank, then each dimension as four bytes, then the data.

    Raises:
        UserError: it isn't one, or is cut short.
    """
    damaged = UserError(f"{path} is not a whole IDX file of bytes.", "Fetch it again.")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as why:
        raise damaged from why
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise damaged
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", raw[3], offset=4))
    if len(raw) != 4 + 4 * raw[3] + int(np.prod(shape)):
        raise damaged
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def find_fashion(data_dir: str | None) -> dict[str, tuple[Path, Path]]:
    """The files of images and of labels of each part of Fashion-MNIST.

    Raises:
        UserError: not all four were found; says where they were looked for.
    """
    folders = [expanded(data_dir)] if data_dir else []
    folders += [each / "fashion-mnist" for each in folders] + [FASHION_FOLDER]
    for folder in folders:
        found = {}
        for part, stem in FASHION_FILES.items():
            kinds = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
            files = [next((p for p in (folder / f"{k}.gz", folder / k) if p.is_file()), None) for k in kinds]
            if files[0] and files[1]:
                found[part] = (files[0], files[1])
        if len(found) == len(FASHION_FILES):
            return found
    raise UserError(
        f"The four files of Fashion-MNIST are not in {' or '.join(map(str, folders))}.",
        "On Debian or Ubuntu: apt install dataset-fashion-mnist. Elsewhere: name the folder that holds "
        "train-images-idx3-ubyte.gz and its three companions as the data folder, or use the built-in 'fashion'.",
    )


def _padded(images: np.ndarray) -> np.ndarray:
    """28×28 images (N, 28, 28) in the middle of 32×32 (N, 32, 32, 1): the black border goes on, nothing is resampled."""
    return np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]


def _fashion(data_dir: str | None) -> tuple[Part, Part]:
    with (
        resources.as_file(resources.files(__package__) / "fashion.npz") as path,
        np.load(path, allow_pickle=False) as npz,
    ):
        train, test = (
            Part(_padded(npz[f"{part}_images"]), npz[f"{part}_labels"].astype(np.int64)) for part in ("train", "test")
        )
    return train, test


def _fashion_full(data_dir: str | None) -> tuple[Part, Part]:
    files = find_fashion(data_dir)
    train, test = (Part(_padded(read_idx(i)), read_idx(y).astype(np.int64)) for i, y in (files["train"], files["test"]))
    return train, Part(test.items[:MOST], test.labels[:MOST])


def _digits(data_dir: str | None) -> tuple[Part, None]:
    with required("The built-in 'digits' comes with scikit-learn", "scikit-learn"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # stored as 0 … 16
    return Part(images[..., None], digits.target.astype(np.int64)), None


def _stacked(data_dir: str | None) -> tuple[Part, Part]:
    """Three digits in three colour channels, drawn alike and with replacement, as PacGAN does (arXiv 1712.04086): fixed
    images, those that are held out of held-out digits."""
    digits = _digits(data_dir)[0]
    held = held_out(content_hashes(digits.items))
    parts = []
    for seed, (own, count) in enumerate(((~held, STACKED), (held, MOST))):
        items, labels = digits.items[own], digits.labels[own]
        drawn = np.random.Generator(np.random.Philox(key=[1000, seed])).integers(len(items), size=(count, 3))
        channels = [items[drawn[:, i], :, :, 0] for i in range(3)]
        parts.append(Part(np.stack(channels, axis=-1), labels[drawn] @ np.array([100, 10, 1])))
    return parts[0], parts[1]


@dataclass(frozen=True)
class Toy:
    """A mixture of equally likely round Gaussians, whose modes are known: the classic test of mode collapse.

    References:
        Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in generative adversarial networks", 2018
        (arXiv 1712.04086), section 4.1: 100,000 fixed training points; ring: 8 modes, radius 1, sd 0.01; grid: 25 modes
        at {-4, -2, 0, 2, 4}², sd 0.05.
    """

    centres: np.ndarray  # (K, 2), float64
    sd: float  # of each, along each axis
    seed: int  # of the fixed points

    def draw(self, count: int, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The same `count` points at every call: float32 (count, 2), and the mode of each, int64 (count,)."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, stream]))
        modes = rng.integers(len(self.centres), size=count)
        return (self.centres[modes] + self.sd * rng.standard_normal((count, 2))).astype(np.float32), modes


_ANGLES = 2 * np.pi * np.arange(8) / 8
_AXIS = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
TOYS = {
    "ring": Toy(np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1), 0.01, seed=8),
    "grid": Toy(np.stack(np.meshgrid(_AXIS, _AXIS, indexing="ij"), axis=-1).reshape(-1, 2), 0.05, seed=25),
}


def _toy(toy: Toy) -> BuiltIn:
    def read(data_dir: str | None) -> tuple[Part, Part]:
        return Part(*toy.draw(100_000)), Part(*toy.draw(MOST, stream=1))

    classes = tuple(f"mode-{i}" for i in range(len(toy.centres)))
    return BuiltIn(f"{len(classes)} Gaussians in the plane, 102,000 points", classes, read)


NAMES: dict[str, BuiltIn] = {
    "fashion": BuiltIn(
        "12,000 clothes of Fashion-MNIST, 28×28 padded to 32×32, carried in the package", FASHION_CLASSES, _fashion
    ),
    "fashion-full": BuiltIn(
        "62,000 clothes of Fashion-MNIST, 28×28 padded to 32×32, from its files", FASHION_CLASSES, _fashion_full
    ),
    "digits": BuiltIn("1,797 digits of 8×8 pixels, from scikit-learn", tuple("0123456789"), _digits),
    "stacked": BuiltIn(
        "128,000 triples of scikit-learn's digits as colour channels, 8×8: 1,000 combinations", (), _stacked
    ),
    **{name: _toy(toy) for name, toy in TOYS.items()},
}


def shadowed(name: str) -> str:
    """What to say where a built-in name also lies here, as a file or a folder; empty where it does not."""
    if name not in NAMES or not Path(name).exists():
        return ""
    return f"'{name}' is the built-in data set; for what lies here under that name: ./{name}"
