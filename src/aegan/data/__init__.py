"""Data: sources, inspection, cache and splits. Importing this needs numpy and Pillow; `aegan.data.loader` needs torch."""

from aegan.data.builtin import TOYS
from aegan.data.open import open_data, open_like
from aegan.data.spec import Data, DataSpec, Split

__all__ = ["TOYS", "Data", "DataSpec", "Split", "open_data", "open_like"]
