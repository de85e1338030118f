"""ONNX files and torch.export programs: read by their own runtimes, equal to the model, whole or not there."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import aegan
from aegan.errors import UserError
from aegan.hub import export as exporting  # type: ignore[attr-defined]
from aegan.hub import export_onnx, export_program, load_program
from aegan.strategies import strategies, strategy

Session = onnxruntime.InferenceSession


@pytest.fixture(scope="session")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run as ONNX. Not to be changed."""
    folder = tmp_path_factory.mktemp("onnx") / "model"
    export_onnx(aegan.load(trained, "cpu"), folder)
    return folder


@pytest.fixture(scope="session")
def programs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run as programs of torch.export. Not to be changed."""
    folder = tmp_path_factory.mktemp("pt2") / "model"
    export_program(aegan.load(trained, "cpu"), folder)
    return folder


def numbers(content: dict[str, Any], n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of a generator by its contract alone."""
    rng = np.random.default_rng(seed)
    made: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
        "noise": lambda s: rng.standard_normal(s, dtype=np.float32),
        "uniform": lambda s: rng.random(s, dtype=np.float32),
        "label": lambda s: np.full(s, -1, np.int64),
        "truncation": lambda s: np.ones(s, np.float32),
    }
    inputs = content["pieces"]["generator"]["inputs"]
    return {k: made[k](tuple(n if side == "N" else side for side in v["shape"])) for k, v in inputs.items()}


def contract(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "model.json").read_text()))


# --- ONNX -------------------------------------------------------------------------------------------------------------


def test_what_is_written(exported: Path) -> None:
    names = sorted(p.name for p in exported.iterdir())
    assert names == ["README.md", "decoder.onnx", "encoder.onnx", "generator.onnx", "model.json"]
    content = contract(exported)
    assert content["opset"] == 20 and content["classes"] == ["disc", "square"]
    assert content["data"]["range"] == [-1, 1] and content["data"]["shape"] == [3, 16, 16]
    assert max(content["agreement"]["largest_difference"].values()) < 1e-4
    generator = content["pieces"]["generator"]
    assert list(generator["inputs"]) == ["noise", "uniform", "label", "truncation"] and generator["labels"] == [0, 1]


def test_the_files_say_the_same_as_the_contract(exported: Path) -> None:
    for name, piece in contract(exported)["pieces"].items():
        session = Session(exported / piece["file"])
        kinds = {"tensor(float)": "float32", "tensor(int64)": "int64"}
        found = {i.name: (i.shape, kinds[i.type]) for i in session.get_inputs()}
        assert found == {k: (v["shape"], v["dtype"]) for k, v in piece["inputs"].items()}, name
        assert [o.name for o in session.get_outputs()] == list(piece["output"])
        inside = json.loads(session.get_modelmeta().custom_metadata_map["aegan"])
        assert inside["strategy"] == "latent" and list(inside["pieces"]) == [name]


def test_codes_and_back(exported: Path, trained: Path, make_shapes: Any) -> None:
    """The whole way that another program goes: pixels, the contract's formulas, pixels."""
    model, (images, _) = aegan.load(trained, "cpu"), make_shapes(5)
    x = (images.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)
    (code,) = Session(exported / "encoder.onnx").run(None, {"x": x})
    assert np.allclose(code, model.encode(images), atol=1e-4)
    (back,) = Session(exported / "decoder.onnx").run(None, {"code": code})
    pixels = np.clip(np.round((back + 1) * 127.5), 0, 255).transpose(0, 2, 3, 1)
    assert np.abs(pixels - model.decode(model.encode(images)).astype(float)).max() <= 1


def test_samples_obey_class_and_truncation(exported: Path, make_shapes: Any) -> None:
    session, inputs = Session(exported / "generator.onnx"), numbers(contract(exported), 64)
    free = session.run(None, inputs)[0]
    discs, squares = (session.run(None, {**inputs, "label": np.full(64, k, np.int64)})[0] for k in (0, 1))
    assert discs.mean() < squares.mean() - 0.02, "discs are dimmer than squares"
    assert discs.mean() < free.mean() < squares.mean()
    tight = session.run(None, {**inputs, "label": np.zeros(64, np.int64), "truncation": np.array(0.05, np.float32)})[0]
    assert tight.std(0).mean() < 0.5 * discs.std(0).mean()


@pytest.mark.parametrize("n", [1, 3, 50])
def test_any_batch(exported: Path, n: int) -> None:
    assert Session(exported / "generator.onnx").run(None, numbers(contract(exported), n))[0].shape == (n, 3, 16, 16)


def test_the_snippet_in_the_readme_runs(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported)
    found = run_snippet(exported)
    assert found["pixels"].shape == (16, 16, 16, 3) and found["pixels"].dtype == np.uint8
    assert len(np.unique(found["pixels"].reshape(16, -1), axis=0)) == 16


def run_snippet(folder: Path) -> dict[str, Any]:
    text = (folder / "README.md").read_text()
    found: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], found)
    return found


def test_vectors_come_back_in_their_units(
    vector_run: Path, points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = aegan.load(vector_run, "cpu")
    content = export_onnx(model, tmp_path / "onnx")
    data = content["data"]
    vectors = np.load(points)[:20]
    x = ((vectors - np.array(data["mean"])) / data["scale"]).astype(np.float32)
    (code,) = Session(tmp_path / "onnx" / "encoder.onnx").run(None, {"x": x})
    assert np.allclose(code, model.encode(vectors), atol=1e-4)
    (back,) = Session(tmp_path / "onnx" / "decoder.onnx").run(None, {"code": code})
    assert np.allclose(back * data["scale"] + np.array(data["mean"]), model.reconstruct(vectors), atol=1e-3)
    monkeypatch.chdir(tmp_path / "onnx")
    made = run_snippet(tmp_path / "onnx")["vectors"]
    assert made.shape == (16, 2) and 0.5 < np.hypot(*made.T).mean() < 6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "grid", "vectors"])
@pytest.mark.parametrize("name", sorted(strategies()))
def test_every_strategy_as_onnx(name: str, kind: str, make_model: Any, tmp_path: Path) -> None:
    if kind == "vectors" and not strategy(name).vectors:
        pytest.skip("images only")
    content = export_onnx(make_model(name, kind), tmp_path / "onnx")
    assert content["pieces"] and max(content["agreement"]["largest_difference"].values()) < 1e-4


# --- torch.export -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(strategies()))
def test_every_strategy_as_a_program(name: str, make_model: Any, tmp_path: Path) -> None:
    content = export_program(make_model(name), tmp_path / "pt2")
    assert content["pieces"] and max(content["agreement"]["largest_difference"].values()) < 1e-4


def test_programs(programs: Path, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(p.suffix for p in programs.iterdir()) == [".json", ".md", ".pt2", ".pt2", ".pt2"]
    inputs = numbers(contract(programs), 5)
    generator = torch.export.load(programs / "generator.pt2").module()
    made = generator(**{k: torch.from_numpy(np.asarray(v)) for k, v in inputs.items()})
    assert np.allclose(made, Session(exported / "generator.onnx").run(None, inputs)[0], atol=1e-4)
    monkeypatch.chdir(programs)
    assert run_snippet(programs)["pixels"].shape == (16, 16, 16, 3)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "entry",
    [
        "data/sample_inputs/model.pt",
        "DATA/SAMPLE_INPUTS/MODEL.PT",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0",
        "data/aotinductor/model.so",
    ],
)
def test_a_program_that_would_execute_something(programs: Path, tmp_path: Path, entry: str) -> None:
    path = tmp_path / "evil.pt2"
    with zipfile.ZipFile(programs / "decoder.pt2") as source, zipfile.ZipFile(path, "w") as target:
        for item in source.namelist():
            if not item.endswith(entry.lower()):
                target.writestr(item, source.read(item))
        target.writestr(f"decoder/{entry}", pickle.dumps(Evil()))
    with pytest.raises(UserError, match="could execute anything"):
        load_program(path)


def test_pickled_weights_are_refused(programs: Path, tmp_path: Path) -> None:
    path = tmp_path / "evil.pt2"
    with zipfile.ZipFile(programs / "decoder.pt2") as source, zipfile.ZipFile(path, "w") as target:
        for item in source.namelist():
            raw = source.read(item)
            target.writestr(item, raw.replace(b'"use_pickle": false', b'"use_pickle": true', 1))
    with pytest.raises(UserError, match="could execute anything"):
        load_program(path)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -30])
def test_a_damaged_program(programs: Path, tmp_path: Path, keep: float) -> None:
    raw = (programs / "decoder.pt2").read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(raw[: int(keep * len(raw)) if isinstance(keep, float) else keep])
    with pytest.raises(UserError, match="damaged"):
        load_program(path)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_difference_is_refused(make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="The exported generator differs from the model by"):
        export_program(make_model("gan", "vectors"), tmp_path / "pt2")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_folder_that_holds_something(make_model: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        export_program(make_model("gan", "vectors"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_package(make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = exporting.importlib.util.find_spec
    monkeypatch.setattr(
        exporting.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    with pytest.raises(UserError, match=r"aegan\[onnx\]"):
        export_onnx(make_model("gan", "vectors"), tmp_path / "onnx")


class Branching(nn.Module):
    """What no graph can hold: Python that depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) if bool(x.sum() > 0) else -self.linear(x)


def test_a_network_that_is_no_graph(points: Path, tmp_path: Path) -> None:
    run = aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "run", steps=4, device="cpu", progress=False,
        options={"width": 8, "components": "1"}, networks={"E": Branching()},
    )  # fmt: skip
    with pytest.raises(UserError, match="The encoder of this model cannot be exported") as error:
        export_program(run.model, tmp_path / "pt2")
    assert "Networks of your own (E) must be graphs" in str(error.value) and not (tmp_path / "pt2").exists()


def test_networks_of_ones_own_that_are_graphs(points: Path, tmp_path: Path) -> None:
    run = aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "run", steps=4, device="cpu", progress=False,
        options={"width": 8, "components": "1"}, networks={"E": nn.Linear(2, 2)},
    )  # fmt: skip
    assert set(export_program(run.model, tmp_path / "pt2")["pieces"]) == {"encoder", "decoder", "generator"}


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command(aegan_cli: Any, vector_run: Path, tmp_path: Path) -> None:
    said = aegan_cli("export", vector_run, "--torch", tmp_path / "pt2", "--hub", tmp_path / "hub")
    assert said.code == 0, said.err
    assert "wrote encoder, decoder, generator to" in said.out and "batches of 1, 2, 7" in said.out
    assert (tmp_path / "pt2" / "generator.pt2").exists() and (tmp_path / "hub" / "README.md").exists()
    shutil.rmtree(tmp_path / "hub")
    aegan_cli("export", vector_run).refused("--onnx DIR")
    aegan_cli("export", vector_run, "--torch", tmp_path / "pt2").refused("not an empty folder")
    aegan_cli("export", tmp_path / "none", "--torch", tmp_path / "new").refused("does not exist")
