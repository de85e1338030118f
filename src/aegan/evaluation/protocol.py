"""How a run is evaluated.

The reference is a fixed choice of *training* items: a model can at best repeat their distribution. The floor is what
*held-out* items, never trained on, get against the same reference; there are as many of them as of samples,
because a Fréchet distance falls with the count. Reconstructions are those of the held-out items.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aegan.data import Data
from aegan.engine.device import describe_machine, pick_device
from aegan.errors import UserError
from aegan.evaluation import pictures
from aegan.evaluation.images import image_figures
from aegan.evaluation.result import Evaluation
from aegan.evaluation.task import LEAST, Model, Steps, Task
from aegan.evaluation.vectors import vector_figures
from aegan.metrics.features import Progress as Step
from aegan.version import __version__

WEIGHTS = "those of the run's last step, moving averages (EMA) where its stages keep them; eval mode"


class _Run(Protocol):
    """What evaluation asks of a run; `aegan.Run` is one."""

    path: Path

    @property
    def model(self) -> Model: ...
    def data(self) -> Data: ...


def evaluate_run(
    run: _Run,
    *,
    data: Data | None = None,
    extractor: str = "lite0",
    count: int = 2000,
    reference: int = 10000,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> Evaluation:
    """Scores a run's model, writes RUN/evaluation.json and the pictures in RUN/evaluation/.

    Args:
        run: a run with a model.
        data: the data it was trained on, if it is open already.
        extractor: of image features, by name. If it is not installed, the figures that need it are left out and say so.
        count: samples, and at most as many held-out items. With fewer held-out items fewer samples are used, so
            that the floor stays comparable; with fewer than 64 there is no floor.
        reference: at most so many training items.
        seed: of the samples and of the choice of items.
        device: where features are computed.
        progress: show it on stderr.
    """
    began = time.monotonic()
    if count < 1 or reference < 1:
        raise UserError("An evaluation needs a count and a reference of at least 1.")
    device = str(pick_device(device))
    data = data if data is not None else run.data()
    model = run.model
    if tuple(model.spec.shape) != tuple(data.spec.shape):
        raise UserError(
            f"The model makes {tuple(model.spec.shape)}, the data holds {tuple(data.spec.shape)}.",
            "Evaluate it against the data it was trained on, in the same size.",
        )
    held = len(data.held_out)
    n = min(count, held) if held >= LEAST else count
    task = Task(
        model=model,
        data=data,
        samples=np.zeros((0, 1)),
        reference=_choose(data.train.items, reference, seed),
        held_out=_choose(data.held_out.items, n, seed + 1),
        seed=seed,
    )
    if n < count:
        task.remarks.append(
            f"{n:,} samples instead of {count:,}: there are only {held:,} held-out items to compare with."
        )
    elif held < n:
        task.remarks.append(f"There are only {held:,} held-out items.")
    with _steps(progress) as step:
        if "sample" in model.capabilities:
            step("sampling")
            task.samples = model.sample(n, seed=seed)
        described = image_figures(task, extractor, device, step) if data.spec.is_image else vector_figures(task, step)
        _draw(task, run.path / "evaluation", step)
    counts = {"samples": len(task.samples), "reference": len(task.reference), "held_out": len(task.held_out)}
    result = Evaluation(
        figures=tuple(task.figures),
        data={
            "name": data.name,
            "source": data.source,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "held_out": held,
            "roles": {
                "reference": "training items",
                "floor": "held-out items, never trained on",
                "reconstructions": "of held-out items",
            },
        },
        counts=counts,
        extractor=described,
        seed=seed,
        weights=WEIGHTS + _digest(run.path / "model" / "model.safetensors"),
        remarks=tuple(task.remarks),
        seconds=round(time.monotonic() - began, 2),
        version=__version__,
        machine=describe_machine(torch.device(device)),
    )
    result.write(run.path / "evaluation.json")
    return result


def _draw(task: Task, folder: Path, step: Steps) -> None:
    """The pictures; those of an earlier evaluation that this one does not make are removed."""
    step("drawing")
    is_image = task.data.spec.is_image
    made: dict[str, Any] = {}
    if task.can("sample"):
        made["samples"] = pictures.samples_picture(task.samples, task.data.train.items)
        if is_image:
            made["nearest"] = pictures.nearest_picture(task.samples, task.data.train.items)
    if task.back is not None:
        made["reconstructions"] = pictures.reconstructions_picture(task.held_out, task.back)
    if is_image and task.can("sample", "encode", "decode"):
        made["interpolation"] = pictures.grid(task.model.interpolate(6, 10, seed=task.seed), columns=10)
    for name in ("samples", "nearest", "reconstructions", "interpolation"):
        path = folder / f"{name}.png"
        if name in made:
            pictures.save(made[name], path)
        else:
            path.unlink(missing_ok=True)


def _choose(items: np.ndarray, count: int, seed: int) -> np.ndarray:
    """At most `count` items, drawn without replacement, in their own order (which reads a memory map forwards)."""
    if len(items) <= count:
        return np.array(items)
    return np.array(items[np.sort(np.random.default_rng(seed).permutation(len(items))[:count])])


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    return f"; model.safetensors sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


@contextmanager
def _steps(shown: bool) -> Iterator[Steps]:
    """Names the step under way and counts its items, on stderr."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not shown or not console.is_terminal,
    )

    def step(name: str) -> Step:
        if shown and not console.is_terminal:
            console.print(f"evaluation: {name}", highlight=False)
        for task in bar.task_ids:
            bar.remove_task(task)
        now = bar.add_task(name, total=None)
        return lambda done, total: bar.update(now, completed=done, total=total)

    with bar:
        yield step
