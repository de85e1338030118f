"""Run: a run folder with its settings, model and data."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from functools import cached_property
from itertools import count
from pathlib import Path

from aegan.config import RunConfig
from aegan.data import Data
from aegan.engine.lock import locked
from aegan.engine.state import Checkpoints
from aegan.errors import UserError
from aegan.files import explained
from aegan.folders import expanded
from aegan.hints import AnyPath, Array
from aegan.model import Model
from aegan.names import quoted, stem_of
from aegan.networks import Own
from aegan.runs.places import find_data
from aegan.runs.reading import RunFolder
from aegan.runs.settings import RunSettings


class Run(RunFolder):
    """A run folder: its settings, its log, its model, its data, its evaluation.

    Args:
        path: RUN.
        device: where its model computes.
        networks: those of your own that it was trained with.
        elsewhere: whether the folder may be on another machine, that of the run's first process.
        data: what it was trained on, if that is open already.

    Raises:
        UserError: it holds no config.yaml.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "auto",
        networks: Mapping[str, Own] | None = None,
        *,
        elsewhere: bool = False,
        data: Data | None = None,
    ) -> None:
        self.path = Path(path)
        if not elsewhere:
            super().__init__(path)
        self.device, self.networks = device, networks
        self._data = data

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from aegan.cells import WIDEST, lines, picture, table

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
        if pictures := self.previews():
            newest = pictures[-1][2]
            out += picture(newest, f"The newest picture, {newest.stem}", WIDEST)
        if found is not None:
            rows = [f.cells for f in found.figures if f.value is not None]
            out += table(rows, ("figure", "value [95 %]", "baseline"))
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
        """The model of the step whose samples were nearest to training data while it trained; see `aegan.engine.monitor`."""
        if not (self.path / "model-best").exists():
            raise UserError(
                f"{self.path} kept no best model: it made no samples while it trained, or is of an older version.",
                "Evaluate the last one: --checkpoint last",
            )
        return Model.read(self.path / "model-best", self.device, self.networks)

    def data(self, source: AnyPath | Array | None = None) -> Data:
        """The data it was trained on, opened again and checked to be the same.

        Args:
            source: where it is now, or the array; by default it is looked for where it was, seen from the run too. What
                was opened by a source is kept, and given by later calls without one.

        Raises:
            UserError: it is not there, or is not what the run was trained on.
        """
        if source is None and self._data is not None:
            return self._data
        given = os.fspath(source) if isinstance(source, os.PathLike) else source
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


def with_fingerprint(settings: RunSettings, folder: Path) -> RunSettings:
    """The same with the fingerprint of its data, which older versions kept in checkpoints only."""
    state = None if settings.fingerprint else Checkpoints(folder / "checkpoints").head()
    return settings if state is None else dataclasses.replace(settings, fingerprint=str(state["data"]))


def run_folder(config: RunConfig) -> Path:
    """`--out`, or a new folder runs/DATA-STRATEGY, numbered if that is taken.

    A new folder is made here, so that runs that begin at once get one each.

    Raises:
        UserError: `--out` is empty, which as a path would be the working folder; or the new folder can't be made.
    """
    if config.out is not None:
        if not config.out.strip():
            raise UserError("--out is empty.", "Name a folder for the run.")
        return expanded(config.out)
    stem = f"{stem_of(config.data)}-{config.strategy}"
    runs = Path("runs")
    names = (stem if i == 1 else f"{stem}-{i}" for i in count(1))
    with explained(runs):
        runs.mkdir(exist_ok=True)
        return next(runs / name for name in names if _made(runs / name))


def _made(folder: Path) -> bool:
    """Makes a folder; false where there is something of that name."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True
