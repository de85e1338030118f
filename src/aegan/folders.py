"""Folders of this machine: where caches lie, and what `~` means where nobody has a home."""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from pathlib import Path

from aegan.errors import UserError


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with `~` replaced; as it is where there is no such home, and then perhaps a name that begins so.

    >>> expanded("photos/~a")
    PosixPath('photos/~a')
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def home_cache() -> list[Path]:
    """The folders of all programs' caches, best first: $XDG_CACHE_HOME, ~/.cache; those that are known."""
    named, home = os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~")
    # the XDG specification has relative ones ignored; an empty HOME would mean the working folder
    found = [Path(named)] if os.path.isabs(named) else []
    return [*found, Path(home) / ".cache"] if os.path.isabs(home) and os.environ.get("HOME") != "" else found


def cache_root(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all our caches: the one given, `$AEGAN_CACHE`, `$XDG_CACHE_HOME/aegan`, `~/.cache/aegan`.

    Where neither of the last two can be written (no home, a read-only one), a folder of this user's below the temporary
    folder, which is said once.

    Raises:
        UserError: there is no such folder either.
    """
    given = cache_dir or os.environ.get("AEGAN_CACHE")
    if given:
        return expanded(given)
    return next((place / "aegan" for place in home_cache() if _writable(place / "aegan")), None) or _temporary()


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    try:
        there = next(p for p in (folder, *folder.parents) if p.exists())
    except OSError:  # a parent that may not be looked into
        return False
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@functools.cache
def _temporary() -> Path:
    """A folder that is this user's alone, the same each time where that is safe."""
    try:
        base = Path(tempfile.gettempdir())
        folder = base / f"aegan-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found, posix = folder.lstat(), hasattr(os, "getuid")
        open_to_others = posix and (found.st_uid != os.getuid() or found.st_mode & 0o077)
        if not stat.S_ISDIR(found.st_mode) or open_to_others:  # somebody else's, put there to be trusted
            folder = Path(tempfile.mkdtemp(prefix="aegan-", dir=base))
    except OSError as why:
        raise UserError(
            "There is no folder to keep decoded images in: no home, no temporary folder.",
            "Name a folder for it: the environment variable AEGAN_CACHE.",
        ) from why
    print(
        f"The home folder can't be written: caches are kept in {folder} (AEGAN_CACHE names another).", file=sys.stderr
    )
    return folder
