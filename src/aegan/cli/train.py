"""aegan train"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from aegan.cli._names import offer_preset, offer_set, offer_strategy
from aegan.cli._output import AsJson, answer, say
from aegan.config import RunConfig, coerce, parse_settings, used_options
from aegan.errors import UserError
from aegan.events import Done
from aegan.launch import is_first, is_rank, launch
from aegan.names import printable, quoted

if TYPE_CHECKING:
    from aegan.runs.folder import Run
    from aegan.runs.settings import RunSettings

EXAMPLE = "Example: aegan train photos/ --minutes 10 --out runs/photos"
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
OFFERS = {"strategy": offer_strategy, "preset": offer_preset}  # what the shell offers after TAB
# what may be given with --config
REPEATED_WITH = {
    "out", "device", "devices", "threads", "data", "data_now", "config_file", "evaluate", "dry_run", "as_json",
}  # fmt: skip


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first argument is a RunConfig, one option for each of its fields, with default and help."""
    hints, fields = get_type_hints(RunConfig), dataclasses.fields(RunConfig)
    _, *others = inspect.signature(command, eval_str=True).parameters.values()
    parameters = []
    for f in fields:
        kind: Any = typer.Argument if f.name == "data" else typer.Option
        extra: dict[str, Any] = {"metavar": "DATA"} if f.name == "data" else {"autocompletion": OFFERS.get(f.name)}
        hint = hints[f.name]
        if get_origin(hint) is Literal:  # text, which `coerce` reads: a wrong word is then reported in one line
            extra["metavar"], hint = f"[{'|'.join(get_args(hint))}]", str
        elif len([a for a in get_args(hint) if a is not type(None)]) > 1:  # the same of several types
            hint = str | None
        annotation = Annotated[hint, kind(help=f.metadata["help"], **extra)]  # type: ignore[valid-type]
        parameters.append(inspect.Parameter(f.name, KEYWORD_ONLY, default=f.default, annotation=annotation))
    parameters += [p.replace(kind=KEYWORD_ONLY) for p in others]

    def filled(**values: Any) -> None:
        mine = {f.name: coerce(hints[f.name], values.pop(f.name), "--" + f.name.replace("_", "-")) for f in fields}
        command(RunConfig(**mine), **values)

    filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filled.__annotations__ = {p.name: p.annotation for p in parameters}
    filled.__name__, filled.__doc__ = command.__name__, command.__doc__
    return filled


@with_run_options
def command(
    config: RunConfig,
    context: typer.Context,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A strategy's option; repeatable.", autocompletion=offer_set),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="config.yaml of a run: repeats it, with the same steps.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out; one that has ended gets --minutes or --steps more."
        ),
    ] = False,
    data_now: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="With --resume or --config: where the data is now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and stop.")] = False,
    evaluate: Annotated[bool, typer.Option(help="Score the model and write report.html afterwards.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a generator, an encoder and a decoder on some images."""
    from aegan.engine.log import Display
    from aegan.engine.loop import Interrupted
    from aegan.runs.settings import check_numbers
    from aegan.training import train

    options, given = parse_settings(set or []), _given(context)
    check_numbers(config)
    source = config.data if "data" in given else data_now
    config, repeat = _resolved(config, given, data_now, config_file, resume, dry_run)
    if dry_run:
        _describe(config, options if repeat is None else repeat.options, repeat, source, as_json)
        return
    if config.devices > 1 and not is_rank():
        raise typer.Exit(launch(config.devices))
    display = Display(quiet=not is_first())
    try:
        run = train(
            config, options, source=source, resume=resume, repeat=repeat, evaluate=evaluate, display=display, given=given,
        )  # fmt: skip
    except Interrupted as stop:
        again = f"aegan train --resume --out {quoted(stop.folder)}"
        display.say(f"Stopped at step {stop.step}. Go on with: {again}")
        if as_json and is_first():
            answer({"run": stop.folder, "finished": False, "step": stop.step, "resume": again}, "", True)
        raise typer.Exit(128 + stop.signum) from None
    display.say(f"model   {printable(str(run.path / 'model'))}")
    if evaluate:
        display.say(f"report  {printable(str(run.path / 'report.html'))}")
    if as_json and is_first():
        answer(_facts(run, evaluate), "", True)


def _given(context: typer.Context) -> set[str]:
    """Names of the options that were typed, not defaulted."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _resolved(
    config: RunConfig, given: set[str], data_now: str | None, config_file: Path | None, resume: bool, dry_run: bool
) -> tuple[RunConfig, RunSettings | None]:
    """The settings that all options together make; and those of the run that is to be repeated, if one is."""
    from aegan.runs.settings import RunSettings

    if data_now is not None:
        if "data" in given and data_now != config.data:
            raise UserError(f"DATA was given twice: {config.data} and --data {data_now}.", "Give it once.")
        config = dataclasses.replace(config, data=data_now)
    if resume:
        if config_file is not None:
            raise UserError("--resume and --config were both given.", "Give one: a run that goes on has its own.")
        if config.out is None:
            raise UserError("--resume needs to know which run.", "Add --out RUN.")
        if dry_run:
            raise UserError("--dry-run is for runs that begin.", "Leave it out, or leave out --resume.")
    if resume or config_file is None:
        return config, None
    if extra := sorted(given - REPEATED_WITH):
        words = ", ".join("--" + e.replace("_", "-") for e in extra)
        raise UserError(
            f"A repeated run keeps its settings: {words} cannot be given with it.",
            "Leave it out, or train in a new folder.",
        )
    repeat = RunSettings.read(config_file)
    config = dataclasses.replace(
        repeat.run, out=config.out, device=config.device, devices=config.devices,
        threads=config.threads or repeat.run.threads,
    )  # fmt: skip
    return config, repeat


def _facts(run: Run, evaluated: bool) -> dict[str, Any]:
    """What --json prints of a run that has ended."""
    from aegan.runs.reading import RunHistory

    done = RunHistory(run.log).events(Done)[-1]
    found = run.evaluation if evaluated else None
    return {
        "run": run.path,
        "finished": True,
        **dataclasses.asdict(done),  # step, seconds, images
        "model": run.path / "model",
        "report": run.path / "report.html" if evaluated else None,
        "evaluation": found and found.as_dict(),
    }


def _describe(
    config: RunConfig, options: Mapping[str, Any], repeat: RunSettings | None, source: str | None, as_json: bool
) -> None:
    """What --dry-run prints: data, networks, what they begin with, stages, every hyper-parameter."""
    from rich.table import Table
    from rich.text import Text

    from aegan.engine.device import pick_device
    from aegan.initial import open_init, take
    from aegan.networks import use_networks
    from aegan.networks.custom import made
    from aegan.runs.begin import own_networks
    from aegan.runs.places import find_data
    from aegan.runs.settings import RunSettings, resolve
    from aegan.strategies import Stage

    pick_device(config.device)  # refuses one that there is not
    asked = repeat or RunSettings(config, {})
    data, _ = find_data(asked, asked.folder or Path(), source=source, progress=True, checked=source is not None)
    settings = resolve(config, data, options, processes=config.devices, say=partial(say, aside=as_json))
    strategy = settings.strategy()
    spec = data.spec
    networks = strategy.build(spec)
    if settings.run.networks is not None:
        placed = dataclasses.replace(settings, places=asked.places)
        own = made(own_networks(placed, None, spec, asked.folder or Path()), spec)
        name, fixed = strategy.name, strategy.fixed_networks
        networks = use_networks(networks, own, spec, strategy=name, alone=strategy.penalised, fixed=fixed)
    begins = take(open_init(config.init), networks, spec, strategy)["notes"] if config.init is not None else []
    stages = strategy.stages(spec)
    shares = sum(s.share for s in stages)
    facts: dict[str, Any] = {
        "data": {"name": data.name, "train": len(data.train), "held_out": len(data.held_out), "shape": spec.shape},
        "strategy": strategy.name,
        "preset": settings.run.preset,
        "weights": {k: sum(p.numel() for p in net.parameters()) for k, net in networks.items()},
        "init": begins,
        "stages": [
            {
                "name": s.name,
                "share": s.share / shares,
                "trains": {p.name: p.trains for p in s.phases} if isinstance(s, Stage) else {},
            }
            for s in stages
        ],
        "options": {f.name: getattr(strategy, f.name) for f in used_options(strategy)},
        "settings": dataclasses.asdict(settings.run),
    }
    table = Table("stage", "share", "trains")
    for s in facts["stages"]:
        what = ", ".join(f"{name}({'+'.join(trained)})" for name, trained in s["trains"].items()) or "fitted"
        table.add_row(s["name"], f"{s['share']:.0%}", what)
    d, bold = facts["data"], "bold"
    meaning = {f.name: f.metadata.get("help", "") for f in used_options(strategy)}
    weights = ", ".join(f"{k} {n / 1e3:,.0f}k weights" for k, n in facts["weights"].items())
    shown = [
        Text.assemble((d["name"], bold), f": {d['train']} to train on, {d['held_out']} held out, shape {d['shape']}"),
        Text.assemble((strategy.name, bold), f", preset {facts['preset']}: {weights}"),
        *(Text(f"init: {line}") for line in begins),
        table,
        *(Text.assemble(f"  {k} = {shorten(str(v), 60)}  ", (meaning[k], "dim")) for k, v in facts["options"].items()),
    ]
    answer(facts, shown, as_json)
