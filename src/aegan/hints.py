"""Types that annotations name all over the package."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
AnyPath: TypeAlias = "str | os.PathLike[str]"  # what a public function takes for a path
