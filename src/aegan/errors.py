"""Errors that people see: one or two lines, what happened and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aegan.names import printable


class UserError(Exception):
    """A mistake that the user can mend: the command line prints it without a traceback and exits with 2.

    Args:
        what: what happened and where, one sentence.
        fix: what to do next, one sentence; may be empty. Both may hold names of files: what cannot be shown is escaped.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        what, fix = printable(what), printable(fix)
        super().__init__(f"{what}\n{fix}" if fix else what)
        self.what = what
        self.fix = fix


class LostRank(UserError):
    """Another process of the same run has ended, and this one cannot go on without it."""


class Diverged(UserError):
    """A loss or its gradient is not finite, again and again; or a model's weights are not."""


class TooLittleMemory(UserError):
    """Memory ran out, and smaller pieces of a batch do not help."""


class HoldsVectors(UserError):
    """Vectors, where images were asked for."""


class TooFew(UserError):
    """Not enough different examples.

    Args:
        found: what there is, in words.
        fix: as for every error.
    """

    def __init__(self, found: str, fix: str = "") -> None:
        super().__init__(f"Too few to train on: {found}.", fix)
        self.found = found


@contextmanager
def required(what: str, package: str) -> Iterator[None]:
    """Turns a failed import into what needs which package, and how to install it.

    >>> with required("This needs nothing_such", "nothing-such"):
    ...     import nothing_such
    Traceback (most recent call last):
    aegan.errors.UserError: This needs nothing_such, which is missing.
    pip install nothing-such
    """
    try:
        yield
    except ImportError as error:
        raise UserError(f"{what}, which is missing.", f"pip install {package}") from error


def unreadable(shown: object, why: OSError) -> UserError:
    """The error for a file that is there and that the operating system does not give."""
    return UserError(f"{shown} can't be read: {why.strerror or why}.", "Check its permissions.")


def first_line(error: BaseException) -> str:
    """The first line of what an error says that is not empty, or its kind."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist; it names the nearest one.

    >>> print(unknown("strategy", "latnet", ["latent", "gan"]))
    Unknown strategy 'latnet'.
    Did you mean 'latent'? Known: gan, latent.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return UserError(f"Unknown {kind} '{name}'.", f"{hint}Known: {', '.join(names)}.")
