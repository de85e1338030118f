"""How a run begins: new, repeated or resumed, with nothing left open when training starts."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aegan.config import RunConfig
from aegan.data import Data, DataSpec
from aegan.data.record import NAME as DATA_JSON
from aegan.engine.lock import locked
from aegan.engine.state import Checkpoints
from aegan.engine.thread_record import Record
from aegan.errors import UserError
from aegan.files import sweep
from aegan.hints import Array
from aegan.initial import Init, InitSource, open_init
from aegan.jsonl import read_log
from aegan.names import quoted
from aegan.networks import Own
from aegan.networks.custom import from_file, giving
from aegan.runs.folder import Run, with_fingerprint
from aegan.runs.places import find_data, where
from aegan.runs.resuming import FREE, more_training, same_settings
from aegan.runs.settings import IN_PYTHON, MINUTES, RunSettings, check_numbers, open_asked, resolve
from aegan.space import OpenedSpace, check_strategy, open_space
from aegan.strategies._space import Space
from aegan.tensor_files import digest
from aegan.text import clock


@dataclasses.dataclass(frozen=True)
class TrainingRequest:
    """The arguments of `train` that decide what is trained, and whether it shows progress."""

    config: RunConfig
    options: Mapping[str, Any]
    source: str | Array | Sequence[Any] | None
    resume: bool
    repeat: RunSettings | None
    networks: Mapping[str, Own] | None
    init: Init | None
    given: Collection[str]
    progress: bool  # a bar while images are decoded


@dataclasses.dataclass(frozen=True)
class Begun:
    """A run with nothing left open."""

    settings: RunSettings
    data: Data
    go_on: bool = False  # from a checkpoint
    initial: InitSource | None = None  # None: it begins with nobody's weights, or another process has them
    space: OpenedSpace | None = None  # the same
    said: str = ""  # when all is done


# what a run writes beside config.yaml and checkpoints/
WRITTEN = (
    DATA_JSON, "log.jsonl", "model", "model-best", "samples", "evaluation", "evaluation.json", "evaluation-best",
    "evaluation-best.json", "report.html", "tensorboard", "wandb",
)  # fmt: skip
AT_ONCE = (DATA_JSON, "log.jsonl", "tensorboard", "wandb")  # what of it is there before the first checkpoint


def hold_folder(folder: Path, resume: bool, held: contextlib.ExitStack) -> None:
    """Keeps other processes out of the run's folder, and clears what a killed one has left half written.

    Raises:
        UserError: it holds a run, or files of other people under names that a run writes.
    """
    if resume:
        Run(folder)  # refuses a folder that is none, before it is locked
    elif folder.is_file():
        raise UserError(f"{folder} is a file.", "Choose a folder with --out.")
    held.enter_context(locked(folder))
    if resume:
        sweep(folder)
    else:
        _need_free(folder)


def _need_free(folder: Path) -> None:
    """Refuses a folder in which a new run would write over something. Other files in it stay as they are.

    A run that an error ended before its first checkpoint has trained nothing: another begins in its place.
    """
    failed = _stopped_at_once(folder)
    if not failed and ((folder / "config.yaml").exists() or (folder / "checkpoints").exists()):
        raise UserError(
            f"{folder} already holds a run; nothing was changed.",
            f"Go on with it (aegan train --resume --out {quoted(folder)}), or choose another --out.",
        )
    for path in (folder / name for name in WRITTEN if not (failed and name in AT_ONCE)):
        if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise UserError(
                f"{folder} holds {path.name}, which a run would write over; nothing was changed.",
                "Choose another folder with --out.",
            )


def _stopped_at_once(folder: Path) -> bool:
    """Whether a run began here and has no checkpoint and no step in its log."""
    try:
        RunSettings.read(folder / "config.yaml")
    except UserError:
        return False
    checkpoints = folder / "checkpoints"
    return not (checkpoints.exists() and any(checkpoints.iterdir())) and not _logged(folder)


def _logged(folder: Path) -> bool:
    """Whether the log of the run has a step."""
    return any(line.get("step") for line in read_log(folder / "log.jsonl"))


def settle(asked: TrainingRequest, folder: Path, processes: int, say: Callable[[str], None]) -> Begun:
    """Settles what was left open, and opens the data and the weights that the run begins with."""
    config, initial = asked.config, None
    if config.init is not None and not asked.resume and asked.repeat is None:  # before the data, which takes longer
        initial = open_init(config.init if asked.init is None else asked.init, config.init)
    check_numbers(config)
    begun = _resumed(asked, folder) if asked.resume else _new(asked, folder, processes, say)
    if begun.go_on:
        return begun
    if begun.settings.run.space is not None and begun.space is None:
        begun = dataclasses.replace(begun, space=_same_space(begun.settings))
    if begun.settings.run.init is None:
        return begun
    initial = initial or _initial_weights(begun.settings, asked.init)
    settings = dataclasses.replace(begun.settings, init=initial.described())
    return dataclasses.replace(begun, settings=settings, initial=initial)


def _new(asked: TrainingRequest, folder: Path, processes: int, say: Callable[[str], None]) -> Begun:
    config, space = asked.config, None
    if asked.repeat is not None:
        settings, data, path = _repeated(asked, asked.repeat, processes, say)
    else:
        if config.space is not None:  # before the data, which takes longer
            check_strategy(config.strategy)
            space = open_space(config.space)
        data, path = open_asked(config, asked.source, asked.progress), None
        options = asked.options if space is None else {**asked.options, "space": space.space.text}
        settings = resolve(config, data, options, processes=processes, say=say)
    settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, out=str(folder)))
    return Begun(settings.on(data).placed(folder, path), data, space=space)


def _same_space(settings: RunSettings) -> OpenedSpace:
    """The space of a run that is repeated, or resumed before its first checkpoint, from where it was."""
    named = settings.run.space or ""
    found = open_space(where("space", named, settings, settings.folder or Path(settings.run.out or "")))
    before = Space.parse(settings.options["space"])
    if (found.space.kind, found.space.weights) != (before.kind, before.weights):
        raise UserError(
            f"--space {named} is no longer what this run began with.",
            "Bring it back, or train in a new folder with --out.",
        )
    return found


def _repeated(
    asked: TrainingRequest, again: RunSettings, processes: int, say: Callable[[str], None]
) -> tuple[RunSettings, Data, str]:
    """The settings of a run that is to be repeated, its data and where that is."""
    config, base = asked.config, again.folder or Path()
    data, path = find_data(again, base, source=asked.source, progress=asked.progress, checked=asked.source is not None)
    if again.fingerprint not in ("", data.fingerprint):
        say(f"{data.source} is not what that run was trained on: the same steps on other data.")
    run = config if asked.source is None else dataclasses.replace(config, data=str(asked.source))
    settings = dataclasses.replace(
        resolve(run, data, again.options, processes=processes, say=say),
        options=again.options,
        plans=again.plans,
        # other threads than the run had are its own choice again
        threads=again.threads if config.threads == again.run.threads else Record(),
        places=again.placed(base, path).places,
        extended=again.extended,
        init=again.init,
    )
    return settings, data, path


def _resumed(asked: TrainingRequest, folder: Path) -> Begun:
    settings, config = with_fingerprint(Run(folder).config, folder), asked.config
    same_settings(settings, config, asked.options, asked.given, folder)
    state = Checkpoints(folder / "checkpoints").head()
    at = {} if state is None else state["counters"]
    ended = state is not None and at["stage"] >= len(state["stages"]) and at.get("part", 0) == len(settings.extended)
    more = more_training(settings, config, ended=ended, again="data" in asked.given, folder=folder)
    changed = {name: getattr(config, name) for name in FREE if name in asked.given}
    kept = {**changed, "device": config.device, "devices": config.devices, "out": str(folder)}
    places = {name: place for name, place in settings.places.items() if name not in changed}
    settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, **kept), places=places)
    data, path = find_data(settings, folder, source=asked.source, progress=asked.progress)
    if isinstance(asked.source, str):
        settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, data=asked.source))
    settings, said = settings.on(data).placed(folder, path), ""
    if more is not None:
        settings = dataclasses.replace(settings, extended=(*settings.extended, more))
    elif ended:
        said = (
            f"{folder} has ended, after {at['step']:,} steps in {clock(at['seconds'])}. "
            f"To train it for longer: aegan train --resume --minutes {MINUTES:g} --out {quoted(folder)}"
        )
    # stopped before its first checkpoint (a full disk, say): nothing to go on from, nothing to lose
    return Begun(settings, data, any((folder / "checkpoints").glob("step-*")) or _logged(folder), said=said)


def own_networks(
    settings: RunSettings, networks: Mapping[str, Own] | None, spec: DataSpec, folder: Path
) -> Mapping[str, Own]:
    """The networks that are the user's, from where the settings of the run in `folder` say they come.

    Raises:
        UserError: they were given in Python and are not given now, or are not in the file that is named.
    """
    config = settings.run
    if config.networks is None or networks:
        return networks or {}
    if config.networks.startswith(IN_PYTHON):
        names = config.networks.removeprefix(IN_PYTHON).strip().split(", ")
        raise UserError(
            f"This run's networks were given in Python: {', '.join(names)}.",
            f"Give them again: aegan.fit(data, out=..., resume=True, {giving(names)})",
        )
    path, _, function = config.networks.rpartition(":")
    build = from_file(f"{where('networks', path, settings, folder)}:{function}")
    found = build(spec)
    if not isinstance(found, dict):
        raise UserError(
            f"--networks {config.networks} gave a {type(found).__name__}.", "Return a dictionary: {'E': module, ...}."
        )

    def one(name: str) -> Own:
        return lambda spec: build(spec)[name]

    return {name: one(name) for name in found}


def _initial_weights(settings: RunSettings, given: Init | None) -> InitSource:
    """The weights with which a run begins that is repeated, or resumed before its first checkpoint."""
    named = settings.run.init or ""
    if given is None and named.startswith(IN_PYTHON):
        raise UserError(
            "This run begins with the weights of a model that was given in Python.",
            "Give it again: aegan.fit(data, out=..., init=model)",
        )
    place = settings.places.get("init")
    path = place.absolute if place and Path(place.absolute).exists() else named
    source = open_init(path if given is None else given, named)
    if settings.init and settings.init["hash"] != digest(source.tensors):
        raise UserError(
            f"--init {source.name} no longer has the weights that this run began with.",
            "Bring them back, or train in a new folder with --out.",
        )
    return source
