"""Strategies compared on equal terms: the same data, split, sizes, budget, seeds and evaluation; failures are counted."""

from aegan.comparison.comparing import compare
from aegan.comparison.results import Results
from aegan.comparison.settings import Settings
from aegan.comparison.trials import Trial

__all__ = ["Results", "Settings", "Trial", "compare"]
