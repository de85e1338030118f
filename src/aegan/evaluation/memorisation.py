"""Whether samples are new: copies, authenticity, the data-copying test, and train against held-out."""

from __future__ import annotations

import numpy as np

from aegan.errors import UserError
from aegan.evaluation.distances import spread
from aegan.evaluation.task import Task
from aegan.evenly import evenly
from aegan.metrics import Measured, authenticity, copying, data_copying, frechet_interval
from aegan.metrics.nearest import FEWEST, chance_of_copies

MOST = 10_000  # samples whose neighbours are looked for, at a cost of samples × reference
COPIES = 1000  # samples, and held-out items, that are looked up among all training items


def memorisation(task: Task) -> None:
    """All of them; of vectors those that need no pixels."""
    if task.samples is None:
        return
    if task.data.spec.is_image:
        _copies(task)
    _authentic(task)
    _data_copying(task)
    _gap(task)


def _copies(task: Task) -> None:
    """The share of samples that sit on one training image, in pixels over all of them and in features of the reference."""

    def in_pixels() -> Measured:
        samples, held = (rows.at(evenly(len(rows), COPIES)) for rows in (task.the_samples(), task.held_out))
        found = copying(samples[:], held[:], task.searched, progress=task.step("looking for copies"))
        task.copied, task.looked_up = found, samples
        return found.share

    def in_features() -> Measured:
        reference, held = task.features("base").numpy(), spread(task.held_out_features(), COPIES).numpy()
        return copying(spread(task.features("samples"), COPIES).numpy(), held, reference).share

    def by_chance() -> float:
        if task.held < FEWEST:
            raise UserError("there is no test")
        return chance_of_copies(min(task.held, COPIES))

    for name, where, measure, against in (
        ("copies", "", in_pixels, len(task.searched)),
        ("copies_features", " (in features)", in_features, len(task.base)),
    ):
        task.add(
            name, f"samples that look copied{where}", measure, baseline=by_chance, unit="%",
            count=min(task.count, COPIES), against=against,
            meaning="Samples that sit far closer to one training image than to the others, as 1 % of new images do by "
            "chance, and more where few are held out.",
        )  # fmt: skip


def _authentic(task: Task) -> None:
    task.add(
        "authenticity", "authentic samples",
        lambda: authenticity(task.features("reference"), spread(task.features("samples"), MOST)).share,
        baseline=lambda: authenticity(task.features("base"), task.held_out_features()).share,
        better="near", unit="%", count=min(task.count, MOST), against=len(task.reference),
        meaning="Samples that are farther from their nearest training item than that is from its own neighbour (Alaa "
        "2022). Far below the baseline: copies; far above: samples that are far from everything.",
    )  # fmt: skip


def _data_copying(task: Task) -> None:
    def measure() -> Measured:
        found = data_copying(task.features("base"), task.held_out_features(), spread(task.features("samples"), MOST))
        return Measured.normal(found.c_t, found.standard_error)

    task.add(
        "data_copying", "data copying C_T", measure, baseline=0.0, better="near", unit="sd",
        count=min(task.count, MOST), against=len(task.base),
        meaning="Whether samples lie nearer to training items than held-out items do (Meehan 2020), in standard "
        "deviations of chance. Below -3: copying; above 3: farther off than real items.",
    )  # fmt: skip


def _gap(task: Task) -> None:
    """Fréchet distance to training items less that to held-out items, at equal counts."""

    def gap() -> Measured:
        held = spread(task.held_out_features(), MOST)
        train = spread(task.features("base"), len(held))
        if len(train) < len(held):
            raise UserError(f"needs as many training items as held-out items ({len(held)}), there are {len(train)}")
        made = spread(task.features("samples"), MOST)
        to_train, to_held = frechet_interval(made, train), frechet_interval(made, held)
        # both contain the same samples, so their errors are not independent: the sum of squares is an upper bound
        # wherever they move together, as they do here
        error = float(np.hypot(to_train.standard_error, to_held.standard_error))
        return Measured.normal(to_train.value - to_held.value, error)

    task.add(
        "gap", "train against held-out", gap, baseline=0.0, better="near",
        count=min(task.count, MOST), against=min(task.held, MOST),
        meaning="Fréchet distance of the samples to training items less that to as many held-out items: well below 0 "
        "means that the samples repeat the training set.",
    )  # fmt: skip
