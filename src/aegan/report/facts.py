"""What a report is made of, read once from a run folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from aegan.errors import UserError
from aegan.figures import Evaluation, Figure
from aegan.runs.reading import RunFolder, RunHistory


class Facts:
    """What a report is made of; an evaluation that cannot be read is missing, and `unreadable` says why."""

    def __init__(self, folder: RunFolder) -> None:
        unreadable: list[str] = []

        def read(which: Callable[[], Evaluation | None]) -> Evaluation | None:
            try:
                return which()
            except UserError as error:
                unreadable.append(str(error))
                return None

        self.folder, self.history = folder, RunHistory(folder.log)
        self.asked = folder.asked  # of the command
        self.spec = folder.spec  # shape, classes and count of the data
        self.evaluation = read(lambda: folder.evaluation)  # of the last model
        self.best = read(lambda: folder.best_evaluation)  # of the best while training
        self.unreadable = "\n".join(unreadable)

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
