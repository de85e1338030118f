"""What a data set is, once opened: its shape, its two splits and where they came from. Imports NumPy and Pillow only."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from aegan.data.depth import Depth
from aegan.data.format import WHITE, Fit, ImageFormat
from aegan.data.inspection import Inspection

AT_ONCE = 500  # examples; of images up to 64×64


@dataclass(frozen=True)
class DataSpec:
    """The shape of one example and the names of its classes: all that a strategy needs to build networks.

    Args:
        shape: (C, H, W) of an image, or (D,) of a vector.
        classes: class names, index = label; empty where there are no labels.
        count: number of training examples.
        fit, background: how images were brought to this shape; see `aegan.data.format.ImageFormat`.
        depth: the scale of images of more than 8 bits; None: there were none.

    >>> DataSpec((1, 32, 32), ("cat", "dog"), 100).size
    32
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    count: int = 0
    fit: Fit = "crop"
    background: tuple[int, int, int] = WHITE
    depth: Depth | None = None

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def is_vector(self) -> bool:
        return len(self.shape) == 1

    @property
    def channels(self) -> int:
        """C of an image; D of a vector."""
        return self.shape[0]

    @property
    def height(self) -> int:
        """H of an image; 1 for a vector."""
        return self.shape[1] if self.is_image else 1

    @property
    def width(self) -> int:
        """W of an image; 1 for a vector."""
        return self.shape[2] if self.is_image else 1

    @property
    def size(self) -> int:
        """The longer side of an image; 1 for a vector."""
        return max(self.height, self.width)

    @property
    def at_once(self) -> int:
        """Examples computed at once where nothing is learnt: 500, of images above 64×64 fewer, of as many pixels.

        >>> DataSpec((3, 64, 64)).at_once, DataSpec((3, 128, 128)).at_once, DataSpec((2,)).at_once
        (500, 125, 500)
        """
        return max(1, min(AT_ONCE, AT_ONCE * 64 * 64 // (self.height * self.width)))

    @property
    def format(self) -> ImageFormat:
        """The form of its images."""
        return ImageFormat((self.height, self.width), self.channels, self.fit, self.background, self.depth)


def shape_text(shape: tuple[int, ...]) -> str:
    """The shape of data in words.

    >>> shape_text((1, 32, 48)), shape_text((2,))
    ('48×32, grey', 'vectors of 2')
    """
    if len(shape) != 3:
        return f"vectors of {shape[0]}"
    colours = {1: "grey", 3: "colour", 4: "colour and alpha"}
    return f"{shape[2]}×{shape[1]}, {colours.get(shape[0], f'{shape[0]} channels')}"


class Numbered(Sequence[str]):
    """Names of examples that have none: their places in the source, as text.

    >>> list(Numbered(np.array([3, 7])))
    ['3', '7']
    """

    def __init__(self, places: np.ndarray) -> None:
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        return Numbered(self.places[index]) if isinstance(index, slice) else str(self.places[index])


class FileNames(Sequence[str]):
    """Names kept in a file of lines, read when asked for: a million paths would weigh more than their images' headers.

    Args:
        text: the names, UTF-8, one after another, nothing between (uint8).
        ends: where each ends in `text` (int64).
    """

    def __init__(self, text: np.ndarray, ends: np.ndarray) -> None:
        self.text, self.ends = text, ends

    @staticmethod
    def pack(names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """(text, ends) of some names.

        >>> list(FileNames(*FileNames.pack(["a.png", "é.png"])))
        ['a.png', 'é.png']
        """
        text, ends = bytearray(), array("q")
        for name in names:
            # surrogateescape: file names on Linux are bytes, and need not be UTF-8
            text += name.encode("utf-8", "surrogateescape")
            ends.append(len(text))
        return np.frombuffer(bytes(text), np.uint8), np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        start = int(self.ends[i - 1]) if i else 0
        return bytes(self.text[start : int(self.ends[i])]).decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Split:
    """Examples that serve one purpose: to learn from, or to be judged against.

    Args:
        items: images, uint8 (N, H, W, C), in memory, memory-mapped, or decoded as they are asked for
            (`aegan.data.stream.Streamed`); or vectors, float32 (N, D), as they came.
        labels: int64 (N,), or None.
        names: a file's path inside the source, or the place in it, of each item.
        mean, scale: vectors only: a loader gives (x - mean) / scale. Both splits carry those of the training split.
        codes: of an encoder that is not trained, float32 (1 or 2, N, ...): of the items, and of their mirror images.
        places: where each item lies among all that the source gave, int64 (N,); None: not known.
    """

    items: np.ndarray
    labels: np.ndarray | None
    names: Sequence[str]
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    codes: np.ndarray | None = None
    places: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Data:
    """An opened data set.

    Args:
        name: a short name, for titles.
        source: what was asked for: a path or a built-in name.
        spec: shape, classes and count.
        train, held_out: what to learn from, and what only evaluation may see.
        inspection: what was found in the source, and what was done about it.
        fingerprint: hexadecimal hash of the decoded contents, the labels, the split and the shape.
        mean, scale: vectors only: the per-axis mean (D,) and the one common standard deviation (), float32, of the
            training split, by which a loader standardises; x * scale + mean returns to the source's units.
    """

    name: str
    source: str
    spec: DataSpec
    train: Split
    held_out: Split
    inspection: Inspection
    fingerprint: str
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from aegan.cells import embedded
        from aegan.pictures import grid

        out = f"<b>{escape(self.name)}</b>{self.inspection._repr_html_()}"
        if self.spec.is_image and len(self.train):
            first = grid(np.asarray(self.train.items[:16]), columns=8)
            out += embedded(first, "The first images", first.width)
        return out
