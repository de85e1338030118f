"""What lies in a run folder, read so that a missing or damaged part is an absence, not a failure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from aegan.data.record import NAME as DATA_JSON
from aegan.data.record import describe
from aegan.errors import UserError
from aegan.jsonl import json_objects, number
from aegan.plain_yaml import read_yaml

PREVIEW = re.compile(r"(\d+)-(.+)\.png")


@dataclass(frozen=True)
class Facts:
    """The contents of RUN that a report needs."""

    path: Path

    @cached_property
    def config_text(self) -> str:
        try:
            return (self.path / "config.yaml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            raise UserError(
                f"{self.path} is not a run: it holds no config.yaml.", "Give the --out folder of `aegan train`."
            ) from None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The parsed configuration; empty if it is damaged."""
        try:
            content = read_yaml(self.config_text)
        except yaml.YAMLError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def settings(self) -> dict[str, Any]:
        """The part that says what was asked for."""
        run = self.config.get("run")
        return run if isinstance(run, dict) else self.config

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl that can be read."""
        return _json_lines(self.path / "log.jsonl")

    @cached_property
    def evaluation(self) -> dict[str, Any] | None:
        """evaluation.json, or None."""
        return self._scores("evaluation.json")

    @cached_property
    def best(self) -> dict[str, Any] | None:
        """evaluation-best.json, of the best model while training, or None."""
        return self._scores("evaluation-best.json")

    def _scores(self, name: str) -> dict[str, Any] | None:
        content = _json(self.path / name)
        return content if content is not None and isinstance(content.get("figures"), dict) else None

    @cached_property
    def data(self) -> list[str]:
        """What `aegan check` tells of the data, from data.json; older runs have none."""
        return describe(_json(self.path / DATA_JSON) or {})

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Shape, classes and count of the data, as the model's own config.json tells them; else empty."""
        spec = (_json(self.path / "model" / "config.json") or {}).get("spec")
        return spec if isinstance(spec, dict) else {}

    def events(self, name: str) -> list[dict[str, Any]]:
        """Event lines of one kind."""
        return [line for line in self.log if line.get("event") == name]

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        """The lines that carry losses."""
        return [line for line in self.log if "event" not in line and isinstance(line.get("step"), (int, float))]

    @cached_property
    def stages(self) -> list[tuple[float, str]]:
        """(first step, name) of each stage, in order; a stage that was resumed is named once."""
        out: list[tuple[float, str]] = []
        for event in self.events("stage"):
            name = str(event.get("stage", ""))
            if name not in [n for _, n in out]:
                out.append((number(event.get("step")) or 0.0, name))
        return out

    @property
    def finished(self) -> bool:
        """Whether the last thing that the log tells of is an end: a run that ended may have been trained for longer."""
        events = [line["event"] for line in self.log if line.get("event") in ("stage", "done")]
        return bool(events) and events[-1] == "done"

    @property
    def seconds(self) -> float | None:
        """Of training, as far as the log goes."""
        return next((s for line in reversed(self.log) if (s := number(line.get("seconds"))) is not None), None)

    @property
    def machine(self) -> dict[str, Any]:
        """Hardware and versions, of the last start, else of the evaluation."""
        starts = self.events("start")
        if starts:
            return {k: v for k, v in starts[-1].items() if k not in ("event", "resumed")}
        return dict((self.evaluation or {}).get("machine") or {})

    @property
    def threads(self) -> list[tuple[int, int]]:
        """(step, threads from there on) that the training kept, those that it only timed left out."""
        first = next((n for line in self.events("start") if (n := number(line.get("threads"))) is not None), None)
        out = [] if first is None else [(0, int(first))]
        kept = [line for line in self.events("threads") if not line.get("trial")]
        # a resumed run's log has what it repeats before its own lines
        for line in sorted(kept, key=lambda line: number(line.get("taken")) or 0):
            step, count = number(line.get("step")), number(line.get("to"))
            if step is not None and count is not None and (not out or out[-1][1] != count):
                out.append((int(step), int(count)))
        return out

    def picture(self, name: str) -> Path | None:
        """RUN/evaluation/NAME.png, if it is there."""
        path = self.path / "evaluation" / f"{name}.png"
        return path if path.is_file() else None

    def previews(self, most: int) -> list[tuple[int, str, Path]]:
        """(step, stage, file) of at most so many pictures in RUN/samples, first and last included."""
        found = [
            (int(m[1]), m[2], path)
            for path in sorted((self.path / "samples").glob("*.png"))
            if (m := PREVIEW.fullmatch(path.name))
        ]
        if len(found) <= most:
            return found
        return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _json_lines(path: Path) -> list[dict[str, Any]]:
    try:
        return json_objects(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
