"""What a report is made of, read once from a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aegan.errors import UserError
from aegan.figures import Evaluation, Figure
from aegan.runs.reading import RunFolder, RunHistory


@dataclass(frozen=True)
class Facts:
    """What a report is made of, read once.

    Attributes:
        folder: the run.
        history: of its log.
        asked: what the command asked for.
        spec: shape, classes and count of the data.
        evaluation, best: of the last model, and of the best while training.
        unreadable: why an evaluation that is there cannot be read.
    """

    folder: RunFolder
    history: RunHistory
    asked: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    best: Evaluation | None = None
    unreadable: str = ""

    def figure(self, name: str) -> Figure:
        """A figure of the evaluation; one without a value if there is none of this name."""
        if self.evaluation is not None and name in self.evaluation:
            return self.evaluation[name]
        return Figure(name, name, None)

    @cached_property
    def item(self) -> str:
        """What one example is called: image, or vector."""
        shape = self.spec.get("shape")
        if isinstance(shape, list):
            return "image" if len(shape) == 3 else "vector"
        return "vector" if self.evaluation is not None and not self.evaluation.extractor else "image"

    @property
    def machine(self) -> dict[str, Any]:
        """Hardware and versions, of the last start, else of the evaluation."""
        return self.history.machine or (self.evaluation.machine if self.evaluation else {})


def read_facts(folder: RunFolder) -> Facts:
    """The contents of a run folder; an evaluation that cannot be read is missing, and `unreadable` says why."""
    unreadable: list[str] = []

    def read(which: Callable[[], Evaluation | None]) -> Evaluation | None:
        try:
            return which()
        except UserError as error:
            unreadable.append(str(error))
            return None

    evaluation, best = read(lambda: folder.evaluation), read(lambda: folder.best_evaluation)
    history = RunHistory(folder.log)
    return Facts(folder, history, folder.asked, folder.spec, evaluation, best, "\n".join(unreadable))
