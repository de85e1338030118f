"""The Python API: `fit` trains, `load` opens, `evaluate` scores; see `aegan.runs`, `aegan.model`, `aegan.evaluation`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aegan.config import Fit, RunConfig
from aegan.data.format import Colour, read_size, size_text, written_colour
from aegan.data.given import WANTED
from aegan.engine.log import Display
from aegan.errors import UserError
from aegan.evaluation import Evaluation, evaluate
from aegan.folders import expanded
from aegan.hints import AnyPath, Array
from aegan.hugging_face import fetch, hub_name
from aegan.model import Model
from aegan.networks import Own
from aegan.notebook import NotebookDisplay, in_notebook
from aegan.runs.folder import Run
from aegan.runs.resuming import given_settings
from aegan.seeds import check_seed
from aegan.training import train


def fit(
    data: AnyPath | Array | Sequence[Any],
    *,
    strategy: str = "latent",
    out: AnyPath | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    size: int | str | tuple[int, int] | None = None,
    fit: Fit = "crop",
    background: Colour = "white",
    transparent: bool = False,
    grey: bool = False,
    mirror: bool = False,
    seed: int = 0,
    preset: str | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    options: Mapping[str, Any] | None = None,
    networks: Mapping[str, Own] | None = None,
    resume: bool = False,
    evaluate: bool = False,
    progress: bool = True,
    logger: str = "auto",
    guard: Literal["auto", "warn", "off"] = "warn",
    early_stop: Literal["auto", "on", "off"] = "auto",
    threads: int | Literal["auto"] | None = None,
    init: AnyPath | Model | None = None,
    space: AnyPath | None = None,
) -> Run:
    """Trains a strategy on some data, and returns the run.

    torch's own random generators are afterwards where they were. A process trains one run at a time: while one trains in
    a thread, another is refused, and whoever loads a model or builds networks beside it changes what it draws.

    Args:
        data: a folder of images, a .zip, .npy, .npz or parquet file, a built-in name; or, in Python, a NumPy array or torch
            tensor: images (N, H, W), (N, H, W, C) or (N, C, H, W), or vectors (N, D); or a list of arrays, of PIL images or
            of image files, which may differ in size.
        strategy: see `aegan strategies`.
        out: folder for the run; default: a new one under `runs/`.
        minutes, steps: the budget, one of them; default 3 minutes.
        size: of the training images: a side, "WIDTHxHEIGHT", or (width, height), multiples of 8; default: suggested.
        fit: images of another shape are cropped to the middle ("crop"), given a margin ("pad"), or distorted ("stretch").
        background: colour under transparent images and of the margin: a name, "#rrggbb", "r,g,b", or three numbers.
        transparent: learn transparent images as such; samples are then uint8 (N, H, W, 4), RGBA.
        grey: train on grey images.
        mirror: show each training image mirrored left to right half of the time.
        seed: of everything random.
        preset, options: numbers for the strategy: a named set, and single ones over it.
        batch_size: examples per step.
        device, precision: where and how to compute.
        networks: of your own, in the place of the strategy's: "E", "G" or "D" to any `nn.Module` (Keras 3 on the torch
            backend too), which is trained in place, or to a function that makes one for an `aegan.data.DataSpec`.
        resume: go on with the run in `out`, whose settings are kept: others than its own are refused, `data` may have
            moved. A run that has ended is trained for `minutes` or `steps` more.
        evaluate: also score the model and write the report.
        progress: show it; in a notebook with the newest samples, in place.
        logger: also log to "tensorboard", "wandb" (offline) or "trackio", several with commas; "none"; "auto" is
            tensorboard where it is installed.
        guard: "warn" says what goes wrong while training; "auto" also goes back and changes one thing where that is safe.
        early_stop: end a stage that comes no nearer to held-out data; "auto": with under 1,000 training images.
        threads: that compute; "auto": fewer while other programs are busy; default: that with a budget of minutes, else
            torch's own number.
        init: begin with the weights of another model, as far as they fit: a run, a model's folder, owner/name on the Hub,
            or a model.
        space: a trained autoencoder in whose codes the strategy works, which is held: a run, a model's folder, or a folder
            of diffusers, here or on the Hub.

    Raises:
        UserError: something about the data, the settings or the folder must be corrected first.
    """
    if data is None:
        raise UserError("No data was given: it is None.", WANTED)
    source = os.fspath(data) if isinstance(data, str | os.PathLike) else data
    config = RunConfig(
        data=source if isinstance(source, str) else "array", strategy=strategy, out=None if out is None else os.fspath(out),
        minutes=minutes, steps=steps, size=None if size is None else size_text(read_size(size)), seed=check_seed(seed),
        preset=preset, batch_size=batch_size, device=device, fit=fit,
        background=written_colour(background), transparent=transparent, grey=grey, mirror=mirror,
        precision=precision, logger=logger, guard=guard, early_stop=early_stop,  # type: ignore[arg-type]
        threads=None if threads is None else str(threads),
        init=os.fspath(init) if isinstance(init, str | os.PathLike) else None,
        space=None if space is None else os.fspath(space),
    )  # fmt: skip
    display = NotebookDisplay() if progress and in_notebook() else Display(quiet=not progress)
    if resume and out is None:
        raise UserError("resume=True needs to know which run.", "Add out=RUN.")
    return train(
        config, options or {}, source=source, resume=resume, evaluate=evaluate, display=display, networks=networks,
        init=init if isinstance(init, Model) else None, given=given_settings(config) - {"data"},
    )  # fmt: skip


def load(path: AnyPath, device: str = "auto", networks: Mapping[str, Own] | None = None) -> Model:
    """The model of a run folder, of a model folder, or of the Hugging Face Hub.

    Args:
        path: the folder; or `owner/name` or `hf://owner/name`, `@revision` behind it if need be.
        device: where to compute.
        networks: those of your own that it was trained with: no file can hold them. The model takes copies.

    Raises:
        UserError: there is none, it is damaged, or it is from a newer version.
    """
    name = hub_name(path)
    if name is not None:
        return Model.read(fetch(name), device, networks)
    path = expanded(path)
    if not path.exists():
        raise UserError(f"{path} does not exist.", "Give the folder of a run.")
    if (path / "model.safetensors").exists():
        return Model.read(path, device, networks)
    return Run(path, device, networks).model


__all__ = ["Evaluation", "Model", "Run", "evaluate", "fit", "load"]
