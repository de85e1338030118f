"""Each illness is found in a log that has it; healthy runs have none."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aegan
import aegan.strategies
from aegan.doctor import diagnose, read_any
from aegan.errors import UserError
from aegan.events import parse

N = 30


def log(
    terms: dict[str, Any], watch: dict[str, Any] | None = None, looks: list[dict[str, float]] | None = None
) -> list[dict[str, Any]]:
    """A log of one stage, from series of N values."""
    lines: list[dict[str, Any]] = [
        {
            "step": i, "stage": "play", "terms": {k: float(v[i]) for k, v in terms.items()},
            "watch": {k: float(v[i]) for k, v in (watch or {}).items()},
        }
        for i in range(N)
    ]  # fmt: skip
    ticks = [{"event": "tick", "stage": "play", "progress": (i + 1) / 8, **v} for i, v in enumerate(looks or [])]
    return lines + ticks


def far(*values: float) -> list[dict[str, float]]:
    return [{"fd_pixels": v} for v in values]


def looks(count: int = 4, **figures: float) -> list[dict[str, float]]:
    """Equal looks, the last of them at three quarters of the stage."""
    return [{}] * (6 - count) + [figures] * count


NOISE = np.random.default_rng(0).normal(size=N)
FALLING = np.exp(-np.arange(N) / 10) + 0.1 + 0.01 * NOISE
HEALTHY = log(
    {"AE.L1": FALLING, "G.|grad|": 1 + 0.2 * NOISE, "VAE.KL": 0.2 + 0.01 * NOISE},
    {"V(G,D)": -1.2 + 0.05 * NOISE, "margin": 0.5 + 0.1 * NOISE}, far(9, 5, 3, 2.5, 2.4, 2.6),
)  # fmt: skip


def names(lines: list[dict[str, Any]]) -> list[str]:
    return [finding.name for finding in diagnose([parse(line) for line in lines])]


def test_health() -> None:
    assert names(HEALTHY) == [] and names([]) == [] and names(HEALTHY[:5]) == []


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("divergence", log({"AE.L1": FALLING[::-1] * 2})),
        ("divergence", log({"D.L_D": np.where(np.arange(N) < 20, 1.0, math.nan)})),
        ("divergence", [{"event": "guard", "stage": "play", "action": "rollback"}]),
        ("critic too strong", log({"G.L_G": FALLING}, {"V(G,D)": -0.01 - 0.001 * abs(NOISE)})),
        ("critic too weak", log({"G.L_G": FALLING}, {"margin": 1e-4 * NOISE}, far(9, 9, 9.1))),
        ("vanishing gradient", log({"G.|grad|": 10.0 ** -np.arange(N)})),
        ("code collapse", log({"VAE.KL": np.exp(-np.arange(N))})),
        ("drift", log({"G.L_G": FALLING}, looks=far(9, 4, 2, 6, 8, 9))),
        ("mode collapse", log({"G.L_G": FALLING}, looks=looks(diversity=0.1, coverage=0.3))),
        ("mode collapse", log({"G.L_G": FALLING}, looks=looks(diversity=0.5, coverage=0.1))),
        ("memorisation", log({"G.L_G": FALLING}, looks=looks(novelty=0.1))),
        ("blur", log({"G.L_G": FALLING}, looks=looks(sharpness=0.05, r2=0.5))),
        ("code collapse", log({"G.L_G": FALLING, "VAE.KL": 1 + FALLING}, looks=looks(r2=0.01, sharpness=0.01))),
        ("poor reconstructions", log({"G.L_G": FALLING}, looks=looks(r2=0.01, sharpness=0.01))),
        ("divergence", log({"G.L_G": FALLING}, looks=looks(r2=-1.0, sharpness=0.01))),
    ],
)
def test_illness(name: str, lines: list[dict[str, Any]]) -> None:
    assert names(lines) == [name]
    (finding,) = diagnose([parse(line) for line in lines])
    assert finding.evidence and finding.remedy and "play" in str(finding)


def test_logs_of_other_programs(tmp_path: Path, aegan_cli: Any) -> None:
    rows = [{"Iteration": i, "d_loss": 0.5, "g_loss": 1.0, "V(G,D)": -0.001} for i in range(N)]
    (tmp_path / "log.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])
    (tmp_path / "log.csv").write_text(table.replace("V(G,D)", "value"))
    table = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.tsv").write_text("\n" + table.replace(",", "\t"))
    (tmp_path / "german.csv").write_text(table.replace(",", ";").replace(".", ","))
    for name in ("log.json", "log.csv", "log.tsv", "german.csv"):
        assert [finding.name for finding in diagnose(read_any(tmp_path / name))] == ["critic too strong"]
    said = aegan_cli("diagnose", tmp_path / "log.csv")
    assert said.code == 0 and "critic too strong" in said.out and "→" in said.out
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "long.csv").write_text("step,loss\n1," + "2" * 200_000)  # more than the reader takes as a cell
    for path in (tmp_path / "other.csv", tmp_path / "none.csv", tmp_path / "long.csv"):
        with pytest.raises(UserError):
            read_any(path)


FAILING: dict[str, dict[str, Any]] = {
    "critic too strong": {
        "strategy": "gan", "steps": 200, "images": True,
        "options": {"lr_generator": 1e-9, "gamma": 0.0, "loss": "nonsaturating", "width": 8, "critic_width": 8},
    },
    "divergence": {"strategy": "autoencoder", "steps": 200, "options": {"lr": 2.0}},
    "code collapse": {"strategy": "beta-vae", "steps": 200, "options": {"beta": 1e4}},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_run_that_fails_on_purpose(
    name: str, make_circle: Any, make_shapes: Any, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.engine.monitor.LOOK_IMAGES", 1000)
    case = FAILING[name]
    known = {f.name for f in dataclasses.fields(aegan.strategies.strategy(case["strategy"]))}
    narrow = {k: v for k, v in {"batch_size": 64, "width": 16, "critic_width": 32}.items() if k in known}
    data = make_shapes(200)[0] if "images" in case else make_circle(500)
    run = aegan.fit(
        data, strategy=case["strategy"], out=tmp_path / "run", steps=case["steps"], device="cpu",
        progress=False, options={**narrow, **case["options"]}, guard="warn", seed=seed,
    )  # fmt: skip
    assert name in [finding.name for finding in diagnose(read_any(run.path))]
    assert name in [line["name"] for line in run.log if line.get("event") == "diagnosis"]


@pytest.mark.parametrize("name", ["latent", "vae", "autoencoder"])
def test_runs_that_are_well(
    name: str, make_circle: Any, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.engine.monitor.LOOK_IMAGES", 1000)
    run = aegan.fit(
        make_circle(500), strategy=name, out=tmp_path / "run", steps=300, device="cpu", progress=False, seed=seed,
        options={"batch_size": 64, "width": 32},
    )  # fmt: skip
    assert diagnose(read_any(run.path)) == []
