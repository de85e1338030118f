"""How strategies are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from aegan.errors import UserError
from aegan.strategies import _registry, register, strategies, strategy


def test_all_files_are_found() -> None:
    from pathlib import Path

    import aegan.strategies as package

    files = {p.stem.replace("_", "-") for p in Path(package.__path__[0]).glob("[!_]*.py")}
    assert set(strategies()) == files, "one method, one file, of the same name"
    assert list(strategies()) == sorted(strategies())


def test_a_name_taken_twice_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(strategies())
    monkeypatch.setattr(_registry, "_known", known)
    with pytest.raises(ValueError, match="'gan' is registered twice"):
        register(strategy("gan"))
    assert known["gan"] is strategy("gan")


def test_a_new_one_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_known", dict(strategies()))

    @register
    @dataclass(frozen=True)
    class Mine(strategy("gan")):  # type: ignore[misc]
        name = "mine"

    assert strategy("mine") is Mine
    assert "mine" in strategies()


@pytest.mark.parametrize(("typed", "meant"), [("latnet", "latent"), ("GAN", "gan"), ("auto-encoder", "autoencoder")])
def test_an_unknown_name_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UserError) as error:
        strategy(typed)
    text = str(error.value)
    assert typed in text and ", ".join(strategies()) in text
    if typed != "GAN":
        assert f"Did you mean '{meant}'?" in text


def test_the_contract_has_no_defaults_for_what_it_cannot_do(make_narrow: Any) -> None:
    import torch

    gan = make_narrow("gan")
    with pytest.raises(NotImplementedError, match="gan cannot encode"):
        gan.encode({}, torch.zeros(1))
    with pytest.raises(NotImplementedError, match="gan cannot decode"):
        gan.decode({}, torch.zeros(1))
