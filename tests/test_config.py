"""Options: one source, typed, unknown ones refused with the nearest named."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from aegan.config import (
    RunConfig,
    as_plain,
    check_bounds,
    coerce,
    option,
    parse_settings,
    preset_files,
    read_preset,
    up_to_minutes,
    with_options,
)
from aegan.engine.schedule import Plan
from aegan.errors import UserError, unknown
from aegan.runs.settings import RunSettings
from aegan.strategies import strategies


@dataclass(frozen=True)
class Some:
    lr: float = option(1e-3, "rate")
    width: int = option(64, "channels")
    code: int | None = option(None, "numbers")
    sizes: tuple[int, ...] = option((1, 2), "sizes")
    pair: tuple[float, float] = option((0.0, 0.9), "betas")
    flag: bool = option(True, "flag")
    game: Literal["hinge", "rpgan"] = option("rpgan", "game")
    layers: int = option(2, "layers", least=1, most=2000)
    free: float = option(0.0, "offset", least=None)


@pytest.mark.parametrize(
    ("key", "value", "result"),
    [
        ("lr", "2e-4", 2e-4), ("lr", 1, 1.0), ("width", "32", 32), ("width", 32.0, 32), ("code", "none", None),
        ("code", "16", 16), ("code", None, None), ("sizes", "1,2,5", (1, 2, 5)), ("sizes", [3], (3,)),
        ("sizes", "(1, 2)", (1, 2)), ("pair", "0,0.99", (0.0, 0.99)), ("flag", "no", False), ("flag", "On", True),
        ("flag", False, False), ("game", "hinge", "hinge"),
    ],
)  # fmt: skip
def test_values_take_their_types(key: str, value: Any, result: Any) -> None:
    got = getattr(with_options(Some(), {key: value}, "x"), key)
    assert got == result and type(got) is type(result)


@pytest.mark.parametrize(
    ("key", "value"),
    [("lr", "fast"), ("lr", None), ("width", "1.5"), ("width", 1.5), ("width", ""), ("flag", "maybe"), ("flag", 7),
     ("pair", "1"), ("pair", "1,2,3"), ("sizes", "1,x"), ("sizes", 3), ("game", "hinges"), ("code", "x")],
)  # fmt: skip
def test_wrong_values_name_the_key(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"'{key}'"):
        with_options(Some(), {key: value}, "x")


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'width'"):
        with_options(Some(), {"widht": 3}, "strategy 'x'")


def test_nothing_near_lists_what_there_is() -> None:
    assert str(unknown("preset", "zzz", ["a", "b"])) == "Unknown preset 'zzz'.\nKnown: a, b."


@pytest.mark.parametrize("pair", ["lr", "=3", " =3", ""])
def test_a_setting_is_key_and_value(pair: str) -> None:
    with pytest.raises(UserError, match="key=value"):
        parse_settings([pair])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_settings(["a=b=c", " d = e "]) == {"a": "b=c", "d": "e"}


def test_plain_values() -> None:
    plain = as_plain({"a": (1, (2, 3)), "p": Path("x/y"), 5: None})
    assert plain == {"a": [1, [2, 3]], "p": "x/y", "5": None}
    assert yaml.safe_load(yaml.safe_dump(plain)) == plain


def test_every_field_of_a_run_has_help() -> None:
    for f in dataclasses.fields(RunConfig):
        assert len(f.metadata["help"]) > 5, f.name


@pytest.mark.parametrize("kind", [int, float, bool])
def test_coerce_keeps_what_is_right(kind: type) -> None:
    assert coerce(kind, kind(1), "k") == kind(1)


def test_presets_are_read() -> None:
    assert ("latent", "32") in preset_files()
    assert read_preset("gan", "toy")["z_dim"] == 2
    with pytest.raises(UserError, match="Did you mean 'toy'"):
        read_preset("gan", "tpy")


SETTINGS = RunSettings(
    RunConfig(data="x", strategy="autoencoder", steps=5, out="runs/ä"), {"lr": 0.1, "components": [1, 2]},
    {"play": Plan(7, [(6, 0.0, 50), (20, 1 / 3, 61)])},
)  # fmt: skip


def test_the_settings_of_a_run_there_and_back(tmp_path: Path) -> None:
    SETTINGS.write(tmp_path / "config.yaml")
    assert RunSettings.read(tmp_path / "config.yaml") == SETTINGS


DAMAGE = {
    "empty": lambda text: "",
    "a list": lambda text: "- 1\n- 2\n",
    "a word": lambda text: "hello",
    "no yaml": lambda text: "a: [1, 2\nb: }",
    "no run": lambda text: text.replace("run:", "walk:"),
    "no options": lambda text: text.replace("options:", "opinions:"),
    "run is a list": lambda text: "run: [1]\noptions: {}\n",
    "a knot of two": lambda text: text.replace("      - 50\n", ""),
    "plans are a word": lambda text: text[: text.index("plans:")] + "plans: none of them\n",
    "format is a word": lambda text: text.replace("format: 1", "format: new"),
    "format is infinite": lambda text: text.replace("format: 1", "format: .inf"),
    "cut": lambda text: text[: len(text) // 3],
    "zero bytes": lambda text: "\0" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_settings_are_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    SETTINGS.write(path)
    text = path.read_text()
    assert DAMAGE[damage](text) != text
    path.write_text(DAMAGE[damage](text))
    with pytest.raises(UserError) as error:
        RunSettings.read(path)
    assert str(path) in str(error.value) and len(str(error.value).splitlines()) <= 2


def test_settings_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\xfa\x81")
    with pytest.raises(UserError, match="damaged"):
        RunSettings.read(path)


def test_settings_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    SETTINGS.write(path)
    path.write_text(path.read_text().replace("format: 1", "format: 2"))
    with pytest.raises(UserError, match=r"format 2, newer than this aegan knows \(1\)"):
        RunSettings.read(path)


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    SETTINGS.write(path)
    path.write_text(path.read_text().replace("seed:", "sede:"))
    with pytest.raises(UserError, match="Did you mean 'seed'"):
        RunSettings.read(path)


def test_presets_for_short_budgets_say_how_short() -> None:
    limits = {preset: up_to_minutes(*preset) for preset in preset_files()}
    assert {name for name, most in limits.items() if math.isfinite(most)} == {n for n in limits if "_short" in n[1]}
    assert limits["latent", "32_short"] == 5.0
    assert "up_to_minutes" not in read_preset("latent", "32_short")


def test_a_preset_that_is_based_on_another_says_only_what_differs() -> None:
    base, textures = (read_preset("latent", name) for name in ("64", "textures"))
    assert textures["matrix_lr"] == base["matrix_lr"] and textures["batch_size"] == base["batch_size"]
    assert (base["upsampling"], textures["upsampling"]) == ("bilinear", "bilinear+noise")
    assert "based_on" not in textures and base.keys() < textures.keys()


@pytest.mark.parametrize(
    ("key", "value", "bound"),
    [
        ("lr", "-1", "'lr' is -1.0; it must be at least 0."), ("lr", "nan", "'lr' is nan; it must be a finite number."),
        ("lr", "inf", "finite"), ("free", "inf", "finite"), ("code", "-4", "'code' is -4; it must be at least 0."),
        ("sizes", "1,-2", "'sizes' is -2; it must be at least 0."), ("sizes", [], "is empty"),
        ("layers", 0, "'layers' is 0; it must be at least 1 and at most 2,000."), ("layers", 2001, "at most 2,000"),
    ],
)  # fmt: skip
def test_numbers_out_of_bounds(key: str, value: Any, bound: str) -> None:
    some = with_options(Some(), {key: value}, "x")
    with pytest.raises(UserError) as told:
        check_bounds(some, [key])
    assert bound in str(told.value) and "\n" not in str(told.value)
    check_bounds(some, [])  # what a file says


def test_numbers_within_bounds() -> None:
    check_bounds(
        with_options(Some(), {"lr": 0, "free": -1, "layers": 2000}, "x"), ["lr", "free", "layers", "code", "flag"]
    )


def test_defaults_and_presets_are_within_bounds() -> None:
    for name, kind in strategies().items():
        check_bounds(kind(), [f.name for f in dataclasses.fields(kind)])
        for preset in (preset for strategy, preset in preset_files() if strategy == name):
            numbers = read_preset(name, preset)
            check_bounds(with_options(kind(), numbers, preset), numbers)
