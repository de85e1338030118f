"""A run folder: what it was told, what it wrote, and how it is trained, resumed and repeated."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from numpy.typing import NDArray
from torch import nn

from aegan.config import RunConfig, as_plain, read_preset, with_options
from aegan.cores import asked_threads, at_most
from aegan.data import Data, DataSpec, open_data
from aegan.data.format import size_text
from aegan.data.record import NAME as DATA_JSON
from aegan.data.record import as_text
from aegan.engine import Engine
from aegan.engine.extend import Extension
from aegan.engine.lock import locked
from aegan.engine.log import Display, clock, read_log
from aegan.engine.loggers import chosen as chosen_loggers
from aegan.engine.ranks import Ranks, start
from aegan.engine.running import Counters
from aegan.engine.schedule import Plan
from aegan.engine.state import Checkpoints, sweep, write_text
from aegan.engine.thread_record import Record, computing_with
from aegan.errors import UserError
from aegan.expected import expected
from aegan.hub.migrate import migrated_options
from aegan.hub.names import hub_name
from aegan.initial import Init, Source, open_init, take
from aegan.model import Model, write_model
from aegan.names import quoted, shortened
from aegan.networks import Own
from aegan.networks.custom import from_file, giving, made
from aegan.places import Place, find_data, is_path, plain_places, read_places, where
from aegan.plain_yaml import read_yaml
from aegan.resuming import FREE, given_settings, has_ended, more_training, same_settings
from aegan.seeds import check_seed
from aegan.strategies import Networks, Strategy, strategies, strategy
from aegan.version import __version__

Array = NDArray[Any]
FORMAT = 1  # of config.yaml
IN_PYTHON = "(given in Python)"  # in config.yaml, before the names of networks that were given as modules
MINUTES = 3.0  # the budget when none is given


class Run:
    """A run folder: its settings, its log, its model.

    Args:
        path: RUN.
        device: where its model computes.
        networks: those of your own that it was trained with.
        elsewhere: whether the folder may be on another machine, that of the run's first process.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "auto",
        networks: Mapping[str, Own] | None = None,
        *,
        elsewhere: bool = False,
    ) -> None:
        self.path = Path(path)
        self.device, self.networks = device, networks
        self._data: Data | None = None
        if not elsewhere and not (self.path / "config.yaml").is_file():
            raise UserError(
                f"{self.path} is not a run: it holds no config.yaml.", "Give the --out folder of `aegan train`."
            )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from aegan.report.cells import run_cell

        return run_cell(self)

    @cached_property
    def config(self) -> RunSettings:
        """The resolved configuration."""
        return RunSettings.read(self.path / "config.yaml")

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        if not (self.path / "model").exists():
            raise UserError(
                f"{self.path} has no model yet: its training has not come that far.",
                f"Go on with: aegan train --resume --out {quoted(self.path)}",
            )
        return Model.read(self.path / "model", self.device, self.networks)

    @cached_property
    def best_model(self) -> Model:
        """The model of the step whose samples were nearest to training data while it trained; see `aegan.engine.watch`."""
        if not (self.path / "model-best").exists():
            raise UserError(
                f"{self.path} kept no best model: it made no samples while it trained, or is of an older version.",
                "Evaluate the last one: --checkpoint last",
            )
        return Model.read(self.path / "model-best", self.device, self.networks)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        return read_log(self.path / "log.jsonl")

    def data(self, source: str | Path | Array | None = None) -> Data:
        """The data it was trained on, opened again and checked to be the same.

        Args:
            source: where it is now, or the array; by default it is looked for where it was, seen from the run too. What
                was opened by a source is kept, and given by later calls without one.

        Raises:
            UserError: it is not there, or is not what the run was trained on.
        """
        if source is None and self._data is not None:
            return self._data
        given = str(source) if isinstance(source, Path) else source
        data, _ = find_data(_known(self.config, self.path), self.path, source=given)
        if source is not None:
            self._data = data
        return data

    def moved(self, source: str) -> None:
        """Notes in config.yaml that the data is at `source` now; a process that trains in the folder notes its own."""
        with contextlib.suppress(UserError), locked(self.path):
            settings = RunSettings.read(self.path / "config.yaml")
            settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, data=source))
            settings.placed(self.path).write(self.path / "config.yaml")

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """evaluation.json, if the run has been evaluated."""
        path = self.path / "evaluation.json"
        try:
            return dict(json.loads(path.read_bytes())) if path.exists() else None
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged.", f"Evaluate again: aegan evaluate {quoted(self.path)}") from error


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """config.yaml: what was asked for, everything that was chosen, and the plan by which the run can be repeated.

    Args:
        run: the command's settings.
        options: every hyper-parameter of the strategy.
        plans: steps of each stage, known once they are planned.
        threads: that it computed with, step by step.
        fingerprint, examples: of the data that it was trained on; empty and 0 in files of older versions.
        places: where the files are that `run` names, by the setting's name.
        extended: what more training was asked for after the run had ended.
        init: where its first weights are from: source, strategy and hash; empty: from nowhere.
    """

    run: RunConfig
    options: dict[str, Any]
    plans: dict[str, Plan] = dataclasses.field(default_factory=dict)
    threads: Record = dataclasses.field(default_factory=Record)
    fingerprint: str = ""
    examples: int = 0
    places: dict[str, Place] = dataclasses.field(default_factory=dict)
    extended: tuple[Extension, ...] = ()
    init: dict[str, str] = dataclasses.field(default_factory=dict)
    folder: Path | None = dataclasses.field(default=None, compare=False)  # of the file that it was read from

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        plans = {k: dataclasses.asdict(p) for k, p in self.plans.items()}
        return dict(
            as_plain(
                {
                    "aegan": __version__,
                    "format": FORMAT,
                    "run": dataclasses.asdict(self.run),
                    "data": {"fingerprint": self.fingerprint, "examples": self.examples},
                    "places": plain_places(self.places),
                    "extended": [dataclasses.asdict(more) for more in self.extended],
                    "init": self.init,
                    "options": self.options,
                    "threads": self.threads.to_plain(),
                    "plans": plans,
                }
            )
        )

    def decisive(self) -> dict[str, Any]:
        """What decides the weights, by which a config.yaml that was damaged or edited is noticed when a run is resumed."""
        free = FREE | {"data"}  # which has its fingerprint
        run = {k: v for k, v in dataclasses.asdict(self.run).items() if k not in free}
        options = dataclasses.asdict(
            self.strategy()
        )  # all of them: what is missing from a file that was cut would be a default
        return dict(as_plain({**run, **{f"options.{k}": v for k, v in options.items()}}))

    def write(self, path: Path) -> None:
        """As YAML."""
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False))

    @classmethod
    def read(cls, path: Path) -> RunSettings:
        """From YAML; unknown keys fail, naming the nearest.

        Raises:
            UserError: it is missing or damaged, or is from a newer version.
        """
        try:
            return dataclasses.replace(
                cls.from_plain(read_yaml(path.read_text(encoding="utf-8")), path), folder=path.parent
            )
        except OSError:
            raise UserError(f"{path} cannot be read.", "Give the config.yaml of a run.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _damaged(path) from error

    @classmethod
    def from_plain(cls, content: Any, path: Path) -> RunSettings:
        """The inverse of `to_dict`; `path` is where the values are from, for messages."""
        try:
            if int(content.get("format", FORMAT)) > FORMAT:
                raise UserError(
                    f"{path} has format {content['format']}, newer than this aegan knows ({FORMAT}).",
                    "Update: pip install --upgrade aegan",
                )
            run, options = dict(content["run"]), dict(content["options"])
            plans = {k: Plan.from_plain(p) for k, p in (content["plans"] or {}).items()}  # last in the file
            threads = Record.from_plain(content.get("threads"))
            data, init = content.get("data") or {}, content.get("init") or {}
            more: dict[str, Any] = {
                "fingerprint": str(data.get("fingerprint", "")),
                "examples": int(data.get("examples", 0)),
                "places": read_places(content.get("places")),
                "extended": tuple(Extension.from_plain(e) for e in content.get("extended") or ()),
                "init": {str(k): str(v) for k, v in init.items()},
            }
            named = run.get("strategy", RunConfig.strategy)
            run["strategy"], options = migrated_options(named, options, str(path), content.get("aegan"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path) from error
        return cls(with_options(RunConfig(), run, "a run"), options, plans, threads, **more)

    def strategy(self) -> Strategy:
        """The strategy with these options."""
        return with_options(strategy(self.run.strategy)(), self.options, f"strategy '{self.run.strategy}'")

    def open_data(self, progress: bool = False, source: str | Array | Sequence[Any] | None = None) -> Data:
        """The data, or that of another source, as it was trained on."""
        return open_asked(self.run, source, progress)

    def on(self, data: Data) -> RunSettings:
        """The same with what tells this data from other data."""
        count = len(data.train) + len(data.held_out)
        return dataclasses.replace(self, fingerprint=data.fingerprint, examples=count)

    def placed(self, folder: Path, data: str | None = None) -> RunSettings:
        """The same with the places of its files as they are now, for a run in `folder`.

        Args:
            data: where its data was found; default: where `run` says.
        """
        r = self.run
        paths = {"data_dir": r.data_dir, "init": r.init, "networks": r.networks and r.networks.rpartition(":")[0]}
        paths = {
            k: where(k, v, self, folder) for k, v in paths.items() if v is not None and not v.startswith(IN_PYTHON)
        }
        if is_path(r.data):
            paths["data"] = data or r.data
        places = {
            k: Place.of(v, folder) for k, v in paths.items() if v is not None and (k != "init" or not hub_name(v))
        }
        return dataclasses.replace(self, places=places)


def open_asked(config: RunConfig, source: str | Array | Sequence[Any] | None = None, progress: bool = True) -> Data:
    """The data that settings ask for, in the form that they ask for; `source` in place of its name."""
    return open_data(
        config.data if source is None else source, size=config.size, channels=config.channels, fit=config.fit,
        background=config.background, data_dir=config.data_dir, progress=progress, stream=config.stream,
    )  # fmt: skip


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged, or is no configuration of aegan.", "Bring it back, or train again in a new folder."
    )


def check_numbers(config: RunConfig) -> None:
    """Refuses numbers that no run can have, before any data is opened.

    Raises:
        UserError: names the option and an example.
    """
    if config.minutes is not None and config.steps is not None:
        raise UserError("Both --minutes and --steps were given.", "Give one of them.")
    for what, value, most, example in (
        ("--minutes", config.minutes, 1e7, 3),
        ("--steps", config.steps, 1e12, 1000),
        ("--batch-size", config.batch_size, 1e9, 128),
        ("--checkpoint-every", config.checkpoint_every, 1e9, 60),
        ("--devices", config.devices, 1e4, 2),
    ):
        if value is None or 0 < value <= most:
            continue
        bound = "more than 0" + (f" and at most {most:,.0f}" if value > most else "")
        raise UserError(f"{what} is {value:g}; it must be {bound}.", f"Example: {what} {example}")
    check_seed(config.seed)
    asked_threads(config.threads)


def resolve(
    config: RunConfig,
    data: Data,
    options: Mapping[str, Any],
    *,
    processes: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> RunSettings:
    """Settles everything that was left open: budget, preset, every hyper-parameter.

    Args:
        config, options: what was asked for.
        data: what is trained on.
        processes: that share a batch.
        say: is told in a line what could not be as asked.
    """
    check_numbers(config)
    chosen_loggers(config.logger)
    kind = strategy(config.strategy)
    spec = data.spec
    if spec.is_vector and not kind.vectors:
        able = ", ".join(name for name, s in strategies().items() if s.vectors)
        raise UserError(
            f"Strategy '{kind.name}' works on images, and this data is vectors.", f"These take vectors: {able}."
        )
    name = config.preset or kind().preset(spec)
    chosen = with_options(kind(), read_preset(kind.name, name), f"preset '{name}'")
    chosen = with_options(chosen, options, f"strategy '{kind.name}'")
    if config.batch_size is not None:
        chosen = with_options(chosen, {"batch_size": config.batch_size}, f"strategy '{kind.name}'")
    for line in chosen.remarks(spec):
        say(line)
    chosen = chosen.settled(spec)
    if chosen.batch_size < 2:
        raise UserError("A batch needs at least 2 examples: losses compare them.", "Example: --batch-size 32")
    most = _largest_batch(len(data.train), processes * getattr(chosen, "pack", 1))
    if chosen.batch_size > most:
        # an example twice in a batch teaches nothing, and costs the time of two
        say(f"batch   {most} examples, not {chosen.batch_size:,}: there are {len(data.train):,} to train on")
        chosen = with_options(chosen, {"batch_size": most}, f"strategy '{kind.name}'")
        config = dataclasses.replace(config, batch_size=None if config.batch_size is None else most)
    minutes = MINUTES if config.minutes is None and config.steps is None else config.minutes
    size = size_text((spec.height, spec.width)) if spec.is_image else None
    run = dataclasses.replace(config, minutes=minutes, preset=name, size=size)
    return RunSettings(run, dict(as_plain(dataclasses.asdict(chosen))))


def _largest_batch(examples: int, grain: int) -> int:
    """The largest batch in which no example must come twice, of whole groups of `grain`; one of 2 is always needed."""
    return max(examples // grain * grain, grain, 2)


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
    return {name: partial(_one, build, name) for name in found}


def _one(build: Callable[[DataSpec], dict[str, nn.Module]], name: str, spec: DataSpec) -> nn.Module:
    return build(spec)[name]


def run_folder(config: RunConfig) -> Path:
    """`--out`, or runs/DATA-STRATEGY, numbered if that is taken."""
    if config.out is not None:
        return Path(config.out)
    stem = f"{shortened(Path(config.data).stem, 200) or 'data'}-{config.strategy}"
    folder, i = Path("runs") / stem, 2
    while (folder / "config.yaml").exists():
        folder, i = Path("runs") / f"{stem}-{i}", i + 1
    return folder


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
            but for a budget that adds to a run that has ended; see `aegan.resuming`.
        source: data in Python, or where the data is now, in place of `config.data`.
        resume: go on from the newest whole checkpoint of `config.out`.
        repeat: the configuration of an earlier run, to be repeated with its recorded steps.
        evaluate: score the model and write the report afterwards.
        display: shows progress.
        networks: of your own, by name; modules are trained in place.
        init: a model in place of `config.init`.
        given: names of the settings in `config` that were asked for; default: those that are not at their defaults.

    Raises:
        UserError: a setting cannot be used, or another process trains in this folder.
    """
    given = given_settings(config) if given is None else given
    if networks:
        config = dataclasses.replace(config, networks=f"{IN_PYTHON} {', '.join(networks)}")
    if init is not None:
        config = dataclasses.replace(config, init=f"{IN_PYTHON} a model")
    asked = Asked(config, options, source, resume, repeat, networks, init, given)
    with contextlib.ExitStack() as held:
        held.enter_context(at_most(asked_threads(config.threads)))
        return _train(asked, evaluate, display or Display(), held)


@dataclasses.dataclass(frozen=True)
class Asked:
    """The arguments of `train` that decide what is trained."""

    config: RunConfig
    options: Mapping[str, Any]
    source: str | Array | Sequence[Any] | None
    resume: bool
    repeat: RunSettings | None
    networks: Mapping[str, Own] | None
    init: Init | None
    given: Collection[str]


def _train(asked: Asked, evaluate: bool, display: Display, held: contextlib.ExitStack) -> Run:
    """`train`; what `held` gets to hold is the run's lock."""
    ranks = start(asked.config.device)
    opened: list[Data] = []
    initial: list[Source] = []
    said: list[str] = []  # when all is done

    def settle() -> tuple[dict[str, Any], bool]:
        _hold(run_folder(asked.config), asked.resume, held)
        config = asked.config
        if config.init is not None and not asked.resume and asked.repeat is None:  # before the data, which takes longer
            initial.append(open_init(config.init if asked.init is None else asked.init, config.init))
        settings, data, go_on = _settled(asked, ranks.size, display.say, said)
        opened.append(data)
        if settings.run.init is not None and not go_on:
            initial[:] = initial or [_initial(settings, asked.init)]
            settings = dataclasses.replace(settings, init=initial[0].described())
        return settings.to_dict(), go_on

    plain, go_on = ranks.from_first(settle)
    settings = RunSettings.from_plain(plain, Path("config.yaml"))
    folder = Path(settings.run.out or "")
    array = None if isinstance(asked.source, str) else asked.source
    data = ranks.in_turn(lambda: opened[0] if opened else find_data(settings, folder, source=array, checked=False)[0])
    _check_same(data, ranks)
    threads = asked_threads(settings.run.threads)
    held.enter_context(at_most(threads))
    held.enter_context(computing_with(threads))  # the evaluation too
    chosen = settings.strategy()
    own = own_networks(settings, asked.networks, data.spec, folder)

    def save(name: str, networks: Networks, counters: Counters, notes: dict[str, dict[str, Any]]) -> None:
        trained = {"steps": counters.step, "seconds": round(counters.seconds, 2), "images": counters.images}
        if "P" not in networks or getattr(networks["P"], "fitted", True):
            found = {**notes, "training": trained}
            write_model(folder / name, chosen, engine.spec, networks, data.mean, data.scale, found)

    def begin_with(networks: Networks, spec: DataSpec) -> dict[str, Any]:
        found = take(initial[0], networks, spec, chosen)
        for line in found["notes"]:
            display.say(f"init: {line}")
        return found

    def begin() -> None:
        settings.write(folder / "config.yaml")
        write_text(folder / DATA_JSON, as_text(data))
        if not go_on:
            first, *rest = data.inspection.lines()
            display.say("\n  ".join([f"{data.name}: {first}", *rest]))
            for line in expected(chosen.name, data.spec.shape, settings.run.minutes, engine.device.type):
                display.say(line)

    engine = Engine(
        chosen, data, settings.run, folder, plans=settings.plans or None,
        threads=settings.threads if settings.threads.changes else None, display=display,
        save_model=partial(save, "model"), save_best=partial(save, "model-best"), networks=made(own, data.spec),
        settings=settings.decisive(), ranks=ranks, extensions=settings.extended,
        initial=begin_with if settings.run.init is not None and not go_on else None,
        begin=begin,
    )  # fmt: skip
    outcome = engine.run(go_on)
    for line in said:
        display.say(line)
    if not ranks.first:
        return Run(folder, asked.config.device, own, elsewhere=True)
    dataclasses.replace(settings, plans=outcome.plans, threads=outcome.threads).write(folder / "config.yaml")
    run = Run(folder, asked.config.device, own)
    if evaluate:
        from aegan.evaluation import evaluate_run
        from aegan.report import write_report

        evaluate_run(run, data=data, device=str(engine.device), progress=not display.console.quiet)
        write_report(folder)
    return run


def _hold(folder: Path, resume: bool, held: contextlib.ExitStack) -> None:
    """Keeps other processes out of the run's folder, and clears what a killed one has left half written."""
    if resume:
        Run(folder)  # refuses a folder that is none, before it is locked
    elif folder.is_file():
        raise UserError(f"{folder} is a file.", "Choose a folder with --out.")
    held.enter_context(locked(folder))
    sweep(folder)


def _settled(
    asked: Asked, processes: int, say: Callable[[str], None], said: list[str]
) -> tuple[RunSettings, Data, bool]:
    """The run's settings with nothing left open, its data, and whether there is a checkpoint to go on from."""
    config, folder = asked.config, run_folder(asked.config)
    check_numbers(config)
    if asked.resume:
        return _resumed(asked, folder, said)
    if (folder / "config.yaml").exists() or (folder / "checkpoints").exists():
        raise UserError(
            f"{folder} already holds a run; nothing was changed.",
            f"Go on with it (aegan train --resume --out {quoted(folder)}), or choose another --out.",
        )
    if asked.repeat is not None:
        settings, data, path = _repeated(asked, asked.repeat, processes, say)
    else:
        data, path = open_asked(config, asked.source), None
        settings = resolve(config, data, asked.options, processes=processes, say=say)
    settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, out=str(folder)))
    return settings.on(data).placed(folder, path), data, False


def _repeated(
    asked: Asked, again: RunSettings, processes: int, say: Callable[[str], None]
) -> tuple[RunSettings, Data, str]:
    """The settings of a run that is to be repeated, its data and where that is."""
    config, base = asked.config, again.folder or Path()
    data, path = find_data(again, base, source=asked.source, progress=True, checked=asked.source is not None)
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


def _resumed(asked: Asked, folder: Path, said: list[str]) -> tuple[RunSettings, Data, bool]:
    """The same of a run that goes on; `said` gets a line where nothing is left to do."""
    settings, config = _known(Run(folder).config, folder), asked.config
    same_settings(settings, config, asked.options, asked.given, folder)
    state = Checkpoints(folder / "checkpoints").head()
    ended = state is not None and has_ended(state, len(settings.extended))
    more = more_training(settings, config, ended=ended, again="data" in asked.given, folder=folder)
    changed = {name: getattr(config, name) for name in FREE if name in asked.given}
    kept = {**changed, "device": config.device, "devices": config.devices, "out": str(folder)}
    settings = dataclasses.replace(
        settings,
        run=dataclasses.replace(settings.run, **kept),
        places={name: place for name, place in settings.places.items() if name not in changed},
    )
    data, path = find_data(settings, folder, source=asked.source, progress=True)
    if isinstance(asked.source, str):
        settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, data=asked.source))
    settings = settings.on(data).placed(folder, path)
    if more is not None:
        settings = dataclasses.replace(settings, extended=(*settings.extended, more))
    elif ended and state is not None:
        steps, seconds = state["counters"]["step"], state["counters"]["seconds"]
        said.append(
            f"{folder} has ended, after {steps:,} steps in {clock(seconds)}. "
            f"To train it for longer: aegan train --resume --minutes {MINUTES:g} --out {folder}"
        )
    # stopped before its first checkpoint (a full disk, say): nothing to go on from, nothing to lose
    logged = (line.get("step") for line in read_log(folder / "log.jsonl"))
    return settings, data, any((folder / "checkpoints").glob("step-*")) or any(logged)


def _known(settings: RunSettings, folder: Path) -> RunSettings:
    """The same with the fingerprint of its data, which older versions kept in checkpoints only."""
    state = None if settings.fingerprint else Checkpoints(folder / "checkpoints").head()
    return settings if state is None else dataclasses.replace(settings, fingerprint=str(state["data"]))


def _initial(settings: RunSettings, given: Init | None) -> Source:
    """The weights that the run begins with."""
    named = settings.run.init or ""
    if given is None and named.startswith(IN_PYTHON):
        raise UserError(
            "This run begins with the weights of a model that was given in Python.",
            "Give it again: aegan.fit(data, out=..., init=model)",
        )
    place = settings.places.get("init")
    path = place.absolute if place and Path(place.absolute).exists() else named
    source = open_init(path if given is None else given, named)
    if settings.init and settings.init["hash"] != source.hash:
        raise UserError(
            f"--init {source.name} no longer has the weights that this run began with.",
            "Bring them back, or train in a new folder with --out.",
        )
    return source


def _check_same(data: Data, ranks: Ranks) -> None:
    """Refuses other data than the first process has: another folder on another machine, say."""
    if ranks.from_first(lambda: data.fingerprint) != data.fingerprint:
        raise UserError(
            f"{data.source} on {socket.gethostname()} is not the data of the run's first process.",
            "Give every machine the same files under the same path.",
        )
