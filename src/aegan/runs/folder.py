"""A run folder, read: its settings, log, model, data and evaluation."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aegan.config import RunConfig
from aegan.data import Data
from aegan.engine.lock import locked
from aegan.engine.log import read_log
from aegan.engine.state import Checkpoints
from aegan.errors import UserError
from aegan.model import Model
from aegan.names import quoted, shortened
from aegan.networks import Own
from aegan.runs.places import find_data
from aegan.runs.settings import RunSettings

Array = NDArray[Any]


class Run:
    """A run folder: its settings, its log, its model.

    Args:
        path: RUN.
        device: where its model computes.
        networks: those of your own that it was trained with.
        elsewhere: whether the folder may be on another machine, that of the run's first process.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "auto",
        networks: Mapping[str, Own] | None = None,
        *,
        elsewhere: bool = False,
    ) -> None:
        self.path = Path(path)
        self.device, self.networks = device, networks
        self._data: Data | None = None
        if not elsewhere and not (self.path / "config.yaml").is_file():
            raise UserError(
                f"{self.path} is not a run: it holds no config.yaml.", "Give the --out folder of `aegan train`."
            )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from aegan.cells import WIDEST, lines, picture, table
        from aegan.text import measured, show

        try:
            settings, found = self.config, self.evaluation
        except UserError as error:
            return lines(str(error).splitlines())
        r = settings.run
        budget = f"{r.steps:,} steps" if r.minutes is None and r.steps is not None else f"{r.minutes or 0:g} minutes"
        out = table(
            [
                ("run", self.path), ("data", r.data), ("strategy", r.strategy), ("preset", r.preset),
                ("budget", budget), ("seed", r.seed), ("batch size", settings.options.get("batch_size", "")),
            ]
        )  # fmt: skip
        pictures = sorted((self.path / "samples").glob("*.png"))
        if pictures:
            out += picture(pictures[-1], f"The newest picture, {pictures[-1].stem}", WIDEST)
        if found is not None:
            rows = [
                (
                    f.get("title", name),
                    measured(f["value"], f.get("low"), f.get("high"), str(f.get("unit", ""))),
                    "" if f.get("floor") is None else show(f["floor"], str(f.get("unit", ""))),
                )
                for name, f in (found.get("figures") or {}).items()
                if f.get("value") is not None
            ]
            out += table(rows, ("figure", "value [95 %]", "perfect"))
        return out

    @cached_property
    def config(self) -> RunSettings:
        """The resolved configuration."""
        return RunSettings.read(self.path / "config.yaml")

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        if not (self.path / "model").exists():
            raise UserError(
                f"{self.path} has no model yet: its training has not come that far.",
                f"Go on with: aegan train --resume --out {quoted(self.path)}",
            )
        return Model.read(self.path / "model", self.device, self.networks)

    @cached_property
    def best_model(self) -> Model:
        """The model of the step whose samples were nearest to training data while it trained; see `aegan.engine.watch`."""
        if not (self.path / "model-best").exists():
            raise UserError(
                f"{self.path} kept no best model: it made no samples while it trained, or is of an older version.",
                "Evaluate the last one: --checkpoint last",
            )
        return Model.read(self.path / "model-best", self.device, self.networks)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        return read_log(self.path / "log.jsonl")

    def data(self, source: str | Path | Array | None = None) -> Data:
        """The data it was trained on, opened again and checked to be the same.

        Args:
            source: where it is now, or the array; by default it is looked for where it was, seen from the run too. What
                was opened by a source is kept, and given by later calls without one.

        Raises:
            UserError: it is not there, or is not what the run was trained on.
        """
        if source is None and self._data is not None:
            return self._data
        given = str(source) if isinstance(source, Path) else source
        data, _ = find_data(with_fingerprint(self.config, self.path), self.path, source=given)
        if source is not None:
            self._data = data
        return data

    def moved(self, source: str) -> None:
        """Notes in config.yaml that the data is at `source` now; a process that trains in the folder notes its own."""
        with contextlib.suppress(UserError), locked(self.path):
            settings = RunSettings.read(self.path / "config.yaml")
            settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, data=source))
            settings.placed(self.path).write(self.path / "config.yaml")

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """evaluation.json, if the run has been evaluated."""
        path = self.path / "evaluation.json"
        try:
            return dict(json.loads(path.read_bytes())) if path.exists() else None
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged.", f"Evaluate again: aegan evaluate {quoted(self.path)}") from error


def with_fingerprint(settings: RunSettings, folder: Path) -> RunSettings:
    """The same with the fingerprint of its data, which older versions kept in checkpoints only."""
    state = None if settings.fingerprint else Checkpoints(folder / "checkpoints").head()
    return settings if state is None else dataclasses.replace(settings, fingerprint=str(state["data"]))


def run_folder(config: RunConfig) -> Path:
    """`--out`, or runs/DATA-STRATEGY, numbered if that is taken."""
    if config.out is not None:
        return Path(config.out)
    stem = f"{shortened(Path(config.data).stem, 200) or 'data'}-{config.strategy}"
    folder, i = Path("runs") / stem, 2
    while (folder / "config.yaml").exists():
        folder, i = Path("runs") / f"{stem}-{i}", i + 1
    return folder
