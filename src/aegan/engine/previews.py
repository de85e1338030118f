"""The pictures that a run draws while it trains, into RUN/samples."""

from __future__ import annotations

from pathlib import Path

import torch

from aegan.data.loader import batches as read_batches
from aegan.data.loader import to_items
from aegan.data.spec import Data
from aegan.engine.schedule import Plan
from aegan.engine.view import spread, to_device
from aegan.files import write_atomically
from aegan.strategies import Networks, Stage, Strategy

PREVIEWS = 6  # pictures a stage
SHOWN = 64  # examples in a picture


class Previews:
    """Draws with whatever weights the networks have when it is asked; reconstructions show the same examples always."""

    def __init__(self, strategy: Strategy, data: Data, device: torch.device, folder: Path) -> None:
        self.strategy, self.data, self.device, self.folder = strategy, data, device, folder
        shown = spread(data.held_out if len(data.held_out) else data.train, SHOWN // 2)
        self.shown = to_device(next(read_batches(shown, len(shown))), device)

    @staticmethod
    def due(plan: Plan, step: int) -> bool:
        """Whether the stage's step before `step` was the last of one of its `PREVIEWS` parts."""
        here, before = (int(plan.progress(s) * PREVIEWS) for s in (step, step - 1))
        return bool(plan.knots) and here > before

    @torch.no_grad()
    def draw(self, networks: Networks, stage: Stage, step: int) -> Path:
        """A picture from fixed noise, or of fixed examples and their reconstructions."""
        from aegan.pictures import encoded, grid, scatter

        is_image = self.data.spec.is_image
        if stage.preview == "sample":
            rng = torch.Generator(self.device).manual_seed(0)
            made = self.strategy.sample(networks, SHOWN if is_image else 2000, None, 1.0, rng)
        else:
            back = self.strategy.decode(networks, self.strategy.encode(networks, self.shown.x))
            made = torch.cat([t for pair in zip(self.shown.x.split(8), back.split(8), strict=True) for t in pair])
        items = to_items(made, self.data.mean, self.data.scale)
        picture = grid(items) if is_image else scatter(items, self.data.train.items)
        path = self.folder / f"{step:07d}-{stage.name}.png"
        write_atomically(path, encoded(picture))
        return path
