"""Makes folders of tiny pictures, all different, and says what aegan makes of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from aegan.data import Data, open_data


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def png(seed: int) -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, "PNG")
    return file.getvalue()


def tree(root: Path, counts: dict[str, int], name: str = "{:04}.png", on: bool = False) -> Path:
    """Folders of so many pictures each; the names start anew in each, or go on."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture(seed).save(root / folder / name.format(seed if on else i))
            seed += 1
    return root


def packed(root: Path, kind: str) -> Path:
    """The same in an archive."""
    path = root.with_suffix(f".{kind}")
    files = [(file.relative_to(root).as_posix(), file) for file in sorted(root.rglob("*")) if file.is_file()]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, file in files:
                archive.write(file, name)
    else:
        with tarfile.open(path, "w") as archive:
            for name, file in files:
                archive.add(file, name)
    return path


def labelled(data: Data) -> dict[str, str]:
    """The class of every image, by its path; "" where there are no classes."""
    out = {}
    for split in (data.train, data.held_out):
        for i, name in enumerate(split.names):
            out[name] = data.spec.classes[split.labels[i]] if split.labels is not None else ""
    return out


def said(data: Data) -> str:
    """The notes and what was left out, a line each."""
    skipped = [f"{each.count} {why}" for why, each in data.inspection.skipped.items()]
    return "\n".join([*data.inspection.notes, *skipped])


def opened(path: Path) -> Data:
    return open_data(str(path), size=16)
