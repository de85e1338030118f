"""How anything is evaluated: one protocol for runs, models and images of any origin.

The reference is a fixed choice of *training* items: a model can at best repeat their distribution. The baseline is what
real items that are not in the reference get against it; there are as many of them as of samples, because a Fréchet
distance falls with the count. Held-out items, never trained on, come first among them. Reconstructions are those of
the held-out items.

Only data that a run was trained on are split like this. A folder or an array that is given as the reference counts whole,
so that a set against its own copy has distance 0; its baseline is a part of it against the other part.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aegan.data import Data
from aegan.data.format import Size
from aegan.engine.device import describe_machine, pick_device
from aegan.errors import UserError, unknown
from aegan.evaluation import distances, drawings, labelled, memorisation, modes, reconstruction
from aegan.evaluation.extractors import choose_extractor, feature_networks, related
from aegan.evaluation.features import OnBackground
from aegan.evaluation.rows import Rows
from aegan.evaluation.sources import Checkpoint, RunLike, Source, Subject, open_sides, run_of, whole
from aegan.evaluation.task import LEAST, SPAN, Steps, Task
from aegan.figures import Evaluation
from aegan.files import explained
from aegan.hints import AnyPath
from aegan.metrics import MissingExtractor
from aegan.metrics import extractor as load_extractor
from aegan.metrics.features import Progress as Step
from aegan.seeds import check_seed
from aegan.torch_state import kept_random, usual_torch
from aegan.version import __version__

COUNT, REFERENCE = 2000, 10_000
CHOICE = 0  # seed by which real items are chosen: fixed, so that seeds of samples stay comparable

METRICS: dict[str, Callable[[Task], None]] = {
    "modes": modes.modes,
    "fd": distances.frechet,
    "reconstruction": reconstruction.reconstruction,
    "kd": distances.kernel,
    "prdc": distances.manifold,
    "memorisation": memorisation.memorisation,
    "is": labelled.inception,
    "representation": labelled.representation,
}
RENAMED = {"honesty": "memorisation"}  # names of earlier releases
ASKED = ("is", "representation")  # only measured if asked for: they train something first
USUAL = tuple(name for name in METRICS if name not in ASKED)


@usual_torch()
def evaluate(
    images: Source,
    against: Source | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
    extractor: str | None = None,
    count: int | None = None,
    reference: int | None = None,
    size: Size | None = None,
    seed: int = 0,
    checkpoint: Checkpoint = "last",
    device: str = "auto",
    out: AnyPath | None = None,
    progress: bool = False,
) -> Evaluation:
    """Scores a run, a model, or images made by any program.

    Args:
        images: a run or a model (or its folder); or images: an array, a folder, a .zip, .npy, .npz or parquet file, a
            built-in name, or opened data.
        against: real data, in any of these forms; by default the data that a run was trained on. Images that differ
            in size or colour are converted to those of the reference, and a remark says so.
        metrics: names, in a list or comma-separated, or "all"; by default all that train nothing first. One that is
            asked for by name and cannot be had is an error; otherwise the figure says why it has no value.
        extractor: of image features, by name; by default lite0, and `own` for a model whose critics have seen images through
            a network of the same family (`--set eyes=`). If it is not installed, the figures that need it say so.
        count: samples, and as many real items for the baseline; by default all images that were given, 2,000 of a model or
            against a run's data, or fewer where fewer real items lie outside the reference, so that the baseline stays
            comparable. A count that is asked for holds, and a remark says what it costs.
        reference: at most so many real items to compare with; by default all, and 10,000 of a run's training items.
        size: at which images are compared, as `fit` takes it; default: what suits the reference, or the model's own.
        seed: of the samples, not of the real items: s draws those of the model's seeds s * 1,000,000 onwards.
        checkpoint: of a run: "last", or "best" by the figure that training kept an eye on.
        device: where models and features compute.
        out: folder for pictures; none by default.
        progress: show it on stderr.

    Raises:
        UserError: nothing usable on a side, too few items, an unknown name; says what and what to do.
    """
    began = time.monotonic()
    wanted, asked = _metrics(metrics)
    if (count is not None and count < 1) or (reference is not None and reference < 1):
        raise UserError("An evaluation needs a count and a reference of at least 1.")
    seed = check_seed(seed)
    check_seed(seed * SPAN, SPAN)
    computes = pick_device(device)
    device = str(computes)
    subject, data, split, remarks = open_sides(images, against, size, checkpoint, device, progress)
    with kept_random(computes), _steps(progress) as step:
        task = _prepare(subject, data, split, count, reference, seed, device, step)
        task.remarks[:0] = remarks
        if data.spec.is_image:
            name, said = choose_extractor(extractor, feature_networks(subject.model), data)
            if extractor is None and subject.model is None and (run := run_of(against)) is not None:
                name, as_run = choose_extractor(None, run.config.strategy().feature_networks, data)
                said = [f"Judged by '{name}', as the run {run.path.name} is."] if as_run else []
            task.remarks[:0] = said
            _load(task, name)
        _measure(task, wanted, asked)
        if out is not None:
            drawings.draw(task, Path(out))
    return _result(task, subject, split, time.monotonic() - began)


def evaluate_run(
    run: RunLike,
    *,
    data: Data | None = None,
    metrics: str | Sequence[str] | None = None,
    extractor: str | None = None,
    count: int | None = None,
    reference: int | None = None,
    size: Size | None = None,
    seed: int = 0,
    checkpoint: Checkpoint = "last",
    device: str = "auto",
    out: AnyPath | None = None,
    progress: bool = False,
) -> Evaluation:
    """`evaluate` with a run; writes RUN/evaluation.json and the pictures in RUN/evaluation/.

    Those of the best checkpoint go to RUN/evaluation-best.json and RUN/evaluation-best/.

    Args:
        data: the data it was trained on, if it is open already; the others are those of `evaluate`.
        out: a folder for the same pictures once more; those of the best checkpoint go to its subfolder `best`.
    """
    stem = "evaluation" if checkpoint == "last" else "evaluation-best"
    found = evaluate(
        run, data, metrics=metrics, extractor=extractor, count=count, reference=reference, size=size, seed=seed,
        checkpoint=checkpoint, device=device, out=run.path / stem, progress=progress,
    )  # fmt: skip
    found.write(run.path / f"{stem}.json")
    drawn = run.path / stem
    also = drawn if out is None else Path(out) if checkpoint == "last" else Path(out) / checkpoint
    if also.resolve() != drawn.resolve() and drawn.is_dir():
        with explained(also):
            shutil.copytree(drawn, also, dirs_exist_ok=True)
    return found


def _metrics(metrics: str | Sequence[str] | None) -> tuple[list[str], bool]:
    """Names in the order in which they are shown, and whether each was asked for."""
    if metrics is None or metrics == "all":
        return list(METRICS) if metrics else [*USUAL], False
    names = [n.strip() for n in (metrics.split(",") if isinstance(metrics, str) else metrics)]
    names = [RENAMED.get(n, n) for n in names]
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, [*METRICS, "all"])
    return [n for n in METRICS if n in names], True


def _prepare(
    subject: Subject,
    data: Data,
    split: bool,
    count: int | None,
    reference: int | None,
    seed: int,
    device: str,
    step: Steps,
) -> Task:
    """Which items stand on which side."""
    remarks: list[str] = []
    pool = Rows([data.train.items]) if split else whole(data)
    chosen = pool.choose(reference or (REFERENCE if split else len(pool)), CHOICE)
    n = _count(subject, data, split, count, len(pool) - len(chosen), remarks)
    halves = None
    if split:
        baseline, held = _outside(data, chosen, n, remarks)
    elif len(pool) - len(chosen) >= n or len(chosen) < 2 * LEAST:
        baseline = _others(pool, chosen, n)
        held = len(baseline)
        if held < LEAST:
            remarks.append(f"There are no baselines: they take {2 * LEAST} real items, and there are {len(pool):,}.")
    else:
        order, held = np.random.default_rng(CHOICE + 3).permutation(len(chosen)), min(n, len(chosen) // 2)
        halves = np.sort(order[held:]), np.sort(order[:held])
        baseline = chosen.at(halves[1])
        worse = ", fewer than the samples, which makes them worse" if held < n else ""
        remarks.append(
            f"All of {data.name} is compared with: the baselines are those of {held:,} of its items against its "
            f"other {len(chosen) - held:,}{worse}."
        )
    samples = None if subject.items is None else subject.items.choose(n, seed)
    task = Task(
        subject.model, data, samples, chosen, baseline, held, seed, device, step,
        halves=halves, split=split, remarks=remarks,
    )  # fmt: skip
    if samples is None and task.can("sample"):
        step("sampling")
        task.samples = samples = task.sampled(n)
    if samples is not None and data.spec.is_vector and not np.isfinite(samples[:]).all():
        remarks.append("Some samples are not finite numbers: the model diverged.")
    if samples is not None and len(samples) > 1 and (samples[:64] == samples[:1]).all():
        remarks.append("The first samples are all equal: the generator has collapsed, or they are constant.")
    return task


def _count(subject: Subject, data: Data, split: bool, count: int | None, spare: int, remarks: list[str]) -> int:
    """How many samples: as many as were asked for, where they exist."""
    there = None if subject.items is None else len(subject.items)
    asked = count if count is not None else (COUNT if split or there is None else there)
    if there is not None and asked > there:
        if count is not None:
            remarks.append(f"There are only {there:,} images, not {count:,}.")
        asked = there
    outside = len(data.held_out) + spare
    # without enough real items for a baseline at any count, there is none, and the count stays
    if not split or count is not None or outside >= asked or outside < LEAST:
        return asked
    remarks.append(
        f"{outside:,} samples instead of {asked:,}: only {outside:,} real items lie outside the reference, to compare with."
    )
    return outside


def _outside(data: Data, chosen: Rows, n: int, remarks: list[str]) -> tuple[Rows, int]:
    """The baseline of split data: held-out items, then training items outside the reference; how many are held out."""
    baseline = own = Rows([data.held_out.items]).choose(n, CHOICE + 1)
    if len(own) < n and len(chosen) < len(data.train):
        others = _others(Rows([data.train.items]), chosen, n - len(own))
        baseline = Rows([own[:], others[:]])
        remarks.append(
            f"The baselines are those of {len(own):,} held-out items and {len(others):,} training items outside "
            "the reference."
        )
    if len(baseline) < LEAST:
        remarks.append(f"There are only {len(baseline):,} held-out items.")
    elif len(baseline) < n:
        remarks.append(
            f"The baselines are those of only {len(baseline):,} real items that are not in the reference, fewer than "
            "the samples, which makes them worse."
        )
    return baseline, len(own)


def _others(pool: Rows, chosen: Rows, n: int) -> Rows:
    """At most n of the pool that are not among the chosen."""
    rest = np.ones(len(pool), bool)
    rest[chosen.index] = False
    return pool.at(np.flatnonzero(rest)).choose(n, CHOICE + 2)


def _load(task: Task, name: str) -> None:
    """The extractor, or the reason why there is none."""
    try:
        found = load_extractor(name, task.device, data=task.data)
        spec = task.data.spec
        task.extract = OnBackground(found, spec.background) if spec.channels == 4 else found
    except MissingExtractor as error:
        task.missing = f"{error.what} {error.fix}"


def _measure(task: Task, names: Sequence[str], asked: bool) -> None:
    """Adds the figures; of metrics that were `asked` for by name, each has a value, or says why not in an error."""
    for name in names:
        before = len(task.figures)
        METRICS[name](task)
        found = task.figures[before:]
        if asked and all(f.value is None for f in found):
            why = found[0].why if found else _NEEDS.get(name, "it does not apply to this data")
            raise UserError(f"There is no metric '{name}' here: {why}.", "Leave it out, or give what it needs.")
    if task.model is None and all(f.value is None for f in task.figures):
        why = task.figures[0].why if task.figures else "no metric applies"
        raise UserError(f"Nothing can be measured: {why}.", "Give more images.")


_NEEDS = {
    "modes": "the modes of this data are not known (those of ring and grid are)",
    "reconstruction": "it needs a model that encodes and decodes, and held-out items",
    "representation": "it needs a model that encodes, and labels",
    "memorisation": "it needs samples",
}


def _result(task: Task, subject: Subject, split: bool, seconds: float) -> Evaluation:
    data = task.data
    extractor = {} if task.extract is None else task.extract.describe()
    seen = related(extractor.get("name", ""), feature_networks(subject.model))
    return Evaluation(
        figures=tuple(task.figures),
        subject=subject.describe(),
        data={
            "name": data.name,
            "source": data.source,
            "fingerprint": data.fingerprint,
            "shape": list(data.spec.shape),
            "train": len(data.train) if split else len(data.train) + len(data.held_out),
            "held_out": len(data.held_out) if split else 0,
            "reference": task.reference.digest(),
            "roles": _roles(task, split),
        },
        counts={
            "samples": task.count,
            "reference": len(task.reference),
            "baseline": len(task.baseline),
            "held_out": task.held if split else 0,
        },
        # and the networks of its family that the model's critics have seen images through
        extractor=extractor | ({"seen": ", ".join(seen)} if seen else {}),
        seed=task.seed,
        weights=subject.weights,
        remarks=tuple(task.remarks),
        seconds=round(seconds, 2),
        version=__version__,
        machine=describe_machine(torch.device(task.device)),
    )


def _roles(task: Task, split: bool) -> dict[str, str]:
    """Which real items served as what."""
    if split:
        more = ", and training items outside the reference" if len(task.baseline) > task.held else ""
        return {
            "reference": "training items",
            "baseline": f"held-out items, never trained on{more}",
            "reconstructions": "of held-out items",
        }
    part = "items outside the reference" if task.halves is None else "a part of the reference, against its other part"
    return {"reference": "items", "baseline": part, "reconstructions": "of the baseline's items"}


@contextmanager
def _steps(shown: bool) -> Iterator[Steps]:
    """Names the step under way and counts its items, on stderr."""
    console = Console(stderr=True, emoji=False, markup=False)
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
