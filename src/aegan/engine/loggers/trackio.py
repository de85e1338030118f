"""trackio: a data base of this machine, for all runs together. Look with: trackio show --project aegan"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trackio


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """It prints as it goes, where the progress is shown."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@dataclass
class Trackio:
    folder: Path  # RUN

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        with _quiet():
            self._run = trackio.init(
                project=os.environ.get("TRACKIO_PROJECT", "aegan"), name=self.folder.name, config=dict(config),
                resume="allow" if step else "never", embed=False, auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        with _quiet():
            self._run.log(dict(values), step=step)

    def images(self, step: int, name: str, path: Path) -> None:
        with _quiet():
            self._run.log({name: trackio.Image(str(path))}, step=step)

    def end(self) -> None:
        with _quiet():
            trackio.finish()  # not the run's own method, after which trackio would finish it once more at exit


logger = Trackio
