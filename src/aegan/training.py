"""What `fit` and `aegan train` do: begin a run, train it, evaluate it, write its report."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from aegan.config import RunConfig
from aegan.cores import asked_threads, at_most
from aegan.data import DataSpec
from aegan.data.record import NAME as DATA_JSON
from aegan.data.record import as_dict
from aegan.engine import Engine
from aegan.engine.device import pick_device
from aegan.engine.log import Display
from aegan.engine.ranks import Ranks, start
from aegan.engine.stage_state import Counters
from aegan.errors import LostRank, UserError
from aegan.expected import expected
from aegan.files import write_json
from aegan.hints import Array
from aegan.initial import Init, take
from aegan.model import write_model
from aegan.names import quoted
from aegan.networks import Own
from aegan.networks.custom import made
from aegan.runs.begin import Begun, TrainingRequest, hold_folder, own_networks, settle
from aegan.runs.folder import Run, run_folder
from aegan.runs.places import find_data
from aegan.runs.resuming import given_settings
from aegan.runs.settings import IN_PYTHON, RunSettings
from aegan.strategies import Networks
from aegan.torch_state import kept_random, usual_torch

_training = threading.Lock()  # held while this process trains


def train(
    config: RunConfig,
    options: Mapping[str, Any],
    *,
    source: str | Array | Sequence[Any] | None = None,
    resume: bool = False,
    repeat: RunSettings | None = None,
    evaluate: bool = True,
    display: Display | None = None,
    networks: Mapping[str, Own] | None = None,
    init: Init | None = None,
    given: Collection[str] | None = None,
) -> Run:
    """What `fit` and `aegan train` do.

    Args:
        config, options: the settings; when resuming, those of the run's config.yaml are used, and these must be the same,
            but for a budget that adds to a run that has ended; see `aegan.runs.resuming`.
        source: data in Python, or where the data is now, in place of `config.data`.
        resume: go on from the newest whole checkpoint of `config.out`.
        repeat: the configuration of an earlier run, to be repeated with its recorded steps.
        networks: of your own, by name; modules are trained in place.
        init: a model in place of `config.init`.
        given: names of the settings in `config` that were asked for; default: those that are not at their defaults.

    Raises:
        UserError: a setting cannot be used, another process trains in this folder, or this process trains already.
    """
    given = given_settings(config) if given is None else given
    if networks:
        config = dataclasses.replace(config, networks=f"{IN_PYTHON} {', '.join(networks)}")
    if init is not None:
        config = dataclasses.replace(config, init=f"{IN_PYTHON} a model")
    display = display or Display()
    progress = not display.console.quiet
    asked = TrainingRequest(config, options, source, resume, repeat, networks, init, given, progress)
    with contextlib.ExitStack() as held:
        held.enter_context(_alone())
        held.enter_context(usual_torch())
        held.enter_context(at_most(asked_threads(config.threads)))
        return _train(asked, evaluate, display, held)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Refuses a second training in this process, as from another thread."""
    if not _training.acquire(blocking=False):
        raise UserError(
            "This process trains already, and both trainings would draw from torch's one random generator.",
            "Train one after the other, or each in a process of its own.",
        )
    try:
        yield
    finally:
        _training.release()


def _train(asked: TrainingRequest, evaluate: bool, display: Display, held: contextlib.ExitStack) -> Run:
    """`train`, while `held` holds the run's lock."""
    ranks = start(asked.config.device)
    held.enter_context(kept_random(ranks.device or pick_device(asked.config.device)))
    begun = _decide_together(asked, ranks, display, held)
    settings, data, go_on = begun.settings, begun.data, begun.go_on
    folder = Path(settings.run.out or "")
    threads = asked_threads(settings.run.threads)
    held.enter_context(at_most(threads))
    if threads is not None:
        held.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)  # for the evaluation too
    chosen = settings.strategy()
    own = own_networks(settings, asked.networks, data.spec, folder)

    def save(name: str, networks: Networks, counters: Counters, notes: dict[str, dict[str, Any]]) -> None:
        trained = {"steps": counters.step, "seconds": round(counters.seconds, 2), "images": counters.images}
        if "P" not in networks or getattr(networks["P"], "fitted", True):
            found = {**notes, "training": trained}
            write_model(folder / name, chosen, engine.spec, networks, data.mean, data.scale, found)

    def begin_with(networks: Networks, spec: DataSpec) -> dict[str, Any]:
        # only the first process is asked, which has what they need
        if begun.space is not None:
            begun.space.give(networks)
        if begun.initial is None:
            return {}
        found = take(begun.initial, networks, spec, chosen)
        for line in found["notes"]:
            display.say(f"init: {line}")
        return found

    def begin() -> None:
        settings.write(folder / "config.yaml")
        write_json(folder / DATA_JSON, as_dict(data))
        if not go_on:
            (folder / "log.jsonl").unlink(missing_ok=True)  # of a run that was stopped before its first checkpoint
            first, *rest = data.inspection.lines()
            display.say("\n  ".join([f"{data.name}: {first}", *rest]))
            if settings.run.space is None:  # what was measured before had its own autoencoder
                for line in expected(chosen.name, data.spec.shape, settings.run.minutes, engine.device.type):
                    display.say(line)

    engine = Engine(
        chosen, data, settings.run, folder, plans=settings.plans or None,
        threads=settings.threads if settings.threads.changes else None, display=display,
        save_model=partial(save, "model"), save_best=partial(save, "model-best"), networks=made(own, data.spec),
        settings=settings.decisive(), ranks=ranks, extensions=settings.extended,
        initial=begin_with if (settings.run.init or settings.run.space) and not go_on else None,
        begin=begin,
    )  # fmt: skip
    try:
        outcome = engine.run(go_on)
    except LostRank as lost:
        raise LostRank(lost.what, f"Go on with: aegan train --resume --out {quoted(folder)}") from lost
    if begun.said:
        display.say(begun.said)
    if not ranks.first:
        return Run(folder, asked.config.device, own, elsewhere=True)
    dataclasses.replace(settings, plans=outcome.plans, threads=outcome.threads).write(folder / "config.yaml")
    run = Run(folder, asked.config.device, own, data=data)
    if evaluate:
        from aegan.evaluation import evaluate_run
        from aegan.report import write_report

        evaluate_run(run, device=str(engine.device), progress=asked.progress)
        write_report(folder)
    return run


def _decide_together(asked: TrainingRequest, ranks: Ranks, display: Display, held: contextlib.ExitStack) -> Begun:
    """The first process takes the folder, opens the data and decides; the others follow it, in turn."""
    begun: list[Begun] = []  # of the first process

    def decide() -> tuple[dict[str, Any], bool]:
        folder = run_folder(asked.config)
        if asked.config.out is None:
            held.callback(_remove_empty, folder)  # before the lock, so that it is let go first
        hold_folder(folder, asked.resume, held)
        begun.append(settle(asked, folder, ranks.size, display.say))
        return begun[0].settings.to_dict(), begun[0].go_on

    plain, go_on = ranks.broadcast_object(decide)
    settings = RunSettings.from_plain(plain, Path("config.yaml"))
    folder = Path(settings.run.out or "")
    array = None if isinstance(asked.source, str) else asked.source
    data = ranks.in_turn(
        lambda: begun[0].data if begun else find_data(settings, folder, source=array, checked=False)[0]
    )
    if ranks.broadcast_object(lambda: data.fingerprint) != data.fingerprint:  # another folder on another machine, say
        raise UserError(
            f"{data.source} on {socket.gethostname()} is not the data of the run's first process.",
            "Give every machine the same files under the same path.",
        )
    return dataclasses.replace(begun[0], settings=settings) if begun else Begun(settings, data, go_on)


def _remove_empty(folder: Path) -> None:
    """Removes a folder that was made for a run which then wrote nothing, and that of all runs if this was the only one."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
