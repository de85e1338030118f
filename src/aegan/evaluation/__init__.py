"""The protocol: which items on which side, how many, which seed, which floor; one JSON file as its result."""

from aegan.evaluation.protocol import evaluate_run
from aegan.evaluation.result import Evaluation, Figure

__all__ = ["Evaluation", "Figure", "evaluate_run"]
