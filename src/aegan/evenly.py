"""Which of many items are looked at when there are too many to look at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(length: int, most: int) -> NDArray[np.int64]:
    """At most `most` places of so many, evenly spaced: images in folders of classes are in the order of these.

    >>> evenly(10, 4).tolist(), evenly(3, 9).tolist(), evenly(0, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2], [])
    """
    return np.linspace(0, length - 1, min(length, most)).astype(np.int64)
