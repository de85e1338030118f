"""`aegan.compare`: from settings to trials to results and page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console

from aegan.comparison.page import page
from aegan.comparison.results import Results
from aegan.comparison.search import search
from aegan.comparison.settings import Settings, keep, order, sampling
from aegan.comparison.trials import Trial, check_conditions, run_jobs, threads_each
from aegan.config import as_plain
from aegan.cores import usable
from aegan.data.format import Colour, Fit, read_size, size_text, written_colour
from aegan.engine.device import describe_machine, pick_device
from aegan.errors import UserError
from aegan.files import write_text
from aegan.metrics import extractor as load_extractor
from aegan.runs.settings import resolve
from aegan.space import open_space
from aegan.version import __version__


def compare(
    data: str | Path | np.ndarray,
    strategies: Sequence[str] | Literal["all"],
    *,
    out: str | Path,
    seeds: int = 3,
    minutes: float | None = None,
    steps: int | None = None,
    size: int | str | tuple[int, int] | None = None,
    fit: Fit = "crop",
    background: Colour = "white",
    transparent: bool = False,
    grey: bool = False,
    mirror: bool = False,
    space: str | Path | None = None,
    classes: bool = False,
    batch_size: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    tune: int = 0,
    jobs: int | None = None,
    extractor: str = "lite0",
    count: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    data_dir: str | None = None,
    progress: bool = True,
) -> Results:
    """Trains each strategy with each seed under equal conditions, and writes results.json and index.html.

    Args:
        data: as `fit` takes it.
        strategies: names; with `gan`, the control, among them the project's claims are answered. "all": every one that
            makes samples and takes this data.
        out: DIR, for the runs and the results. A comparison that was stopped there goes on: trials that ended, in whatever
            way, are kept.
        seeds: trials of each strategy.
        minutes, steps: the budget of each trial, one of them. With steps, all have one batch size.
        size, fit, background, transparent, grey, mirror: of the training images, as `fit` takes them.
        space: a trained autoencoder in whose codes those strategies work that can, as `fit` takes it; the others train as
            they do without it.
        classes: use class labels. By default none does, because some strategies cannot.
        batch_size: examples a step; by default with minutes each strategy's own, with steps the control's.
        options: of single strategies by name, and under "" for all that have them. Sizes of networks are those of the
            control with its own preset unless set here.
        tune: search with so many trials for better learning rates first, for each strategy alike (needs Optuna).
        jobs: trials at once; by default one on each GPU, or one on all cores, so that seconds can be compared.
        extractor, count: of the evaluation.
        device, precision: as `fit` takes them; data_dir: as `aegan.data.open_data` does.
        progress: say on stderr what begins and ends.

    Raises:
        UserError: something must be corrected first; nothing has been trained, or what was can be continued.
    """
    folder = Path(out)
    if folder.is_file():
        raise UserError(f"{folder} is a file.", "Choose a folder with --out.")
    names = sampling() if strategies == "all" else tuple(strategies)
    asked = Settings(
        data=str(_saved(data, folder) if isinstance(data, np.ndarray) else data), strategies=names,
        seeds=seeds, minutes=minutes, steps=steps, size=None if size is None else size_text(read_size(size)), fit=fit,
        background=written_colour(background), transparent=transparent, grey=grey, mirror=mirror,
        space=None if space is None else str(space), classes=classes,
        batch_size=batch_size, options=as_plain(options or {}), tune=tune, extractor=extractor,
        count=count, device=device, precision=precision, data_dir=data_dir,
    )  # fmt: skip
    return _compared(asked, folder, *_slots(jobs, device), progress, able=strategies == "all")


def _compared(
    asked: Settings, folder: Path, at_once: int, devices: Sequence[str], progress: bool, *, able: bool
) -> Results:
    """Runs the trials that have not been run, `at_once` on `devices`, and writes what they found after each; `able`:
    only of strategies that take the data."""
    console = Console(stderr=True, quiet=not progress, emoji=False)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    opened = asked.open_data(progress)
    if able:
        reasons = {name: asked.unfit(name, opened) for name in asked.strategies}
        for name, why in reasons.items():
            if why:
                say(f"{name} is left out: it {why}")
        asked = dataclasses.replace(asked, strategies=tuple(name for name, why in reasons.items() if not why))
    machine = pick_device(asked.device)
    if opened.spec.is_image:
        # one that is missing is reported before hours of training
        load_extractor(asked.extractor, str(machine), data=opened)
    space = open_space(asked.space).space if asked.space is not None else None
    settings = keep(asked.checked(opened, space), opened.fingerprint, folder, space.weights if space else "")
    chosen = {name: settings.chosen(name, opened.spec, space) for name in settings.strategies}
    if settings.tune:
        for name in settings.strategies:
            found = search(settings, name, chosen[name], folder, at_once=at_once, devices=devices, say=say)
            chosen[name] = {**chosen[name], **found}
    conditions = {
        name: {
            "aegan": __version__,
            "threads": threads_each(at_once),
            "options": resolve(settings.config(name, 0, folder), opened, chosen[name]).options,
        }
        for name in settings.strategies
    }
    orders = [
        order(settings, name, seed, chosen[name], folder, f"runs/{name}-seed{seed}", conditions[name])
        for seed in range(settings.seeds)  # seed by seed, so that what there is when it is stopped can be compared
        for name in settings.strategies
    ]

    check_conditions(orders)

    about = {
        "name": opened.name,
        "source": opened.source,
        "fingerprint": opened.fingerprint,
        "shape": list(opened.spec.shape),
        "classes": list(opened.spec.classes),
        "train": len(opened.train),
        "held_out": len(opened.held_out),
    }

    def write(_: Trial | None = None) -> Results:
        trials = tuple(trial for job in orders if (trial := job.done) is not None)
        found = Results(settings, trials, about, chosen, describe_machine(machine), folder)
        found.write(folder / "results.json")
        write_text(folder / "index.html", page(found))
        return found

    run_jobs(orders, at_once=at_once, devices=devices, say=say, ended=write)
    return write()


def _slots(jobs: int | None, device: str) -> tuple[int, list[str]]:
    """Trials at once, and the devices to give out."""
    gpus = torch.cuda.device_count() if device == "auto" and torch.cuda.is_available() else 0
    if jobs is not None and not 1 <= jobs <= max(usable(), gpus):
        raise UserError(f"--jobs is {jobs}; this machine can run 1 to {max(usable(), gpus)} trials at once.")
    devices = [f"cuda:{i}" for i in range(gpus)] if gpus > 1 else []
    return jobs or max(1, gpus), devices


def _saved(items: np.ndarray, folder: Path) -> Path:
    """An array, as a file that every trial can open."""
    path = folder / "data.npy"
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no comparison.", "Choose a new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, items)
    elif not np.array_equal(np.load(path, allow_pickle=False), items):
        raise UserError(f"{folder} compares on another array.", "Choose a new folder.")
    return path
