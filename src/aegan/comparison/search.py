"""Search for better learning rates before a comparison: Optuna's, with the same number of trials for each strategy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aegan.comparison.settings import Settings, order
from aegan.comparison.summary import Quality
from aegan.comparison.trials import run_jobs
from aegan.config import with_options
from aegan.errors import required
from aegan.runs.settings import resolve
from aegan.strategies import strategy
from aegan.strategies._groups import Compressing

SEED = 1000  # of the trials; not one of the comparison's
REACH = 5.0  # times and parts of the default that are tried
WORST = 1e9  # the cost of a failed trial


def searched(name: str, options: Mapping[str, Any]) -> dict[str, float]:
    """The searchable options of a strategy, with the values to begin from; one that is 0 is off, and stays so."""
    made = with_options(strategy(name)(), options, f"strategy '{name}'")
    idle = {f.name for f in dataclasses.fields(Compressing)} if getattr(made, "space", "") else set()
    return {
        f.name: float(value)
        for f in dataclasses.fields(made)
        if f.metadata.get("searchable") and f.name not in idle and (value := getattr(made, f.name)) > 0
    }


def search(
    settings: Settings,
    name: str,
    options: Mapping[str, Any],
    folder: Path,
    *,
    at_once: int,
    devices: Sequence[str],
    say: Callable[[str], None],
) -> dict[str, float]:
    """The best options found with `settings.tune` trials, the defaults among them; each is a run in DIR/tune.

    Raises:
        UserError: Optuna is not installed.
    """
    with required("A search for options needs Optuna", '"aegan[tune]"'):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = settings.open_data()
    start = searched(name, resolve(settings.config(name, SEED, folder), data, options).options)
    given = {**settings.options.get("", {}), **settings.options.get(name, {})}
    start = {k: v for k, v in start.items() if k not in given}
    # a search that is continued asks the same questions, since the sampler is seeded and finished trials are kept
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=0))
    if start:
        study.enqueue_trial(start)
    for i in range(settings.tune if start else 0):
        asked = study.ask()
        values = {k: asked.suggest_float(k, v / REACH, v * REACH, log=True) for k, v in start.items()}
        job = order(settings, name, SEED, {**options, **values}, folder, f"tune/{name}-{i}")
        job = dataclasses.replace(job, name=f"{name}, search {i + 1}/{settings.tune}")
        (trial,) = run_jobs([job], at_once=at_once, devices=devices[:1], say=say)
        quality = Quality.of([trial])
        study.tell(asked, min(quality.cost(quality.value(trial)), WORST))
    return dict(study.best_params) if start and settings.tune else {}
