"""Weights & Biases: files in RUN/wandb, offline unless WANDB_MODE says otherwise. Send: wandb sync RUN/wandb/offline-*"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb


@dataclass
class WeightsAndBiases:
    folder: Path  # RUN

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        kept = self.folder / "wandb" / "run-id"  # a resumed run goes on under the name that it had
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(uuid.uuid4().hex[:8], encoding="ascii")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "aegan"), name=self.folder.name, dir=self.folder, id=kept.read_text(),
            config=dict(config), mode=os.environ.get("WANDB_MODE", "offline"),  # type: ignore[arg-type]
            resume="allow" if step else None,
            # it shall not take the terminal, which shows the progress
            settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def images(self, step: int, name: str, path: Path) -> None:
        self._run.log({name: wandb.Image(str(path))}, step=step)

    def end(self) -> None:
        self._run.finish()


logger = WeightsAndBiases
