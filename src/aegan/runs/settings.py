"""config.yaml: what was asked of a run, everything that was chosen for it, and the plan by which it can be repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from aegan.config import (
    DEFAULTS,
    RunConfig,
    as_plain,
    channels_of,
    check_bounds,
    preset_files,
    read_preset,
    up_to_minutes,
    with_options,
)
from aegan.cores import asked_threads
from aegan.data import Data, open_data
from aegan.data.background import drawn_by_pixels, fill_their_frames, some_of
from aegan.data.choosing import NO_LABEL
from aegan.data.format import size_text
from aegan.data.layout import STRAY
from aegan.engine.extend import Extension
from aegan.engine.loggers import chosen as chosen_loggers
from aegan.engine.schedule import Plan
from aegan.engine.thread_record import Record
from aegan.errors import UserError
from aegan.files import write_text
from aegan.hints import Array
from aegan.hugging_face import hub_name
from aegan.migrate import migrated_options
from aegan.plain_yaml import read_yaml
from aegan.runs.places import Place, is_path, where
from aegan.runs.resuming import FREE
from aegan.seeds import check_seed
from aegan.space import check_strategy, open_space
from aegan.strategies import Strategy, strategies, strategy
from aegan.strategies._space import Space, set_by_space
from aegan.version import __version__

FORMAT = 1  # of config.yaml
IN_PYTHON = "(given in Python)"  # in config.yaml, before the names of networks that were given as modules
MINUTES = 3.0  # the budget when none is given
LARGER = "64"  # the preset of images above 32 pixels, and what it gives way to for some kinds of colour images
KINDS = {"textures": "most images fill their frames", "sprites": "objects are drawn pixel by pixel"}


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """config.yaml: what was asked for, everything that was chosen, and the plan by which the run can be repeated."""

    run: RunConfig
    options: dict[str, Any]  # all of the strategy
    plans: dict[str, Plan] = dataclasses.field(default_factory=dict)  # of each stage, once its steps are planned
    threads: Record = dataclasses.field(default_factory=Record)
    fingerprint: str = ""  # of the data that it was trained on; empty in files of older versions
    examples: int = 0  # the same
    places: dict[str, Place] = dataclasses.field(default_factory=dict)  # of the files that `run` names, by setting
    extended: tuple[Extension, ...] = ()
    init: dict[str, str] = dataclasses.field(default_factory=dict)  # source, strategy and hash of its first weights
    folder: Path | None = dataclasses.field(default=None, compare=False)  # of the file that it was read from

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        plain: dict[str, Any] = as_plain(
            {
                "aegan": __version__,
                "format": FORMAT,
                "run": dataclasses.asdict(self.run),
                "data": {"fingerprint": self.fingerprint, "examples": self.examples},
                "places": {name: dataclasses.asdict(place) for name, place in self.places.items()},
                "extended": [dataclasses.asdict(more) for more in self.extended],
                "init": self.init,
                "options": self.options,
                "threads": self.threads.to_plain(),
                "plans": {name: dataclasses.asdict(plan) for name, plan in self.plans.items()},
            }
        )
        return plain

    def decisive(self) -> dict[str, Any]:
        """What decides the weights, by which a config.yaml that was damaged or edited is noticed when a run is resumed."""
        free = FREE | {"data"}  # which has its fingerprint
        run = {k: v for k, v in dataclasses.asdict(self.run).items() if k not in free}
        # all of them: what is missing from a file that was cut would be a default
        options = dataclasses.asdict(self.strategy())
        if options.get("space"):  # a later version may describe the same in other words
            options["space"] = Space.parse(options["space"]).weights
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
            settings = cls.from_plain(read_yaml(path.read_text(encoding="utf-8")), path)
            return dataclasses.replace(settings, folder=path.parent)
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
            data, init, places = (content.get(key) or {} for key in ("data", "init", "places"))
            settings = cls(
                RunConfig(),
                {},
                plans={k: Plan.from_plain(p) for k, p in (content["plans"] or {}).items()},  # last in the file
                threads=Record.from_plain(content.get("threads")),
                fingerprint=str(data.get("fingerprint", "")),
                examples=int(data.get("examples", 0)),
                places={str(k): Place(str(p["absolute"]), str(p["relative"])) for k, p in places.items()},
                extended=tuple(Extension.from_plain(more) for more in content.get("extended") or ()),
                init={str(k): str(v) for k, v in init.items()},
            )
            named = run.get("strategy", RunConfig.strategy)
            run["strategy"], options = migrated_options(named, options, str(path), content.get("aegan"))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _damaged(path) from error
        return dataclasses.replace(settings, run=with_options(RunConfig(), run, "a run"), options=options)

    def strategy(self) -> Strategy:
        """The strategy with these options."""
        return with_options(strategy(self.run.strategy)(), self.options, f"strategy '{self.run.strategy}'")

    def open_data(self, progress: bool = False, source: str | Array | Sequence[Any] | None = None) -> Data:
        """The data, or that of another source, as it was trained on."""
        return open_asked(self.run, source, progress, known=self.fingerprint)

    def on(self, data: Data) -> RunSettings:
        """The same with what identifies this data."""
        count = len(data.train) + len(data.held_out)
        return dataclasses.replace(self, fingerprint=data.fingerprint, examples=count)

    def placed(self, folder: Path, data: str | None = None) -> RunSettings:
        """The same with the places of its files as they are now, for a run in `folder`; `data`: where its data was found."""
        r = self.run
        of_file = r.networks is not None and not r.networks.startswith(IN_PYTHON)
        networks = r.networks.rpartition(":")[0] if of_file and r.networks else r.networks
        named = {"data_dir": r.data_dir, "init": r.init, "space": r.space, "networks": networks}
        typed = {k: v for k, v in named.items() if v is not None and not v.startswith(IN_PYTHON)}
        paths = {k: where(k, v, self, folder) for k, v in typed.items()}
        if is_path(r.data):
            paths["data"] = data or r.data
        places = {k: Place.of(v, folder) for k, v in paths.items() if k not in ("init", "space") or not hub_name(v)}
        return dataclasses.replace(self, places=places)


def open_asked(
    config: RunConfig, source: str | Array | Sequence[Any] | None = None, progress: bool = True, *, known: str = ""
) -> Data:
    """The data that settings ask for, in the form that they ask for.

    Args:
        source: in place of its name.
        known: its fingerprint as it was recorded. Earlier versions left out images for want of a label with
            `--no-classes`, too: where it is of data without those, these are opened.
    """

    def opened(labels: bool) -> Data:
        return open_data(
            config.data if source is None else source, size=config.size, fit=config.fit, background=config.background,
            channels=channels_of(config.transparent, config.grey), labels=labels, data_dir=config.data_dir,
            progress=progress, stream=config.stream,
        )  # fmt: skip

    if config.classes:
        return opened(True)
    # labels that are there are read even so, for the figures that need them, but no image is left out for their sake
    try:
        data = opened(True)
    except UserError:  # of labels that cannot be used; any other comes again
        return opened(False)
    left_out = any(why.startswith((NO_LABEL, STRAY)) for why in data.inspection.skipped)
    return opened(False) if left_out and data.fingerprint != known else data


def check_numbers(config: RunConfig) -> None:
    """Refuses numbers that no run can have, before any data is opened."""
    if config.minutes is not None and config.steps is not None:
        raise UserError("Both --minutes and --steps were given.", "Give one of them.")
    for what, value, most, example in (
        ("--minutes", config.minutes, 1e7, 3),
        ("--steps", config.steps, 1e12, 1000),
        ("--batch-size", config.batch_size, 1e9, 128),
        ("--checkpoint-every", config.checkpoint_every, 1e9, 60),
        ("--devices", config.devices, 1e4, 2),
    ):
        if value is not None and not 0 < value <= most:
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
        processes: that share a batch.
        say: gets a line for what could not be as asked.
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
    if spec.is_vector and config.mirror:
        raise UserError("--mirror is for images, and this data is vectors.", "Leave it out.")
    minutes = MINUTES if config.minutes is None and config.steps is None else config.minutes
    name = config.preset or fitting_preset(kind(), data, minutes)
    if config.preset is None and name in KINDS:
        say(f"preset  {name}, as {KINDS[name]}; for others: --preset {LARGER}")
    chosen = with_options(kind(), read_preset(kind.name, name), f"preset '{name}'")
    if config.space is None and options.get("space"):
        raise set_by_space()  # its networks would stay random
    if config.space is not None and "space" not in options:
        check_strategy(config.strategy)
        options = {**options, "space": open_space(config.space).space.text}
    asked = options if config.batch_size is None else {**options, "batch_size": config.batch_size}
    chosen = with_options(chosen, asked, f"strategy '{kind.name}'")
    check_bounds(chosen, asked)
    for line in (*without_effect(chosen), *chosen.remarks(spec)):
        say(line)
    chosen = chosen.resolve_auto(spec)
    if chosen.batch_size < 2:
        raise UserError("A batch needs at least 2 examples: losses compare them.", "Example: --batch-size 32")
    grain = processes * chosen.pack
    # an example twice in a batch teaches nothing, and costs the time of two
    most = max(len(data.train) // grain * grain, grain, 2)
    if chosen.batch_size > most:
        say(f"batch   {most} examples, not {chosen.batch_size:,}: there are {len(data.train):,} to train on")
        chosen = dataclasses.replace(chosen, batch_size=most)
        config = dataclasses.replace(config, batch_size=None if config.batch_size is None else most)
    size = size_text((spec.height, spec.width)) if spec.is_image else None
    run = dataclasses.replace(config, minutes=minutes, preset=name, size=size)
    return RunSettings(run, dict(as_plain(dataclasses.asdict(chosen))))


def without_effect(chosen: Strategy) -> list[str]:
    """What was set of the options that the strategy does not use, a line each."""
    idle = [f for f in dataclasses.fields(chosen) if "unused" in f.metadata and getattr(chosen, f.name) != f.default]
    return [f"option  {f.name} has no effect with {chosen.name}: {f.metadata['unused']}" for f in idle]


def fitting_preset(chosen: Strategy, data: Data, minutes: float | None) -> str:
    """The preset for the size of the data, or its variant, where there is one.

    `NAME_short` is for a budget of few minutes. Above 32 pixels, `textures` is for colour images that fill their frames, and
    `sprites` for such as are drawn pixel by pixel.
    """
    name = chosen.preset(data.spec)
    variants = {preset for strategy, preset in preset_files() if strategy == chosen.name}
    if not variants:
        return DEFAULTS
    short = f"{name}_short"
    if minutes is not None and short in variants and minutes <= up_to_minutes(chosen.name, short):
        return short
    if name == LARGER and variants.issuperset(KINDS) and data.spec.channels >= 3:
        images = some_of(data.train.items)
        if fill_their_frames(images):
            return "textures"
        if drawn_by_pixels(images):
            return "sprites"
    return name


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged, or is no configuration of aegan.", "Bring it back, or train again in a new folder."
    )
