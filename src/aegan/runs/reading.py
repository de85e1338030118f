"""RunFolder: what lies in a run folder, read without torch, also while another process writes it."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from aegan.errors import UserError
from aegan.events import Done, Event, Stage, Start, Step, Threads, parse
from aegan.figures import Evaluation
from aegan.jsonl import number, read_log
from aegan.plain_yaml import read_yaml

PREVIEW = re.compile(r"(\d{1,12})-(.{1,64})\.png")

E = TypeVar("E", bound=Event)


class RunFolder:
    """The contents of a run folder. A part that is missing or damaged is empty; only `evaluation` says why it is.

    Raises:
        UserError: it holds no config.yaml.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "config.yaml").is_file():
            raise UserError(
                f"{self.path} is not a run: it holds no config.yaml.", "Give the --out folder of `aegan train`."
            )

    # --- what was asked for ---------------------------------------------------------------------------------------

    @property
    def config_text(self) -> str:
        """config.yaml as it is."""
        try:
            return (self.path / "config.yaml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def asked(self) -> dict[str, Any]:
        """What the command asked for: data, strategy, budget, ...; `extended` holds what was asked for later."""
        try:
            content = read_yaml(self.config_text)
        except yaml.YAMLError:
            return {}
        run = content.get("run") if isinstance(content, dict) else None
        if not isinstance(run, dict):
            return {}
        more = content.get("extended")
        return {**run, "extended": [e for e in more if isinstance(e, dict)] if isinstance(more, list) else []}

    # --- what happened --------------------------------------------------------------------------------------------

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl that can be read."""
        return read_log(self.path / "log.jsonl")

    def previews(self, most: int | None = None) -> list[tuple[int, str, Path]]:
        """(step, stage, file) of the pictures in RUN/samples, oldest first; of more than `most`, first and last included."""
        try:
            names = sorted((self.path / "samples").iterdir())
        except OSError:
            return []
        found = [(int(m[1]), m[2], p) for p in names if (m := PREVIEW.fullmatch(p.name)) and p.is_file()]
        if most is None or len(found) <= most:
            return found
        return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]

    # --- what came of it ------------------------------------------------------------------------------------------

    @property
    def evaluation(self) -> Evaluation | None:
        """evaluation.json; None if the run has not been evaluated.

        Raises:
            UserError: it is damaged, or of a format that this version does not read.
        """
        return self._evaluation("evaluation.json")

    @property
    def best_evaluation(self) -> Evaluation | None:
        """evaluation-best.json, of the best model while training; otherwise like `evaluation`."""
        return self._evaluation("evaluation-best.json")

    def _evaluation(self, name: str) -> Evaluation | None:
        path = self.path / name
        return Evaluation.read(path) if path.exists() else None

    def picture(self, name: str) -> Path | None:
        """RUN/evaluation/NAME.png, if it is there."""
        path = self.path / "evaluation" / f"{name}.png"
        return path if path.is_file() else None

    @property
    def spec(self) -> dict[str, Any]:
        """Shape, classes and count of the data, as the model's own config.json has them."""
        spec = self.json("model/config.json").get("spec")
        if not isinstance(spec, dict):
            return {}
        shape = spec.get("shape")
        whole = isinstance(shape, list) and all(isinstance(side, int) for side in shape)
        return spec if whole else {key: value for key, value in spec.items() if key != "shape"}

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object that lies in the folder."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


class RunHistory:
    """What the lines of a log say about a run."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self._events = [parse(line) for line in lines]

    def events(self, *kinds: type[E]) -> list[E]:
        """Those of some kinds."""
        return [event for event in self._events if isinstance(event, kinds)]

    @cached_property
    def steps(self) -> list[Step]:
        """The lines that carry losses."""
        return [line for line in self.events(Step) if number(line.step) is not None]

    @property
    def step(self) -> float:
        """Of the last line that carries losses; 0: there is none."""
        return (self.steps[-1].step if self.steps else None) or 0

    @property
    def stages(self) -> list[tuple[float, str]]:
        """(first step, name) of each stage, in order; a stage that was resumed is named once."""
        first: dict[str, float] = {}
        for event in self.events(Stage):
            first.setdefault(event.stage, number(event.step) or 0.0)
        return [(step, name) for name, step in first.items()]

    @property
    def finished(self) -> bool:
        """Whether the last thing that it says is an end: a run that ended may have been trained for longer."""
        ends: list[Stage | Done] = self.events(Stage, Done)
        return bool(ends) and isinstance(ends[-1], Done)

    def last(self, key: str) -> float | None:
        """The newest finite number of this name."""
        return next((n for line in reversed(self.lines) if (n := number(line.get(key))) is not None), None)

    @property
    def machine(self) -> dict[str, Any]:
        """Hardware and versions, of the last start."""
        starts = self.events(Start)
        return starts[-1].machine if starts else {}

    @property
    def threads(self) -> list[tuple[int, int]]:
        """(step, threads from there on) that the training kept, those that it only timed left out."""
        first = next((n for x in self.events(Start) if (n := number(x.machine.get("threads"))) is not None), None)
        out = [] if first is None else [(0, int(first))]
        kept = [event for event in self.events(Threads) if not event.trial]
        # a resumed run's log has what it repeats before its own lines
        for event in sorted(kept, key=lambda event: number(event.taken) or 0):
            step, count = number(event.step), number(event.to)
            if step is not None and count is not None and (not out or out[-1][1] != count):
                out.append((int(step), int(count)))
        return out
