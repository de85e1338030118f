"""`--resume` with settings: those of the run are accepted, others refused by name, and a budget adds to a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegan.config import RunConfig, as_plain, with_options
from aegan.data.format import read_size, size_text
from aegan.engine.extend import Extension
from aegan.errors import UserError
from aegan.strategies import strategy

if TYPE_CHECKING:
    from aegan.runs.settings import RunSettings

# what a run does not remember, or may have another value whenever it is resumed: it decides nothing about the weights
FREE = frozenset({"out", "device", "devices", "threads", "data_dir", "checkpoint_every", "logger"})


def given_settings(config: RunConfig) -> frozenset[str]:
    """The settings that are not at their defaults, for calls from Python, where that is all that is known."""
    return frozenset(f.name for f in dataclasses.fields(config) if getattr(config, f.name) != f.default)


def same_settings(
    settings: RunSettings, config: RunConfig, options: Mapping[str, Any], given: Collection[str], folder: Path
) -> None:
    """Refuses `given` settings (those in `config` that were not defaulted) and options that are not those of the run.

    Raises:
        UserError: names each that differs, with both values.
    """
    run, chosen, differ = settings.run, settings.strategy(), []
    for name in (f.name for f in dataclasses.fields(RunConfig) if f.name in given):
        if name in FREE | {"minutes", "steps", "data", "networks"}:
            continue
        asked, has = getattr(config, name), getattr(run, name)
        if name == "strategy":
            asked = strategy(asked).name  # refuses a name that there is none of
        if name == "size":
            asked = size_text(read_size(asked))
        known = [has, chosen.batch_size] if name == "batch_size" else [has]
        if str(as_plain(asked)) not in [str(as_plain(value)) for value in known]:
            differ.append(f"--{name.replace('_', '-')} is {_shown(known[-1])} in the run, {_shown(asked)} here")
    if config.networks is not None and _names(config.networks) != _names(run.networks):
        differ.append(f"--networks is {_shown(run.networks)} in the run, {config.networks} here")
    wanted = with_options(chosen, options, f"strategy '{chosen.name}'")
    for name in options:
        asked, has = getattr(wanted, name), getattr(chosen, name)
        if asked not in (has, "auto"):  # what auto is was settled when the run began
            differ.append(f"--set {name} is {_shown(has)} in the run, {_shown(asked)} here")
    if differ:
        raise UserError(
            f"{folder} keeps its settings: {'; '.join(differ)}.", "Leave it out, or train in a new folder with --out."
        )


def _names(networks: str | None) -> set[str]:
    """The words of it: networks that were given in Python have no order."""
    return set((networks or "").replace(",", " ").split())


def more_training(
    settings: RunSettings, config: RunConfig, *, ended: bool, again: bool, folder: Path
) -> Extension | None:
    """What `--minutes` or `--steps` asks of a run that is resumed; None: no more than it was to have.

    Args:
        again: whether this is the command by which it was begun (it names the data): with the same budget, it asks for
            nothing more.

    Raises:
        UserError: the run has not ended, and had another budget.
    """
    asked = Extension(config.minutes, config.steps)
    if asked == Extension():
        return None
    had = [Extension(settings.run.minutes, settings.run.steps), *settings.extended]
    if ended:
        return None if again and asked in had else asked
    if asked in (had[0], had[-1]):
        return None
    what = "minutes" if asked.steps is None else "steps"
    raise UserError(
        f"--{what} is {_shown(getattr(had[-1], what))} in the run, {getattr(asked, what):g} here, and the run has not "
        f"ended yet.",
        f"End it first: aegan train --resume --out {folder}. After that, --minutes or --steps add to it.",
    )


def _shown(value: Any) -> str:
    plain = as_plain(value)
    return ",".join(map(str, plain)) if isinstance(plain, list) else "not set" if plain is None else str(plain)
