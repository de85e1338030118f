"""Data: sources, inspection, cache and splits. Importing this needs numpy and Pillow; `aegan.data.loader` needs torch."""

from aegan.data.inspection import Inspection, Skipped
from aegan.data.open import inspect_data, open_data, open_like
from aegan.data.spec import Data, DataSpec, Split
from aegan.data.toys import TOYS, Toy

__all__ = [
    "TOYS",
    "Data",
    "DataSpec",
    "Inspection",
    "Skipped",
    "Split",
    "Toy",
    "inspect_data",
    "open_data",
    "open_like",
]
