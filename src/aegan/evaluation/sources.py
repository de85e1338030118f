"""What is evaluated, and what it is compared with: runs, models, and images of any origin, opened the same way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np

from aegan.data import Data
from aegan.data.builtin import NAMES
from aegan.data.format import ImageFormat, Size, read_size, size_text
from aegan.data.inspection import size_shown
from aegan.data.open import open_as
from aegan.errors import HoldsVectors, TooFew, UserError
from aegan.evaluation.rows import Rows
from aegan.evaluation.task import Model
from aegan.model import Model as Trained
from aegan.runs.folder import Run

Checkpoint = Literal["last", "best"]


class RunLike(Protocol):
    """What evaluation asks of a run; `aegan.Run` is one."""

    path: Path

    @property
    def model(self) -> Model: ...
    def data(self) -> Data: ...


Source: TypeAlias = str | os.PathLike[str] | np.ndarray | Sequence[Any] | Data | Model | RunLike


@dataclass(frozen=True)
class Subject:
    """What is evaluated."""

    name: str  # for titles
    kind: Literal["run", "model", "images"]
    weights: str  # which weights make the samples, as far as that is known
    model: Model | None = None
    items: Rows | None = None  # the images; None for a model
    checkpoint: str = ""  # of a run

    def describe(self) -> dict[str, str]:
        """As plain values."""
        return {"name": self.name, "kind": self.kind} | ({"checkpoint": self.checkpoint} if self.checkpoint else {})


def open_sides(
    what: Source, against: Source | None, size: Size | None, checkpoint: Checkpoint, device: str, progress: bool
) -> tuple[Subject, Data, bool, list[str]]:
    """Opens both sides in one shape.

    A model decides the shape; else the reference does, and images that differ are converted.

    Returns:
        what is evaluated, what it is compared with, whether that is split into training and held-out items (the data of a
        run, a built-in name, and opened data are; a file, a folder or an array counts whole), and remarks on what was
        converted.
    """
    run, model = _run_or_model(what, checkpoint, device)
    if model is not None:
        made = model.spec.shape[1:]
        if size is not None and read_size(size) != made:
            raise UserError(
                f"The model makes images of {size_shown(size_text(made)) if made else 'no size'}: {size} is not its size.",
                "Leave --size out, or write its samples to a folder and evaluate that.",
            )
        data, split, said = _reference(against, run, model, progress)
        if isinstance(run, Run) and run.config.run.mirror:
            said.append("Training images were mirrored (--mirror); the reference and the held-out images are not.")
        folder = Path(what) if isinstance(what, str | os.PathLike) else None
        if run is None:
            name = str(getattr(what, "name", "model") if folder is None else folder)
            return Subject(name, "model", weights_of(model, folder), model), data, split, said
        name = run.path.name if folder is None else str(folder)
        weights = weights_of(model, run.path / ("model" if checkpoint == "last" else "model-best"))
        return Subject(name, "run", weights, model, None, checkpoint), data, split, said
    if against is None:
        if isinstance(what, str | os.PathLike) and os.fspath(what) not in NAMES and not Path(what).exists():
            raise UserError(f"There is no {what}.", "Give a run, a model's folder, or images.")
        raise UserError(
            f"{_name(what)} is not a run (it holds no config.yaml), so it needs something to be compared with.",
            "Add --against DATA: a folder of real images, a .zip, .npy/.npz, parquet, or a built-in name.",
        )
    if size is not None and not _given_by_name(against):
        raise UserError(
            "--size says nothing here: the data to compare with are open already, in their own size.",
            "Leave it out, or name the folder or file that holds them.",
        )
    data, split = _against(against, ImageFormat.of(size), progress)
    items, said = _images(what, data, progress)
    weights = "unknown: the images were given, not made here"
    said = [*_reduced(data, size, _given_by_name(against)), *said]
    return Subject(_name(what), "images", weights, None, items), data, split, said


def weights_of(model: Model, folder: Path | None) -> str:
    """Which weights a model samples with: which networks are averages, as its stages say; the mode; the file's hash."""
    strategy, networks = getattr(model, "strategy", None), getattr(model, "networks", {})
    parts = []
    if strategy is not None:
        averaged = sorted({n for stage in strategy.stages(model.spec) for n in getattr(stage, "ema", ())})
        parts.append(f"moving averages (EMA) of {', '.join(averaged)}" if averaged else "no moving averages (EMA)")
        rest = sorted(n for n, net in networks.items() if n not in averaged and any(True for _ in net.parameters()))
        parts += [f"last step of {', '.join(rest)}"] if rest else []
        training = any(m.training for net in networks.values() for m in net.modules())
        parts.append("TRAIN mode" if training else "eval mode")
    path = folder / "model.safetensors" if folder is not None else None
    if path is not None and path.is_file():
        parts.append(f"model.safetensors sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}")
    return "; ".join(parts) or "unknown"


# --- what is evaluated ------------------------------------------------------------------------------------------------


def _run_or_model(what: Source, checkpoint: Checkpoint, device: str) -> tuple[Any, Any]:
    """(run, model), either None."""
    run: Any = what
    if isinstance(what, str | os.PathLike):
        path = Path(what)
        if os.fspath(what) in NAMES:
            return None, None
        if (path / "model.safetensors").is_file():
            return None, Trained.read(path, device)
        if not (path / "config.yaml").is_file():
            return None, None
        run = Run(path, device)
    elif hasattr(what, "sample") and hasattr(what, "capabilities"):
        return None, what
    elif not (hasattr(what, "path") and hasattr(what, "data")):
        return None, None
    getattr(run, "config", None)  # a damaged one is reported before a missing model
    return run, run.model if checkpoint == "last" else run.best_model


def _images(what: Any, data: Data, progress: bool) -> tuple[Rows, list[str]]:
    """Images, or vectors, in the shape of the reference; and what was converted."""
    spec = data.spec
    if isinstance(what, Data):
        if what.spec.shape != spec.shape:
            raise UserError(
                f"The items are {what.spec.shape}, the reference is {spec.shape}.", "Open both in one size and colour."
            )
        return whole(what), []
    if spec.is_vector:
        mine = _open(what, ImageFormat(), progress)
        if mine.spec.shape != spec.shape:
            raise UserError(
                f"{_name(what)} holds {mine.spec.shape}, the reference {spec.shape}.", "Give vectors alike."
            )
        return whole(mine), []
    mine = _open(what, replace(spec.format, channels=None), progress)
    if mine.spec.is_vector:
        raise UserError(f"{_name(what)} holds vectors, the reference images.", "Give images on both sides.")
    said = []
    if mine.spec.channels != spec.channels:
        kinds = {1: "grey", 3: "colour", 4: "colour with alpha"}
        said.append(f"{kinds[mine.spec.channels]} to {kinds[spec.channels]}")
        mine = _open(what, spec.format, progress)
    seen = mine.inspection
    if seen.widths and ({*seen.widths}, {*seen.heights}) != ({spec.width}, {spec.height}):
        said.insert(0, f"{_sides(seen)} to {spec.width}×{spec.height}")
    remarks = [f"The images were converted to the reference's kind: {', '.join(said)}."] if said else []
    if seen.skipped_count:
        remarks.append(f"{seen.skipped_count:,} files were left out: {', '.join(seen.skipped)}.")
    return whole(mine), remarks


def whole(data: Data) -> Rows:
    """All items of data that are not split."""
    return Rows([data.train.items, data.held_out.items])


def _name(what: Any) -> str:
    if isinstance(what, Data):
        return what.name
    return os.fspath(what) if isinstance(what, str | os.PathLike) else "the array"


# --- what it is compared with -----------------------------------------------------------------------------------------


def _reference(against: Source | None, run: Any, model: Model, progress: bool) -> tuple[Data, bool, list[str]]:
    """The data that a model is compared with, in the shape that it makes; and whether they are split."""
    spec = model.spec
    if against is not None:
        data, split = _against(against, spec.format if spec.is_image else ImageFormat(), progress)
    elif run is not None:
        data, split = run.data(), True
    else:
        raise UserError(
            "A model alone does not know the data it is to be compared with.", "Add --against DATA, or give its run."
        )
    if tuple(data.spec.shape) != tuple(spec.shape):
        raise UserError(
            f"The model makes {tuple(spec.shape)}, the data holds {tuple(data.spec.shape)}.",
            "Evaluate it against the data it was trained on, in the same size.",
        )
    if against is None or run is None:
        return data, split, []
    try:
        own = run.data().fingerprint
    except UserError:  # the data it was trained on cannot be opened any more
        own = ""
    if data.fingerprint != own:
        return data, split, [f"Compared with {data.name}, which need not be what the run was trained on."]
    return data, True, []  # its own data by another name: what was held out of training stays so


def _against(against: Source, wanted: ImageFormat, progress: bool) -> tuple[Data, bool]:
    """The data, and whether they are split into training and held-out items."""
    if isinstance(against, Data):
        return against, True
    if not _given_by_name(against):
        run: Any = run_of(against) or against  # of the user's own kind
        return cast(Data, run.data()), True
    points = isinstance(against, str) and against in ("ring", "grid")
    named = isinstance(against, str) and against in NAMES
    return _open(against, ImageFormat() if points else wanted, progress), named


def run_of(against: Any) -> Run | None:
    """The run that images are compared with, if it is one."""
    if isinstance(against, Run):
        return against
    named = isinstance(against, str | os.PathLike) and (Path(against) / "config.yaml").is_file()
    return Run(Path(against)) if named else None


def _given_by_name(against: Any) -> bool:
    """Whether it is neither a run nor data that are open, whose size is settled."""
    if isinstance(against, str | os.PathLike):
        return not (Path(against) / "config.yaml").is_file()
    return not (isinstance(against, Data) or callable(getattr(against, "data", None)))  # of a tensor it is no function


def _open(what: Any, wanted: ImageFormat, progress: bool) -> Data:
    try:
        return open_as(what, wanted, progress=progress)
    except HoldsVectors:
        if wanted == ImageFormat():
            raise
        return open_as(what, ImageFormat(), progress=progress)
    except TooFew as error:
        raise UserError(
            f"{_name(what)}: Too few to evaluate: {error.found}.",
            "Give at least 8 different ones; constant images have nothing to compare.",
        ) from error


def _reduced(data: Data, size: Size | None, named: bool) -> list[str]:
    """Whether the reference itself was made smaller than it is stored; and, if it is `named`, what to do about it."""
    seen = data.inspection
    if size is not None or not data.spec.is_image or seen is None or not seen.widths:
        return []
    if seen.widths[1] <= data.spec.width or seen.heights[1] <= data.spec.height:
        return []
    return [
        f"The reference is stored as {_sides(seen)} and compared at {data.spec.width}×{data.spec.height}"
        + ("; --size compares at another size." if named else ".")
    ]


def _sides(seen: Any) -> str:
    (w0, w1, w2), (h0, h1, h2) = seen.widths, seen.heights
    return f"{w1}×{h1}" if (w0, h0) == (w2, h2) else f"{w0} to {w2} pixels wide"
