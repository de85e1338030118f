"""What is evaluated, and what it is compared with: runs, models, and images of any origin, opened the same way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from aegan.data import Data
from aegan.data.builtin import NAMES
from aegan.data.format import ImageFormat, Size, read_size, size_text
from aegan.data.inspection import size_shown
from aegan.data.open import open_as
from aegan.errors import HoldsVectors, TooFew, UserError
from aegan.evaluation.rows import Rows
from aegan.evaluation.task import Model

Checkpoint = Literal["last", "best"]
FOLDERS: dict[Checkpoint, str] = {"last": "model", "best": "model-best"}


class RunLike(Protocol):
    """What evaluation asks of a run; `aegan.Run` is one."""

    path: Path

    @property
    def model(self) -> Model: ...
    def data(self) -> Data: ...


Source: TypeAlias = str | os.PathLike[str] | np.ndarray | Sequence[Any] | Data | Model | RunLike


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        name: for titles.
        kind: run, model, or images of any origin.
        weights: which weights make the samples, as far as that is known.
        model: None for images.
        items: the images; None for a model.
        checkpoint: of a run.
    """

    name: str
    kind: Literal["run", "model", "images"]
    weights: str
    model: Model | None = None
    items: Rows | None = None
    checkpoint: str = ""

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
        said += _mirrored(run)
        name = run.path.name if run is not None else str(getattr(what, "name", "model"))
        if isinstance(what, str | os.PathLike):
            name = str(what)
        folder = run.path / FOLDERS[checkpoint] if run is not None else _folder(what)
        kind: Literal["run", "model"] = "run" if run is not None else "model"
        at = checkpoint if run is not None else ""
        return Subject(name, kind, weights_of(model, folder), model, None, at), data, split, said
    if against is None:
        if isinstance(what, str | os.PathLike) and str(what) not in NAMES and not Path(what).exists():
            raise UserError(f"There is no {what}.", "Give a run, a model's folder, or images.")
        raise UserError(
            f"{_name(what)} is not a run (it holds no config.yaml), so it needs something to be compared with.",
            "Add --against DATA: a folder of real images, a .zip, .npy/.npz, parquet, or a built-in name.",
        )
    data, split = _against(against, ImageFormat.of(size), progress)
    items, said = _images(what, data, progress)
    weights = "unknown: the images were given, not made here"
    return Subject(_name(what), "images", weights, None, items), data, split, [*_reduced(data, size), *said]


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


def _mirrored(run: Any) -> list[str]:
    from aegan.runs.folder import Run

    if isinstance(run, Run) and run.config.run.mirror:
        return ["Training images were mirrored (--mirror); the reference and the held-out images are not."]
    return []


# --- what is evaluated ------------------------------------------------------------------------------------------------


def _run_or_model(what: Source, checkpoint: Checkpoint, device: str) -> tuple[Any, Any]:
    """(run, model), either None."""
    if isinstance(what, str | os.PathLike):
        from aegan.model import Model as Trained
        from aegan.runs.folder import Run

        path = Path(what)
        if str(what) in NAMES:
            return None, None
        if (path / "model.safetensors").is_file():
            return None, Trained.read(path, device)
        if not (path / "config.yaml").is_file():
            return None, None
        run = Run(path, device)
        run.config  # noqa: B018  a damaged one is reported first
        return run, run.model if checkpoint == "last" else run.best_model
    if hasattr(what, "sample") and hasattr(what, "capabilities"):
        return None, what
    if hasattr(what, "path") and hasattr(what, "data"):
        opened: Any = what
        getattr(opened, "config", None)  # a damaged one is reported before a missing model
        return opened, opened.model if checkpoint == "last" else opened.best_model
    return None, None


def _images(what: Any, data: Data, progress: bool) -> tuple[Rows, list[str]]:
    """Images, or vectors, in the shape of the reference; and what was converted."""
    spec = data.spec
    if isinstance(what, Data):
        if what.spec.shape != spec.shape:
            raise UserError(
                f"The items are {what.spec.shape}, the reference is {spec.shape}.", "Open both in one size and colour."
            )
        return Rows([what.train.items, what.held_out.items]), []
    if spec.is_vector:
        mine = _open(what, ImageFormat(), progress)
        if mine.spec.shape != spec.shape:
            raise UserError(
                f"{_name(what)} holds {mine.spec.shape}, the reference {spec.shape}.", "Give vectors alike."
            )
        return Rows([mine.train.items, mine.held_out.items]), []
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
    rows = Rows([mine.train.items, mine.held_out.items])
    remarks = [f"The images were converted to the reference's kind: {', '.join(said)}."] if said else []
    if seen.skipped_count:
        remarks.append(f"{seen.skipped_count:,} files were left out: {', '.join(seen.skipped)}.")
    return rows, remarks


def _folder(what: Any) -> Path | None:
    return Path(what) if isinstance(what, str | os.PathLike) else None


def _name(what: Any) -> str:
    if isinstance(what, Data):
        return what.name
    return str(what) if isinstance(what, str | os.PathLike) else "the array"


# --- what it is compared with -----------------------------------------------------------------------------------------


def _reference(against: Source | None, run: Any, model: Model, progress: bool) -> tuple[Data, bool, list[str]]:
    """The data that a model is compared with, in the shape that it makes; and whether they are split."""
    spec = model.spec
    if against is None:
        if run is None:
            raise UserError(
                "A model alone does not know the data it is to be compared with.",
                "Add --against DATA, or give its run.",
            )
        data, split = run.data(), True
    else:
        data, split = _against(against, spec.format if spec.is_image else ImageFormat(), progress)
    if tuple(data.spec.shape) != tuple(spec.shape):
        raise UserError(
            f"The model makes {tuple(spec.shape)}, the data holds {tuple(data.spec.shape)}.",
            "Evaluate it against the data it was trained on, in the same size.",
        )
    if against is None or run is None:
        return data, split, []
    if split or data.fingerprint != _fingerprint(run):
        return data, split, [f"Compared with {data.name}, which need not be what the run was trained on."]
    return data, True, []  # its own data by another name: what was held out of training stays so


def _fingerprint(run: Any) -> str:
    """Of the data a run was trained on; none where they cannot be opened any more."""
    try:
        found: Data = run.data()
    except UserError:
        return ""
    return found.fingerprint


def _against(against: Source, wanted: ImageFormat, progress: bool) -> tuple[Data, bool]:
    """The data, and whether they are split into training and held-out items."""
    if isinstance(against, Data):
        return against, True
    if isinstance(against, str | os.PathLike) and (Path(against) / "config.yaml").is_file():
        from aegan.runs.folder import Run

        return Run(Path(against)).data(), True
    if hasattr(against, "data") and callable(against.data):  # a run; of an array or a tensor this is no function
        found: Data = against.data()
        return found, True
    named = isinstance(against, str) and against in NAMES
    points = named and against in ("ring", "grid")
    return _open(against, ImageFormat() if points else wanted, progress), named


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


def _reduced(data: Data, size: Size | None) -> list[str]:
    """Whether the reference itself was made smaller than it is stored."""
    seen = data.inspection
    if size is not None or not data.spec.is_image or seen is None or not seen.widths:
        return []
    if seen.widths[1] <= data.spec.width or seen.heights[1] <= data.spec.height:
        return []
    return [
        f"The reference is stored as {_sides(seen)} and compared at {data.spec.width}×{data.spec.height}; "
        "--size compares at another size."
    ]


def _sides(seen: Any) -> str:
    (w0, w1, w2), (h0, h1, h2) = seen.widths, seen.heights
    return f"{w1}×{h1}" if (w0, h0) == (w2, h2) else f"{w0} to {w2} pixels wide"
