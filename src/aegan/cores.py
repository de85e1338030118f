"""How many processor cores this process may use, and how many it was asked to use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aegan.errors import UserError

AUTO = "auto"
_told: list[int] = []  # innermost `at_most` last


def usable() -> int:
    """Cores that the operating system lets this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed() -> int:
    """The same, but no more than `--threads`."""
    return min([usable(), *_told[-1:]])


@contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """Inside, whatever starts threads of its own (decoding) starts no more than these; None: as many as there are cores."""
    if threads is None:
        yield
        return
    _told.append(threads)
    try:
        yield
    finally:
        _told.pop()


def asked_threads(value: str | None) -> int | None:
    """`--threads` as a number; None: it is left open, or `auto`.

    Raises:
        UserError: it is neither `auto` nor a number of threads that this machine has cores for.

    >>> asked_threads("1"), asked_threads("auto"), asked_threads(None)
    (1, None, None)
    """
    if value is None or value == AUTO:
        return None
    most = usable()
    try:
        threads = int(value)
    except ValueError:
        threads = 0
    if not 1 <= threads <= most:
        cores = "1 core" if most == 1 else f"{most} cores"
        raise UserError(
            f"--threads is {value}; it must be auto, or a number from 1 to {most}: this process may use {cores}.",
            f"Example: --threads {most}",
        )
    return threads
