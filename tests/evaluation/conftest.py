"""What the tests of evaluation share; `evaluation_fakes` is found beside this file."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # import-mode importlib leaves it out


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache; one thread, since tests share the machine."""
    cache: Path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AEGAN_CACHE", str(cache))
    torch.set_num_threads(1)
