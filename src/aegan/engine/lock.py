"""One process at a time trains in a run folder.

The lock is the operating system's, on RUN/.lock: it ends with the process that holds it, in whatever way that ends, so a
folder is never locked by a process that was killed or by a machine that was restarted. What the file says is for people.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from aegan.errors import UserError
from aegan.files import explained

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
UNABLE = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what file systems say that know no locks


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a run folder, which is made if it isn't there, and removed afterwards if nothing was put into it.

    Without effect on Windows, and on file systems that know no locks.

    Raises:
        UserError: another process holds it, or the folder can't be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with explained(folder):
        file = _taken(folder)
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode() + b"\n")
            file.flush()
        yield
    finally:
        # Before it is let go: afterwards it might be another's. Whoever opened it meanwhile sees that it is gone.
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
        with contextlib.suppress(OSError):
            file.close()
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _taken(folder: Path) -> BinaryIO:
    """The open lock file, once this process has it."""
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = open(path, "a+b")  # noqa: SIM115  closing it lets go of the lock
        except FileNotFoundError:  # its last holder has just removed the folder
            continue
        try:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()
        except FileNotFoundError:  # removed by its last holder between opening and locking
            file.close()
        except OSError as error:
            if error.errno in UNABLE:
                return file
            file.seek(0)
            holder = _holder(file.read())
            file.close()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise UserError(
                f"{folder} is in use: {holder} is training there.", "Wait for it, stop it, or choose another --out."
            ) from None


def _holder(content: bytes) -> str:
    try:
        said = json.loads(content)
        return f"process {int(said['pid'])} on {said['host']}"
    except (ValueError, KeyError, TypeError):  # it has only just been taken
        return "another process"
