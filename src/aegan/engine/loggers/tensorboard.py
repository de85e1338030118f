"""TensorBoard: event files in RUN/tensorboard. Look with: tensorboard --logdir RUN"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from torch.utils.tensorboard import SummaryWriter


@dataclass
class TensorBoard:
    folder: Path  # RUN

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        # what an interrupted run wrote after its last checkpoint is taken back: those steps are taken again
        self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step or None)
        lines = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).splitlines()
        self._board.add_text("config", "\n".join(f"    {line}" for line in lines), step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def images(self, step: int, name: str, path: Path) -> None:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        self._board.add_image(name, pixels, step, dataformats="HWC")

    def end(self) -> None:
        self._board.close()


logger = TensorBoard
