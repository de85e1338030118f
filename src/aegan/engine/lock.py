"""One process at a time trains in a run folder.

The lock is the operating system's, on RUN/.lock: it ends with the process that holds it, in whatever way that ends, so a
folder is never locked by a process that was killed or by a machine that was restarted. RUN/.owner says to people who it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from aegan.errors import UserError
from aegan.files import explained

LOCK, OWNER = ".lock", ".owner"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a run folder, which is made if it isn't there, and removed afterwards if nothing was put into it.

    Raises:
        UserError: another process holds it, or the folder can't be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = FileLock(folder / LOCK, blocking=False)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise UserError(
                f"{folder} is in use: {_owner(folder)} is training there.",
                "Wait for it, stop it, or choose another --out.",
            ) from None
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
            (folder / OWNER).write_text(f"{owner}\n", encoding="utf-8")
        yield
    finally:
        for name in (OWNER, LOCK):  # before it is let go: afterwards it might be another's
            with contextlib.suppress(OSError):
                (folder / name).unlink()
        lock.release()
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _owner(folder: Path) -> str:
    try:
        said = json.loads((folder / OWNER).read_bytes())
        return f"process {int(said['pid'])} on {said['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just taken the lock
        return "another process"
