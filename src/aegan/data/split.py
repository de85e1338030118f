"""Which examples are held out for evaluation: decided by their content, so that it never depends on order or names."""

from __future__ import annotations

import hashlib

import numpy as np

from aegan.errors import TooFew
from aegan.text import plural

SHARE = 0.10  # of the examples are held out,
MOST = 2_000  # but no more than this: what the evaluation's protocol uses
LEAST = 8  # different examples without which there is nothing to learn: statistics of fewer are undefined or absurd
COPIES = 10  # an example with more (a placeholder, as a rule) stays in training, lest it fill the held-out split
DIGEST = 16  # bytes of a content hash


def content_hash(item: np.ndarray) -> bytes:
    """The hash of one image (H, W, C) uint8 or vector (D,), 16 bytes: equal pixels, equal hash.

    A colour image whose channels are equal hashes as the grey one: whether a set is stored grey or in colour does not
    move an image from one split to the other; nor does an alpha channel where nothing is transparent.

    >>> grey = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    >>> content_hash(grey) == content_hash(np.repeat(grey, 3, axis=2))
    True
    """
    if item.ndim == 3 and item.shape[2] == 4 and (item[:, :, 3] == 255).all():
        item = item[:, :, :3]
    if item.ndim == 3 and item.shape[2] == 3 and is_grey(item):
        item = item[:, :, :1]
    return hashlib.blake2b(np.ascontiguousarray(item).tobytes(), digest_size=DIGEST).digest()


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the three colours of (H, W, 3 or 4) are equal."""
    return bool((pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all())


def content_hashes(items: np.ndarray) -> np.ndarray:
    """`content_hash` of each of (N, ...): uint8 (N, 16)."""
    joined = b"".join(content_hash(item) for item in items)
    return np.frombuffer(joined, np.uint8).reshape(len(items), DIGEST)


def held_out(hashes: np.ndarray) -> np.ndarray:
    """Chooses the examples that evaluation keeps for itself.

    An example is held out when its hash, read as a number, lies in the lowest tenth of all possible hashes: a fair
    draw that needs no random numbers. All copies of an example fall on the same side. Adding examples never moves one
    from training to held-out, so nothing that a model has learned from is ever used to judge a later one: over `MOST`,
    those of the lowest hashes stay and the others return to training; where none lies so low, the lowest one is taken.

    Args:
        hashes: uint8 (N, 16), of `content_hashes`.

    Returns:
        bool (N,), true where held out.

    Raises:
        UserError: fewer than `LEAST` different examples.
    """
    values, group, copies = np.unique(ranks(hashes), return_inverse=True, return_counts=True)
    if len(values) < LEAST:
        found = plural(len(hashes), "usable example")
        found += f", {len(values)} different" if len(values) < len(hashes) else ""
        raise TooFew(found, f"Give at least {LEAST} different ones; hundreds are sensible.")
    fit = np.flatnonzero(copies <= COPIES) if (copies <= COPIES).any() else np.arange(len(values))
    low = fit[values[fit] < int(SHARE * 2**64)]  # ascending, as `values` is
    low = low[np.cumsum(copies[low]) <= MOST]
    low = low if len(low) else fit[:1]
    chosen = np.zeros(len(values), bool)
    chosen[low] = True
    return np.asarray(chosen[group])


def duplicates(hashes: np.ndarray) -> int:
    """How many examples repeat an earlier one.

    >>> duplicates(content_hashes(np.zeros((3, 2, 2, 1), np.uint8)))
    2
    """
    return len(hashes) - len(np.unique(ranks(hashes)))


def ranks(hashes: np.ndarray) -> np.ndarray:
    """The first 8 bytes of each hash as a number, uint64 (N,): equal only for equal examples, up to chance of n²/2⁶⁵."""
    return np.ascontiguousarray(hashes[:, :8]).view(">u8").ravel().astype(np.uint64)
