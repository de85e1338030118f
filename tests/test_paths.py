"""Public functions take a path as text, as a `Path`, and as anything else that has `__fspath__`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aegan
from aegan import UserError
from aegan.bundle import read_bundle
from aegan.codec import Folder, compress, decompress, head_of
from aegan.data import DataSpec
from aegan.hub import write_hub_folder
from aegan.model import Model
from aegan.strategies import strategy


class Named:
    """A path that is neither text nor a `Path`."""

    def __init__(self, path: str | Path) -> None:
        self.path = os.fspath(path)

    def __fspath__(self) -> str:
        return self.path


KINDS = pytest.mark.parametrize("kind", [str, Path, Named])


@KINDS
def test_models(kind: Callable[[Any], Any], vector_run: Path, points: Path, tmp_path: Path) -> None:
    wanted = aegan.load(vector_run, "cpu").sample(3)
    saved = aegan.load(kind(vector_run), "cpu").save(kind(tmp_path / "saved"))
    assert np.array_equal(Model.read(kind(saved), "cpu").sample(3), wanted)
    assert read_bundle(kind(saved))[1]["strategy"] == "autoencoder"
    assert Path(write_hub_folder(kind(vector_run), kind(tmp_path / "hub"))[0]).parent == tmp_path / "hub"
    found = aegan.evaluate(
        kind(saved), kind(points), metrics="fd", count=64, device="cpu", out=kind(tmp_path / "drawn")
    )
    assert found.figures and (tmp_path / "drawn").is_dir()


@KINDS
def test_exports(kind: Callable[[Any], Any], vector_run: Path, tmp_path: Path) -> None:
    from aegan.hub import export_program, load_program

    export_program(aegan.load(vector_run, "cpu"), kind(tmp_path / "programs"))
    assert load_program(kind(tmp_path / "programs" / "decoder.pt2"))


@KINDS
def test_the_codec(kind: Callable[[Any], Any], folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "images"
    few.mkdir()
    for path in sorted((folder / "disc").iterdir())[:2]:
        shutil.copy(path, few)
    chosen, spec = strategy("codec")(width=8), DataSpec((3, 16, 16), (), 2)
    model = Model(chosen, spec, chosen.build(spec), device="cpu")
    done = compress(model, kind(few), kind(tmp_path / "out.aeg"), lossless=True)
    assert done.images == 2 and head_of(kind(tmp_path / "out.aeg")).mode == "lossless"
    out = Folder(kind(tmp_path / "again"))
    for name, picture in decompress(kind(tmp_path / "out.aeg"), model)[1]:
        out.add(name, picture)
    assert len(list((tmp_path / "again").iterdir())) == 2
    with pytest.raises(UserError, match=r"path of images or a built-in name.*ndarray"):
        compress(model, np.zeros((2, 16, 16, 3), np.uint8), tmp_path / "none.aeg")  # type: ignore[arg-type]
