"""Measures: tensors or arrays in, numbers out; no files, no printing. The networks whose features are measured are in
`features/`; two of them (`own`, `classifier`) are trained on the data first, and kept.

Where the numbers come from (splits, counts, seeds, baselines) is the business of `aegan.evaluation`.
"""

from aegan.metrics.cells import data_copying
from aegan.metrics.features import Extractor, MissingExtractor, classifier, extractor, extractors, module_extractor
from aegan.metrics.frechet import Statistics, frechet_between, frechet_distance, frechet_interval, statistics
from aegan.metrics.inception import inception_score
from aegan.metrics.interval import Measured
from aegan.metrics.kernel import kernel_distance
from aegan.metrics.modes import ModeReport, Modes, StackedReport, mode_report, stacked_report
from aegan.metrics.nearest import Copying, authenticity, copying, nearest_items
from aegan.metrics.neighbours import prdc
from aegan.metrics.representation import Representation, compare_codes, knn_accuracy, linear_probe
from aegan.metrics.similarity import ms_ssim, ms_ssim_scales, psnr, ssim

__all__ = [
    "Copying",
    "Extractor",
    "Measured",
    "MissingExtractor",
    "ModeReport",
    "Modes",
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
    "psnr",
    "ssim",
    "stacked_report",
    "statistics",
]
