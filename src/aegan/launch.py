"""Starts the processes of a run on several devices of this machine, as `torchrun` does on one or more machines."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from types import FrameType

from aegan.signals import handling

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
GRACE = 20.0  # seconds that the others have to end by themselves when one has ended badly


def is_rank() -> bool:
    """Whether this process is one of several that `torchrun`, or `launch`, has started."""
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def is_first() -> bool:
    """Whether this process writes and speaks for the run."""
    return not is_rank() or os.environ["RANK"] == "0"


def speaks() -> bool:
    """Whether this process reports mistakes that all make alike: one process on each machine does."""
    return not is_rank() or os.environ["LOCAL_RANK"] == "0"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def launch(count: int) -> int:
    """Runs this command again in `count` processes, and gives the exit code of the first that failed, or 0.

    Signals are passed on, once each: the processes have a session of their own, so that the terminal's Ctrl-C does not
    reach them too.
    """
    command = [sys.executable, "-m", "aegan", *sys.argv[1:]]
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    # left to themselves, each would take all cores
    shared["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    processes: list[subprocess.Popen[bytes]] = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signum)

    with handling(pass_on):
        try:
            for i in range(count):
                own = {k: str(v) for k, v in {**shared, "RANK": i, "LOCAL_RANK": i}.items()}
                processes.append(subprocess.Popen(command, env={**os.environ, **own}, start_new_session=True))
            return _wait(processes)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()


def _wait(processes: list[subprocess.Popen[bytes]]) -> int:
    failed: int | None = None
    deadline = float("inf")
    while None in [process.poll() for process in processes]:  # every one is asked: a later one may end before the first
        if failed is None:
            failed = next((p.returncode for p in processes if p.returncode), None)
            deadline = time.monotonic() + GRACE if failed is not None else deadline
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    code = failed or next((p.returncode for p in processes if p.returncode), 0)
    return 128 - code if code < 0 else code
