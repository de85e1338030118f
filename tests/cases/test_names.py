"""Names as other people's files have them: bytes that are no UTF-8, line breaks, quotes, HTML, very long, nearly equal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.names import quoted, safe, shortened

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there is every byte a name")

LATIN = os.fsdecode(b"\xe9t\xe9.png")  # `été.png` as Latin-1 has it
SHOWN = r"\udce9t\udce9"
LONG = "ж" * 125 + "x.png"  # 255 bytes
NAMES = [
    LATIN,
    "line\nbreak.png",
    "=1+1.png",
    'it\'s "quoted".png',
    "<b>bold<b> & more.png",
    "[red]:dog:[/].png",
    LONG,
    "twin.png",
    "TWIN.png",
    " blank ends .png",
]
CLASS = os.fsdecode(b"caf\xe9")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, make_shapes: Callable[..., Any]) -> Path:
    """A folder of such a name, of 40 images in two classes, one of such a name; ten have the names above."""
    root = tmp_path_factory.mktemp("names") / os.fsdecode(b"d\xe9 <i>\n'x'")
    images, labels = make_shapes(40)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / (CLASS, "plain")[label] / (NAMES[i // 2] if i % 2 == 0 and i < 20 else f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            Image.fromarray(image).save(file, "PNG")
    return root


@pytest.fixture(scope="module")
def run(odd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on it, in a folder of such a name, evaluated."""
    import aegan
    from aegan.evaluation import evaluate_run
    from aegan.report import write_report

    out = tmp_path_factory.mktemp("runs") / os.fsdecode(b"r\xfcn [/b] 1")
    options = {"width": 8, "components": "1,2", "critic_width": 8, "play_width": 8, "batch_size": 16}
    made = aegan.fit(odd, strategy="latent", out=out, steps=20, size=16, options=options, device="cpu", progress=False)
    evaluate_run(made, metrics="reconstruction", extractor="pixels", count=64, device="cpu")
    write_report(out)
    return out


# --- the pieces -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, CLASS, "-rf", "a\\b\x07", "$(x)`y`!"])
def test_a_quoted_name_is_the_name_to_a_shell(name: str) -> None:
    said = subprocess.run(["bash", "-c", f"printf %s {quoted(name)}"], capture_output=True, check=True).stdout
    assert os.fsdecode(said).removeprefix("./" if name.startswith("-") else "") == name
    assert quoted(name).isprintable()


def test_a_short_name_stays_and_long_ones_differ() -> None:
    assert shortened("ж" * 100) == "ж" * 100
    a, b = shortened("ж" * 200 + "a"), shortened("ж" * 200 + "b")
    assert a != b and max(len(n.encode()) for n in (a, b)) <= 255 and a.startswith("ж" * 100)


def test_safe_keeps_bytes_and_leads_nowhere_else() -> None:
    assert safe(LATIN) == os.fsdecode(b"\xe9t\xe9") and safe("a/../../b.png") == "a/b" and safe("NUL.png") == "_NUL"
    assert safe("line\nbreak.png") == "line_break"
    assert len(os.fsencode(safe(LONG))) <= 200


# --- files: exact -----------------------------------------------------------------------------------------------------


def names_of(odd: Path) -> set[str]:
    return {str(p.relative_to(odd)) for p in odd.rglob("*.png")}


def test_tables_hold_the_exact_names(run: Path, odd: Path, tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    import csv

    pq = pytest.importorskip("pyarrow.parquet")
    wanted = names_of(odd)
    for suffix in ("csv", "json", "parquet"):
        said = aegan_cli("score", run, odd, "--out", tmp_path / f"t.{suffix}")
        assert said.code == 0, said.err
        said.out.encode()  # what people see has no stray bytes
    with open(tmp_path / "t.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == wanted and {row["label"] for row in rows} == {r"caf\udce9", "plain"}
    assert {row["name"] for row in json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))} == wanted
    table = pq.read_table(tmp_path / "t.parquet").to_pydict()
    assert {os.fsdecode(raw) for raw in table["name_bytes"]} == wanted
    assert set(table["label"]) == {r"caf\udce9", "plain"}


def test_codes_hold_the_exact_names(run: Path, odd: Path, tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / LATIN.replace(".png", "")
    for suffix in ("npz", "parquet"):
        said = aegan_cli("encode", run, odd, "--out", f"{out}.{suffix}")
        assert said.code == 0 and SHOWN in said.out, said.err
    with np.load(f"{out}.npz", allow_pickle=False) as stored:
        assert set(stored["names"].tolist()) == names_of(odd)
        assert set(stored["classes"].tolist()) == {r"caf\udce9", "plain"}
    with open(f"{out}.parquet", "rb") as file:
        table = pq.read_table(file).to_pydict()
    assert {os.fsdecode(raw) for raw in table["name_bytes"]} == names_of(odd)
    assert set(table["class"]) == {r"caf\udce9", "plain"}


def test_names_that_are_utf8_need_no_second_column(trained: Path, folder: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    from aegan.features.tables import write_rows

    write_rows(tmp_path / "t.parquet", {"name": ["ж.png", "line\nbreak.png"], "density": np.zeros(2)})
    table = pq.read_table(tmp_path / "t.parquet").to_pydict()
    assert list(table) == ["name", "density"] and table["name"] == ["ж.png", "line\nbreak.png"]


def test_a_folder_of_pictures_is_named_after_the_files(
    run: Path, odd: Path, tmp_path: Path, aegan_cli: Callable[..., Any]
) -> None:
    out = tmp_path / os.fsdecode(b"out \xe9")
    said = aegan_cli("reconstruct", run, odd, "--out", out)
    assert said.code == 0, said.err
    files = list(out.rglob("*.png"))
    assert len(files) == len(names_of(odd)) == len({str(path).casefold() for path in files})
    assert {p.name for p in out.iterdir()} == {CLASS, "plain"}
    made = {path.name for path in files}
    assert {os.fsdecode(b"\xe9t\xe9.png"), "=1+1.png", "line_break.png", "[red]_dog_[_].png"} - made <= {
        "[red]_dog_[_].png"
    }
    assert not list(tmp_path.glob(".*")), "nothing is left of what was unfinished"


def test_similar_images_are_named(run: Path, odd: Path, tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    image = odd / CLASS / LATIN
    said = aegan_cli("similar", run, image, odd, "--out", tmp_path / "s.png", "--json", tmp_path / "s.json")
    assert said.code == 0, said.err
    first = said.out.splitlines()[0]
    assert first.split()[0] == "0.0000" and SHOWN in first and r"caf\udce9" in first
    rows = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert rows[0]["name"] == f"{CLASS}/{LATIN}"


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_run_on_such_a_folder_is_whole(run: Path, odd: Path, aegan_cli: Callable[..., Any]) -> None:
    import yaml

    page = (run / "report.html").read_text(encoding="utf-8")
    assert r"d\udce9" in page and "<i>" not in page.replace("<i class=", "")
    settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["run"]
    assert settings["data"] == str(odd) and settings["out"] == str(run)
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)
    assert json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["data"]["source"]
    for command in (
        ["train", "--resume", "--out", run],
        ["evaluate", run, "--extractor", "pixels", "--metrics", "reconstruction", "--count", 64],
        ["report", run],
    ):
        said = aegan_cli(*command)
        assert said.code == 0 and "Traceback" not in said.err, said.err


def test_a_class_is_asked_for_by_its_bytes(run: Path, tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    said = aegan_cli("sample", run, "--class", CLASS, "--n", 2, "--out", tmp_path / "a.npz")
    assert said.code == 0, said.err
    aegan_cli("sample", run, "--class", "café", "--n", 2, "--out", tmp_path / "b.npz").refused(r"caf\udce9")


def test_what_is_to_be_typed_can_be_typed(run: Path, odd: Path, aegan_cli: Callable[..., Any]) -> None:
    said = aegan_cli("train", odd, "--steps", 2, "--out", run)
    said.refused("already holds a run")
    command = re.search(r"\((aegan train --resume --out .*)\)", said.err)
    assert command is not None
    typed = subprocess.run(["bash", "-c", f"printf '%s\\0' {command[1]}"], capture_output=True, check=True).stdout
    assert typed.split(b"\0")[-2] == os.fsencode(run)


def test_names_in_mistakes_are_one_line(aegan_cli: Callable[..., Any], tmp_path: Path) -> None:
    for name in (LATIN, "no\nsuch.png", "[/red]", "x" * 300, "x" * 5000):
        said = aegan_cli("check", tmp_path / name)
        said.refused()
        said.err.encode()
    said = aegan_cli("train", "digits", "--steps", 2, "--out", tmp_path / ("x" * 300))
    said.refused("name too long")


def test_a_default_folder_of_a_long_name_is_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.config import RunConfig
    from aegan.runs.folder import run_folder

    monkeypatch.chdir(tmp_path)
    found = run_folder(RunConfig(data="ж" * 127, strategy="two-stage-vae"))
    assert len(found.name.encode()) <= 255 and found.name.endswith("-two-stage-vae")
    assert found.is_dir()


def test_a_file_of_the_longest_name_can_be_written(tmp_path: Path) -> None:
    from aegan.files import write_atomically

    path = tmp_path / ("ж" * 127)
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole" and [p.name for p in tmp_path.iterdir()] == [path.name]


# --- other outputs ----------------------------------------------------------------------------------------------------


def test_the_page_shows_and_takes_such_names(run: Path) -> None:
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    import aegan
    from aegan.runs.folder import Run
    from aegan.serve.app import build_app
    from aegan.serve.following import Following
    from aegan.serve.play import Play

    with open(run / "log.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps({"event": "note", "stage": "x", "step": 0, "left_out": [LATIN]}) + "\n")
    app = build_app(Play(aegan.load(run, "cpu"), Run(run, "cpu")), Following(run), name="x")
    with TestClient(app, base_url="http://localhost") as client:
        about = client.get("/api/model").json()
        assert r"caf\udce9" in about["classes"] and r"d\udce9" in about["data"]
        assert client.get("/api/run").json()["data"] == about["data"]
        assert SHOWN in json.dumps(client.get("/api/run/log").json()["lines"]).replace("\\\\", "\\")
        wish = {"count": 1, "label": r"caf\udce9"}
        code = client.post("/api/samples", json=wish).json()["codes"][0]
        found = client.post("/api/neighbours", json={"code": code, "count": 24}).json()
        assert found["source"] == "training" and any(SHOWN in n["name"] for n in found["neighbours"])


def test_exports_hold_the_classes(run: Path, tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    said = aegan_cli("export", run, "--hub", tmp_path / "hub")
    assert said.code == 0, said.err
    assert r"caf\udce9" in (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    said = aegan_cli("export", run, "--onnx", tmp_path / os.fsdecode(b"\xe9"))
    assert said.code == 0, said.err
    described = json.loads((tmp_path / os.fsdecode(b"\xe9") / "model.json").read_text(encoding="utf-8"))
    assert r"caf\udce9" in described["classes"]


def test_the_codec_gives_the_names_back(
    odd: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, aegan_cli: Callable[..., Any]
) -> None:
    pytest.importorskip("constriction")
    out = tmp_path / "codec"
    said = aegan_cli("train", odd, "--strategy", "codec", "--steps", 6, "--size", 16, "--no-evaluate", "--out", out)
    assert said.code == 0, said.err
    packed = tmp_path / f"{shortened('ж' * 200, 250)}.aeg"
    assert aegan_cli("compress", out, odd, "--out", packed, "--lossless").code == 0
    said = aegan_cli("decompress", packed, "--out", tmp_path / "back")
    assert said.code == 0, said.err
    back = {p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*.png")}
    assert len(back) == len(names_of(odd))
    assert Path(CLASS) / LATIN in back
    assert np.array_equal(Image.open(tmp_path / "back" / CLASS / LATIN), Image.open(odd / CLASS / LATIN))


def test_a_logger_that_cannot_have_such_a_name_says_so(
    odd: Path, tmp_path: Path, aegan_cli: Callable[..., Any]
) -> None:
    """TensorBoard's files have names in UTF-8 alone; the training is not lost for it."""
    pytest.importorskip("tensorboard")
    out = tmp_path / CLASS
    said = aegan_cli(
        "train", odd, "--strategy", "autoencoder", "--steps", 4, "--size", 16, "--no-evaluate", "--out", out,
        "--logger", "tensorboard", "--set", "width=8",
    )  # fmt: skip
    assert said.code == 0 and (out / "model").is_dir(), said.err
    assert "The logger tensorboard has failed and is off" in said.err


@pytest.mark.parametrize("command", ["score", "encode", "reconstruct"])
def test_a_folder_with_the_name_of_a_built_in(
    command: str, trained: Path, tmp_path: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = () if command == "score" else ("--out", tmp_path / "x.npz")
    more = ("--n", 2) if command == "reconstruct" else ()
    assert "./digits" not in aegan_cli(command, trained, "digits", *out, *more).err
    (tmp_path / "digits").mkdir()
    said = aegan_cli(command, trained, "digits", *out, *more)
    assert said.code == 0 and said.err.count("'digits' is the built-in data set") == 1 and "./digits" in said.err


def test_points_for_a_model_of_images(trained: Path, tmp_path: Path, aegan_cli: Any) -> None:
    said = aegan_cli("encode", trained, "ring", "--out", tmp_path / "x.npz")
    said.refused("'ring' is made of points", "name a source of images")
