"""--json: every command that prints a table or facts prints them as one JSON object, and nothing else on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan.cli._output import plain

Cli = Callable[..., Any]
QUICK = ("--metrics", "reconstruction", "--extractor", "pixels", "--count", 64)


def told(said: Any, code: int = 0) -> dict[str, Any]:
    """The object on stdout, whole, without NaN."""
    assert said.code == code, said.err

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(said.out, parse_constant=refuse)
    assert isinstance(found, dict) and said.out.isascii()
    return found


@pytest.fixture(scope="module")
def aeg(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> tuple[Path, Path]:
    """A run of the codec, and a file that it wrote."""
    pytest.importorskip("constriction")
    import aegan
    from aegan.codec import compress

    root = tmp_path_factory.mktemp("codec")
    options = {"width": 8, "batch_size": 16}
    run = aegan.fit(folder, strategy="codec", out=root / "run", steps=6, size=16, options=options, progress=False)
    compress(run.model, str(folder), root / "a.aeg", lossless=True, run=str(root / "run"))
    return root / "run", root / "a.aeg"


# --- each command -----------------------------------------------------------------------------------------------------


def test_plain_values() -> None:
    odd = {"a": np.float32(1.5), "b": np.array([1, np.inf]), 3: float("nan"), "path": Path("x"), "set": {1}}
    assert plain(odd) == {"a": 1.5, "b": [1.0, None], "3": None, "path": "x", "set": [1]}


def test_every_command_but_servers_has_it() -> None:
    from typer.main import get_command

    from aegan.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    without = {name for name, c in commands.items() if not any("--json" in p.opts for p in c.params)}
    assert without == {"serve"}


def test_check(folder: Path, aegan_cli: Cli) -> None:
    found = told(aegan_cli("check", folder, "--json", "--size", 16))
    assert found["count"] == 120 and found["classes"] == {"disc": 60, "square": 60} and found["size"] in (16, "16x16")


def test_strategies_and_presets(aegan_cli: Cli) -> None:
    listed = {s["name"]: s for s in told(aegan_cli("strategies", "--json"))["strategies"]}
    assert "sample" in listed["latent"]["can"] and len(listed) > 20
    one = told(aegan_cli("strategies", "latent", "--json"))
    assert one == listed["latent"]
    assert {o["name"]: o["default"] for o in one["options"]}["walkback_steps"] == 2
    bounds = {o["name"]: (o["least"], o["most"]) for o in told(aegan_cli("strategies", "gan", "--json"))["options"]}
    assert bounds["label_smoothing"] == (0, 1) and bounds["pack"] == (1, None), "bounds of numbers"
    assert bounds["networks"] == (None, None), "a word has none"
    rows = told(aegan_cli("presets", "--json"))["presets"]
    assert any(r["strategy"] == "gan" and r["preset"] == "toy" and r["numbers"] for r in rows)


def test_train(folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    common = ("train", folder, "--strategy", "autoencoder", "--steps", 4, "--size", 16, "--set", "width=8", "--json")
    dry = told(aegan_cli(*common, "--dry-run"))
    assert dry["strategy"] == "autoencoder" and dry["options"]["width"] == 8 and dry["data"]["shape"] == [3, 16, 16]
    assert sum(s["share"] for s in dry["stages"]) == pytest.approx(1) and dry["weights"]["E"] > 100
    out = tmp_path / "run"
    said = aegan_cli(*common, "--out", out, "--no-evaluate")
    found = told(said)
    assert found["finished"] and found["step"] == 4 and found["model"] == str(out / "model") and found["report"] is None
    assert "compress" in said.err, "the progress is on stderr"


def test_evaluate_prints_or_writes(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    found = told(aegan_cli("evaluate", trained_copy, *QUICK, "--json"))
    assert found["figures"]["psnr"]["value"] > 1
    told(aegan_cli("evaluate", "--json", trained_copy, *QUICK))
    file = tmp_path / "a.json"
    said = aegan_cli("evaluate", trained_copy, "--json", file, *QUICK)
    assert said.code == 0 and "psnr" in said.out.lower() and f"result  {file}" in said.out
    assert json.loads(file.read_text(encoding="utf-8"))["figures"]["psnr"] == found["figures"]["psnr"]


def test_report(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert told(aegan_cli("report", trained_copy, "--json"))["report"] == str(trained_copy / "report.html")
    for name in ("a.json", "b.json"):
        assert aegan_cli("evaluate", trained_copy, *QUICK, "--json", tmp_path / name).code == 0
    page = tmp_path / "both.html"
    found = told(aegan_cli("report", tmp_path / "a.json", tmp_path / "b.json", "--out", page, "--json"))
    assert list(found["results"]) == [str(tmp_path / "a.json"), str(tmp_path / "b.json")] and found["page"] == str(page)


def test_what_is_written(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out = tmp_path / "s.png"
    assert told(aegan_cli("sample", trained, "--n", 3, "--out", out, "--json")).items() >= {
        ("wrote", str(out)), ("count", 3),
    }  # fmt: skip
    found = told(aegan_cli("reconstruct", trained, folder, "--n", 3, "--out", tmp_path / "r", "--json"))
    assert found["count"] == 3 == len(list((tmp_path / "r").rglob("*.png")))
    found = told(aegan_cli("encode", trained, folder, "--out", tmp_path / "c.npz", "--json"))
    assert found["count"] == 120
    found = told(aegan_cli("interpolate", trained, "--rows", 2, "--steps", 3, "--out", tmp_path / "w.gif", "--json"))
    assert found["frames"] == 4
    found = told(aegan_cli("interpolate", trained, "--rows", 2, "--steps", 3, "--out", tmp_path / "w.png", "--json"))
    assert found["count"] == 6


def test_score_and_similar(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    found = told(aegan_cli("score", trained, folder, "--count", 5, "--grid", tmp_path / "g.png", "--json"))
    values = [row["combined"] for row in found["scores"]]
    assert len(values) == 5 and values == sorted(values, reverse=True) and found["by"] == "combined"
    image = sorted((folder / "disc").iterdir())[0]
    found = told(aegan_cli("similar", trained, image, folder, "--count", 3, "--json", "--out", tmp_path / "s.png"))
    assert found["neighbours"][0]["distance"] == pytest.approx(0, abs=1e-4)
    assert found["neighbours"][0]["name"] == f"disc/{image.name}" and found["neighbours"][0]["label"] == "disc"


def test_codec(aeg: tuple[Path, Path], folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    run, packed = aeg
    found = told(aegan_cli("compress", run, folder, "--out", tmp_path / "b.aeg", "--json"))
    assert found["images"] == 120 and found["bytes"] == (tmp_path / "b.aeg").stat().st_size and found["skipped"] == {}
    found = told(aegan_cli("decompress", packed, "--out", tmp_path / "back", "--json"))
    assert found["images"] == 120 and found["whole"] and found["lost"] == []
    raw = bytearray(packed.read_bytes())
    raw[len(raw) // 2] ^= 255
    (tmp_path / "hurt.aeg").write_bytes(raw)
    said = aegan_cli("decompress", tmp_path / "hurt.aeg", "--run", run, "--out", tmp_path / "rest", "--json")
    found = told(said, code=2)
    assert not found["whole"] and found["images"] < 120 and "is damaged" in said.err
    found = told(
        aegan_cli(
            "rate-distortion", run, folder, "--limit", 4, "--extractor", "none", "--out", tmp_path / "q", "--json"
        )
    )
    assert found["images"] == 4 and found["points"][0]["codec"] == "aegan" and found["compared"]


def test_watch_and_diagnose(trained: Path, aegan_cli: Cli) -> None:
    found = told(aegan_cli("watch", trained, "--json"))
    assert found["state"] == "done" and found["step"] == 80 and found["progress"] == 1
    said = aegan_cli("watch", trained, "--once")
    assert said.code == 0 and "done" in said.out and "step 80" in said.out
    assert isinstance(told(aegan_cli("diagnose", trained, "--json"))["findings"], list)


def test_export(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    (found,) = told(aegan_cli("export", trained, "--hub", tmp_path / "hub", "--json"))["exports"]
    assert found["wrote"] == str(tmp_path / "hub") and "README.md" in found["files"]


@pytest.mark.usefixtures("trials_here")
def test_compare_and_benchmark(points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    short = ("--strategies", "gan", "--seeds", 1, "--steps", 4, "--json")
    found = told(aegan_cli("compare", points, *short, "--count", 64, "--out", tmp_path / "c"))
    assert found["complete"] and list(found["strategies"]) == ["gan"]
    assert Path(found["written"]["page"]).is_file()
    found = told(aegan_cli("benchmark", "ring", *short, "--no-published", "--out", tmp_path / "b"))
    assert Path(found["written"]["table"]).is_file() and found["rows"]


def test_a_mistake_leaves_stdout_empty(tmp_path: Path, aegan_cli: Cli) -> None:
    for command in (("check", tmp_path / "none", "--json"), ("evaluate", tmp_path / "none", "--json")):
        said = aegan_cli(*command)
        said.refused()
        assert said.out == ""
