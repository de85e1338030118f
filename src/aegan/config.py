"""Every option of a run, once: CLI flags, YAML keys, defaults and documentation all come from these dataclasses."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from aegan.errors import UserError, unknown

T = TypeVar("T")

SMALL = 1000  # training images, below which `early_stop` and `augment` are on unless set otherwise
Fit = Literal["crop", "pad", "stretch"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


def option(
    default: Any,
    help: str,
    *,
    source: str = "",
    searchable: bool = False,
    least: float | None = 0,
    most: float | None = None,
) -> Any:
    """A dataclass field that carries its own documentation.

    Args:
        help: what it means, and its unit.
        source: where the default is from.
        searchable: whether `--tune` looks for a better value: rates, and weights of which papers give ranges.
        least, most: bounds of a number, or of each of several; see `check_bounds`.
    """
    about = {"help": help, "source": source, "searchable": searchable, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=about)


def unused(default: Any, why: str) -> Any:
    """An option that a class has from its bases and does not use: it is not shown, and whoever sets it is told."""
    return dataclasses.field(default=default, metadata={"unused": why})


def used_options(strategy: Any) -> list[dataclasses.Field[Any]]:
    """The options of a strategy, or of its class, without those that it does not use."""
    return [f for f in dataclasses.fields(strategy) if "unused" not in f.metadata]


@dataclass(frozen=True)
class RunConfig:
    """What `aegan train` was asked to do."""

    data: str = option(
        "fashion", "folder, .zip, .tar shards, .npy/.npz, parquet, or a built-in name (fashion, digits, ring, ...)"
    )
    strategy: str = option("latent", "how the autoencoder takes part in the training; see `aegan strategies`")
    out: str | None = option(None, "folder for the run; default: runs/DATA-STRATEGY")
    minutes: float | None = option(None, "training time in minutes [3]; decoding and evaluation are not counted")
    steps: int | None = option(None, "budget in steps instead of minutes: repeats exactly on the same machine")
    size: int | str | None = option(
        None, "of the training images in pixels: a side (64) or WIDTHxHEIGHT (96x64); default: suggested by the data"
    )
    fit: Fit = option(
        "crop", "images of another shape are cropped to the middle, padded with the background, or stretched"
    )
    background: str = option(
        "white", "colour under transparent images, and of the margin of --fit pad: a name, #rrggbb, or r,g,b"
    )
    transparent: bool = option(
        False, "learn and make transparent images (RGBA) instead of compositing them on the background"
    )
    grey: bool = option(False, "train on grey images, whatever the data's colours")
    mirror: bool = option(
        False, "show each training image mirrored left to right half of the time; held-out images stay as they are"
    )
    seed: int = option(0, "seed of everything random")
    preset: str | None = option(
        None, "named numbers for the strategy; see `aegan presets`; default: by the data's size"
    )
    batch_size: int | None = option(None, "examples per step; default: the strategy's")
    device: str = option("auto", "cpu, cuda, cuda:1, mps, or auto")
    devices: int = option(1, "processes on this machine, one a device; more machines: see docs/scale.md")
    precision: Precision = option("auto", "fp32, bf16, fp16, or auto: bf16 where the device gains from it")
    threads: str | None = option(
        None,
        "threads that compute, of each process: a number, or auto: fewer while other programs are busy; default: auto with "
        "--minutes, with --steps one for each core",
    )
    checkpoint_every: float = option(60.0, "seconds between checkpoints")
    data_dir: str | None = option(None, "where the files of a built-in name lie, if not in their usual place")
    stream: Literal["auto", "on", "off"] = option(
        "auto", "decode images whenever they are asked for and keep no pixels; auto: for shards of over 4 GB of pixels"
    )
    guard: Literal["auto", "warn", "off"] = option(
        "warn",
        "diagnose while training; auto: also go back and change one thing where that is safe; see docs/doctor.md",
    )
    early_stop: Literal["auto", "on", "off"] = option(
        "auto", "end a stage that does not improve on held-out data; auto: with under 1,000 training images"
    )
    classes: bool = option(True, "use class labels, where the data has them")
    logger: str = option(
        "auto",
        "also log to tensorboard, wandb (offline) or trackio, several with commas; auto: tensorboard if installed",
    )
    init: str | None = option(
        None,
        "begin with the weights of another model, as far as they fit: a run, a model's folder, owner/name on the Hub",
    )
    space: str | None = option(
        None,
        "a trained autoencoder in whose codes to work, and which stays as it is: a run, a model's folder, or one of "
        "diffusers, here or on the Hub",
    )
    networks: str | None = option(
        None,
        "networks of your own, FILE.py:FUNCTION: from a data spec to {'E': module, 'G': ..., 'D': ...}, any of them",
    )


def channels_of(transparent: bool, grey: bool) -> int | None:
    """Channels of images that are asked for so: 4, 1, or None: as the data suggests.

    Raises:
        UserError: both at once.
    """
    if transparent and grey:
        raise UserError("Both --transparent and --grey were given.", "Give one of them.")
    return 4 if transparent else 1 if grey else None


def coerce(kind: Any, value: Any, key: str) -> Any:
    """`value` (a YAML or command-line value) as the annotated type `kind`, or a UserError that names both.

    >>> coerce(float, "1e-3", "lr"), coerce(int | None, None, "n"), coerce(bool, "yes", "ema")
    (0.001, None, True)
    >>> coerce(int | str | None, "64", "size"), coerce(int | str | None, "96x64", "size")
    (64, '96x64')
    >>> coerce(Literal[1, 2], "2", "power"), coerce(Literal["on", "off"], "off", "stream")
    (2, 'off')
    >>> coerce(tuple[float, float], [0, 0.99], "betas")
    (0.0, 0.99)
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        # a name may be any word; YAML has null for it
        if value is None or (str not in args and isinstance(value, str) and value.lower() in {"none", "null"}):
            return None
        *others, last = [a for a in args if a is not type(None)]
        for each in others:
            with contextlib.suppress(UserError):
                return coerce(each, value, key)
        return coerce(last, value, key)
    if origin is Literal:
        for known in args:
            if str(known) == str(value):  # numbers come from the command line as text
                return known
        raise unknown(f"value of '{key}'", str(value), [str(a) for a in args])
    if origin is tuple:
        if not isinstance(value, (str, list, tuple)):
            raise UserError(f"'{key}' wants several values, got {value!r}.", f"Write it as {key}=a,b.")
        items = value.strip("()[] ").split(",") if isinstance(value, str) else list(value)
        kinds = [args[0]] * len(items) if args[1:] == (Ellipsis,) else list(args)
        if len(items) != len(kinds):
            raise UserError(f"'{key}' wants {len(kinds)} values, got {value!r}.", f"Write it as {key}=a,b.")
        return tuple(coerce(k, v, key) for k, v in zip(kinds, items, strict=True))
    if kind is bool:
        word = str(value).lower()
        if word in ("true", "yes", "1", "on"):
            return True
        if word in ("false", "no", "0", "off"):
            return False
    elif kind in (int, float, str):
        with contextlib.suppress(TypeError, ValueError, OverflowError):  # int(inf)
            number = kind(value)
            if kind is not int or isinstance(value, str) or number == value:
                return number
    raise UserError(f"'{key}' wants {getattr(kind, '__name__', kind)}, got {value!r}.", f"Write it as {key}=VALUE.")


def with_options(instance: T, options: Mapping[str, Any], what: str) -> T:
    """A copy of a frozen dataclass with some fields replaced; unknown keys fail, naming the nearest."""
    hints = typing.get_type_hints(type(instance))
    names = [f.name for f in dataclasses.fields(instance)]  # type: ignore[arg-type]
    for key in options:
        if key not in names:
            raise unknown(f"option of {what}:", key, names)
    changes = {k: coerce(hints[k], v, k) for k, v in options.items()}
    return dataclasses.replace(instance, **changes)  # type: ignore[type-var]


def check_bounds(instance: Any, names: Collection[str]) -> None:
    """Refuses numbers that cannot be, of those options of a dataclass that are named.

    What a file says is not asked: a run that was trained before there were bounds can still be opened.

    Raises:
        UserError: one is not finite, or is out of its bounds, or there is none where there should be several.
    """
    for f in dataclasses.fields(instance):
        if f.name not in names or "help" not in f.metadata:
            continue
        value, least, most = getattr(instance, f.name), f.metadata["least"], f.metadata["most"]
        if value == ():
            raise UserError(f"'{f.name}' is empty; it must be a number, or several.")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if not math.isfinite(number):
                raise UserError(f"'{f.name}' is {number}; it must be a finite number.")
            if (least is not None and number < least) or (most is not None and number > most):
                bounds = [f"at least {least:,g}"] if least is not None else []
                bounds += [f"at most {most:,.6g}"] if most is not None else []
                raise UserError(f"'{f.name}' is {number}; it must be {' and '.join(bounds)}.")


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """`("lr=1e-3", "width=64")` as a dictionary.

    >>> parse_settings(("lr=1e-3",))
    {'lr': '1e-3'}
    """
    out = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UserError(f"--set {pair!r} is not key=value.", "Example: --set code_dim=32")
        out[key.strip()] = value.strip()
    return out


def as_plain(value: Any) -> Any:
    """Tuples as lists and paths as text, so that YAML and JSON hold only plain values."""
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


# --- presets: numbers only, one YAML file each, named STRATEGY-NAME.yaml ---------------------------------------------


DEFAULTS = "defaults"  # the preset of a strategy that comes without files, such as one of your own


def preset_files() -> dict[tuple[str, str], Path]:
    """All shipped presets by (strategy, preset name)."""
    found = {}
    for path in sorted((Path(__file__).parent / "presets").glob("*.yaml")):
        strategy, _, name = path.stem.rpartition("-")
        found[strategy, name] = path
    return found


def read_preset(strategy: str, name: str) -> dict[str, Any]:
    """The numbers of a preset; an unknown name fails, naming the nearest.

    `based_on: NAME` in a file stands for the numbers of another preset of the strategy, which those of the file go before.
    """
    numbers = _preset(strategy, name)
    numbers.pop("up_to_minutes", None)
    base = numbers.pop("based_on", None)
    return numbers if base is None else read_preset(strategy, base) | numbers


def up_to_minutes(strategy: str, name: str) -> float:
    """The longest budget that a preset is for, `up_to_minutes:` in its file; infinite where it says nothing."""
    return float(_preset(strategy, name).get("up_to_minutes", math.inf))


def _preset(strategy: str, name: str) -> dict[str, Any]:
    """What the file of a preset says."""
    from aegan.plain_yaml import read_yaml

    files = preset_files()
    if name == DEFAULTS and not any(s == strategy for s, _ in files):
        return {}
    if (strategy, name) not in files:
        raise unknown(f"preset of '{strategy}':", name, [n for s, n in files if s == strategy])
    return dict(read_yaml(files[strategy, name].read_text(encoding="utf-8")) or {})
