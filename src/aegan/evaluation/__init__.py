"""The protocol: which items on which side, how many, which seed, which baseline; one typed result, one JSON file."""

from aegan.evaluation.protocol import METRICS, USUAL, evaluate, evaluate_run
from aegan.figures import Evaluation, Figure

__all__ = ["METRICS", "USUAL", "Evaluation", "Figure", "evaluate", "evaluate_run"]
