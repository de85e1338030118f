"""What the shell offers after TAB: the right names, and at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from aegan.cli._names import strategy_options
from aegan.cli.main import app
from aegan.config import preset_files, used_options
from aegan.strategies import strategies


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash would be told for a line whose last word is under way."""
    words = line.split(" ")
    monkeypatch.setenv("_AEGAN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        get_command(app)(prog_name="aegan", args=[])
    return [word for word in capsys.readouterr().out.splitlines() if word]


@pytest.fixture
def after_tab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda line: offered(line, monkeypatch, capsys)


def test_the_names_are_those_of_the_strategies() -> None:
    """Read from the source text, they equal what importing gives."""
    known = strategies()
    assert {
        name: {f.name: f.metadata["help"] for f in used_options(kind)} for name, kind in known.items()
    } == strategy_options()


def test_strategies(after_tab: Any) -> None:
    assert after_tab("aegan train photos --strategy be") == ["began", "beta-vae"]
    assert after_tab("aegan strategies latent-") == ["latent-flow", "latent-wgan"]
    assert after_tab("aegan compare photos --strategies latent,va") == ["latent,vae", "latent,vaegan"]
    assert set(after_tab("aegan benchmark ring --strategies ")) == set(strategies())


def test_options_of_the_strategy_that_is_named(after_tab: Any) -> None:
    assert after_tab("aegan train photos --strategy gan --set pac") == ["pack="]
    assert after_tab("aegan train photos --set pac") == [], "latent, the default, has none of that name"
    assert set(after_tab("aegan train photos --set ")) == {f"{key}=" for key in strategy_options()["latent"]}
    assert after_tab("aegan train photos --strategy nosuch --set a") == []
    both = after_tab("aegan compare photos --strategies gan,latent --set ")
    assert {"pack=", "walkback_steps=", "lr="} <= set(both)
    assert after_tab("aegan compare photos --strategies gan,latent --set latent.wal") == ["latent.walkback_steps="]


def test_presets(after_tab: Any) -> None:
    for name in ("gan", "latent"):
        line = f"aegan train photos --strategy {name} --preset "
        assert after_tab(line) == [preset for strategy, preset in preset_files() if strategy == name]


def test_torch_is_not_waited_for() -> None:
    script = (
        "import sys; from aegan.cli.main import app; from aegan.cli import _names; assert _names.strategy_options(); "
    )
    subprocess.run([sys.executable, "-c", script + "assert 'torch' not in sys.modules"], check=True)
