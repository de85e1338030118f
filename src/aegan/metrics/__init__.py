"""Measures: tensors or arrays in, numbers out. No files, no models of ours, no printing.

Where the numbers come from (splits, counts, seeds, floors) is the business of `aegan.evaluation`.
"""

from aegan.metrics.authentic import Authenticity, authenticity
from aegan.metrics.cells import Cell, DataCopying, data_copying
from aegan.metrics.distortion import psnr
from aegan.metrics.features import (
    Classifier,
    Extractor,
    MissingExtractor,
    classifier,
    extractor,
    extractors,
    module_extractor,
)
from aegan.metrics.frechet import Statistics, frechet_between, frechet_distance, statistics
from aegan.metrics.frechet_error import frechet_interval
from aegan.metrics.inception import inception_score
from aegan.metrics.interval import Measured
from aegan.metrics.kernel import kernel_distance
from aegan.metrics.modes import ModeReport, Modes, mode_report
from aegan.metrics.nearest import Copying, copying, nearest_items
from aegan.metrics.neighbours import PRDC, prdc, prdc_intervals, radii
from aegan.metrics.representation import Probe, Representation, compare_codes, knn_accuracy, linear_probe
from aegan.metrics.similarity import ms_ssim, ms_ssim_scales, ssim
from aegan.metrics.stacked import StackedReport, stacked_report

__all__ = [
    "PRDC",
    "Authenticity",
    "Cell",
    "Classifier",
    "Copying",
    "DataCopying",
    "Extractor",
    "Measured",
    "MissingExtractor",
    "ModeReport",
    "Modes",
    "Probe",
    "Representation",
    "StackedReport",
    "Statistics",
    "authenticity",
    "classifier",
    "compare_codes",
    "copying",
    "data_copying",
    "extractor",
    "extractors",
    "frechet_between",
    "frechet_distance",
    "frechet_interval",
    "inception_score",
    "kernel_distance",
    "knn_accuracy",
    "linear_probe",
    "mode_report",
    "module_extractor",
    "ms_ssim",
    "ms_ssim_scales",
    "nearest_items",
    "prdc",
    "prdc_intervals",
    "psnr",
    "radii",
    "ssim",
    "stacked_report",
    "statistics",
]
