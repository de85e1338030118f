"""Measures: tensors or arrays in, numbers out. No files, no models of ours, no printing.

Where the numbers come from (splits, counts, seeds, floors) is the business of `aegan.evaluation`.
"""

from aegan.metrics.distortion import psnr
from aegan.metrics.features import Extractor, MissingExtractor, extractor, extractors
from aegan.metrics.frechet import Statistics, frechet_between, frechet_distance, statistics
from aegan.metrics.interval import Measured
from aegan.metrics.modes import ModeReport, Modes, mode_report
from aegan.metrics.nearest import Copying, copying, nearest_items

__all__ = [
    "Copying",
    "Extractor",
    "Measured",
    "MissingExtractor",
    "ModeReport",
    "Modes",
    "Statistics",
    "copying",
    "extractor",
    "extractors",
    "frechet_between",
    "frechet_distance",
    "mode_report",
    "nearest_items",
    "psnr",
    "statistics",
]
