"""`--devices`: the processes of a run are waited for, and one that dies is noticed, whichever it is."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from aegan import launch


@pytest.mark.parametrize("place", [0, 1])
def test_one_that_dies_is_noticed_while_the_others_run(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "GRACE", 0.2)
    lasting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    dying = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    began = time.monotonic()
    try:
        assert launch._wait([dying, lasting] if place == 0 else [lasting, dying]) == 3
        assert time.monotonic() - began < 30
    finally:
        lasting.kill()
        lasting.wait()


def test_a_signal_is_an_exit_code() -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
    assert launch._wait([killed]) == 128 + 9
