"""Each strategy learns `ring`, `digits` and `fashion`: better than its own start, and than a Gaussian fitted to values.

About forty minutes on one core, behind the marker. What runs always is test_learning.py. More seeds: bench/built_in.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from built_in_tasks import BATCH, floor, gaussian, names, recipe, trained

PAIRS = [(kind, name) for kind in BATCH for name in names(kind)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_it_learns(kind: str, name: str, tmp_path: Path) -> None:
    steps, options = recipe(kind, name)
    # one step a stage: a density needs codes to be fitted to
    before = trained(name, kind, 1, options, tmp_path / "start")
    after = trained(name, kind, steps, options, tmp_path / "run")
    assert after < before or after < floor(kind), f"no better than at its start: {after:.4g}, {before:.4g}"
    if name != "codec":  # it starts as the transform of a Gaussian fitted to patches, and is not for drawing
        assert after < gaussian(kind), f"no better than a Gaussian: {after:.4g}, {gaussian(kind):.4g}"
