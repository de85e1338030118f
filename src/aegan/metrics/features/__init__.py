"""Feature extractors, by name: images in, one vector each out.

One file each; a function under `@register("name")` makes it. An extractor says what it is (`describe`, recorded in every
result) and maps uint8 images (N, H, W, C) to float32 (N, D). A missing package or file is a `MissingExtractor` that names
the command or the file that provides it. Nothing is ever downloaded. Scores of different extractors are never comparable.
"""

import importlib
import pkgutil

from aegan.metrics.features._base import (
    Extractor,
    ExtractorRequest,
    MissingExtractor,
    Progress,
    extractor,
    extractors,
    register,
)
from aegan.metrics.features.classifier import Classifier, classifier
from aegan.metrics.features.module import module_extractor

__all__ = [
    "Classifier",
    "Extractor",
    "ExtractorRequest",
    "MissingExtractor",
    "Progress",
    "classifier",
    "extractor",
    "extractors",
    "module_extractor",
    "register",
]

for _module in pkgutil.iter_modules(__path__):  # whatever file lies here registers its extractor
    importlib.import_module(f"{__name__}.{_module.name}")
