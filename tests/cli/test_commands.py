"""Each command does what its help says."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import aegan
from aegan.cli.main import COMMANDS
from aegan.config import used_options
from aegan.strategies import strategies

Cli = Callable[..., Any]


# --- help -------------------------------------------------------------------------------------------------------------


def test_the_commands(aegan_cli: Cli) -> None:
    said = aegan_cli("--help")
    assert said.code == 0
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", said.out), name
    assert "aegan train photos/ --minutes 3" in said.out


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_an_example(name: str, flag: str, aegan_cli: Cli) -> None:
    said = aegan_cli(name, flag)
    assert said.code == 0 and said.err == ""
    assert f"Example: aegan {'train' if name == 'presets' else name}" in said.out
    assert "Usage: aegan" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_can_be_typed(name: str) -> None:
    """Its options are options of the command."""
    from importlib import import_module

    from typer.main import get_command

    from aegan.cli.main import app

    words = import_module(f"aegan.cli.{name.replace('-', '_')}").EXAMPLE.removeprefix("Example: aegan ").split()
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    known = {o for p in command.params for o in p.opts}
    assert {w for w in words if w.startswith("--")} <= known


@pytest.mark.parametrize("name", ["train", "sample", "reconstruct", "encode", "interpolate", "evaluate"])
def test_long_work_takes_a_device(name: str, aegan_cli: Cli) -> None:
    assert "--device" in aegan_cli(name, "--help").out


def test_every_option_of_a_run_is_a_flag(aegan_cli: Cli) -> None:
    import dataclasses

    from aegan.config import RunConfig

    out = aegan_cli("train", "--help").out
    for f in dataclasses.fields(RunConfig):
        if f.name != "data":
            assert "--" + f.name.replace("_", "-")[:18] in out, f.name


def test_no_arguments_shows_help(aegan_cli: Cli) -> None:
    said = aegan_cli()
    assert "Usage: aegan" in said.out + said.err


def test_version(aegan_cli: Cli) -> None:
    assert aegan_cli("--version").out.strip() == f"aegan {aegan.__version__}"


# --- train ------------------------------------------------------------------------------------------------------------


def test_train_from_start_to_report(points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out = tmp_path / "run"
    said = aegan_cli("train", points, "--strategy", "autoencoder", "--steps", 20, "--out", out, "--set", "width=8")
    assert said.code == 0, said.err
    assert {p.name for p in out.iterdir()} >= {
        "config.yaml", "log.jsonl", "samples", "checkpoints", "model", "evaluation.json", "report.html",
    }  # fmt: skip
    assert "report.html" in said.err and "model" in said.err
    assert "compress" in said.err and "fit" in said.err
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["run"]["preset"] == "toy" and config["options"]["width"] == 8 and config["options"]["lr"] == 1e-3
    assert json.loads((out / "evaluation.json").read_text())["figures"]
    assert not list(out.rglob("*.part"))


def test_train_with_every_kind_of_option(folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out = tmp_path / "run"
    said = aegan_cli(
        "train", folder, "--strategy", "vae", "--steps", 4, "--out", out, "--size", 24, "--seed", 5, "--preset", "64",
        "--batch-size", 16, "--precision", "bf16", "--no-classes", "--no-evaluate", "--device", "cpu", "--set", "width=8",
        "--set", "components=1,2", "--set", "prior=normal", "--checkpoint-every", 0.01,
    )  # fmt: skip
    assert said.code == 0, said.err
    config = yaml.safe_load((out / "config.yaml").read_text())
    run, options = config["run"], config["options"]
    assert (run["size"], run["seed"], run["preset"], run["precision"], run["classes"]) == (24, 5, "64", "bf16", False)
    assert (options["batch_size"], options["components"], options["prior"]) == (16, [1, 2], "normal")
    model = aegan.load(out)
    assert model.spec.shape == (3, 24, 24) and model.spec.classes == ()


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = aegan_cli("train", folder, "--dry-run", "--set", "width=16", "--size", 16)
    assert said.code == 0, said.err
    for word in ("shapes", "latent", "compress", "sharpen", "width = 16", "weights"):
        assert word in said.out, word
    assert list(tmp_path.iterdir()) == []


def test_options_without_effect(folder: Path, aegan_cli: Cli) -> None:
    """One that a strategy has from its bases and does not use is not shown, and setting it is answered by a line."""
    assert "n_critic" not in aegan_cli("strategies", "wae-gan").out
    said = aegan_cli("train", folder, "--dry-run", "--size", 16, "--strategy", "wae-gan", "--set", "n_critic=5")
    assert said.code == 0 and "n_critic has no effect with wae-gan" in said.err + said.out
    assert "n_critic =" not in said.out
    plain = aegan_cli("train", folder, "--dry-run", "--size", 16, "--strategy", "wae-gan")
    assert "no effect" not in plain.err + plain.out


def test_dry_run_of_a_repeated_run(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("train", "--config", trained / "config.yaml", "--dry-run", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert "width = 16" in said.out, "the options of the run, not the preset's"
    assert not (tmp_path / "run").exists()


def test_the_built_in_default(aegan_cli: Cli, tmp_path: Path) -> None:
    said = aegan_cli("train", "--dry-run", "--out", tmp_path / "run")
    assert said.code == 0 and "fashion" in said.out and "10000 to train on" in said.out.replace(",", "")


OTHER_SEED = 1_000_003  # than any that AEGAN_TEST_SEED gives the run


@pytest.mark.parametrize("flag", [("--seed", OTHER_SEED), ("--steps", 9), ("--set", "lr=1"), ("--minutes", 1)])
def test_a_resumed_or_repeated_run_keeps_its_settings(
    flag: tuple[str, object], trained_copy: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any
) -> None:
    before = files_of(trained_copy)
    if flag[0] not in ("--steps", "--minutes"):  # which a run that has ended gets on top
        aegan_cli("train", "--resume", "--out", trained_copy, *flag).refused("keeps its settings", flag[0])
    aegan_cli("train", "--config", trained_copy / "config.yaml", "--out", tmp_path / "new", *flag).refused(flag[0])
    assert files_of(trained_copy) == before and not (tmp_path / "new").exists()


def test_resume_needs_to_know_which(aegan_cli: Cli) -> None:
    aegan_cli("train", "--resume").refused("--out RUN")


# --- check ------------------------------------------------------------------------------------------------------------


def test_check(folder: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("check", folder)
    assert said.code == 0
    assert "120" in said.out and "disc" in said.out and "square" in said.out
    found = json.loads(aegan_cli("check", folder, "--json", "--size", 16).out)
    assert isinstance(found, dict) and found


# --- sample -----------------------------------------------------------------------------------------------------------


def test_sample_to_an_array(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out = tmp_path / "new" / "x.npz"
    said = aegan_cli("sample", trained, "--n", 9, "--out", out, "--seed", 4, "--device", "cpu")
    assert said.code == 0 and "wrote 9" in said.out
    with np.load(out) as file:
        assert file.files == ["images"]
        images = file["images"]
    assert images.shape == (9, 16, 16, 3) and images.dtype == np.uint8
    assert np.array_equal(images, aegan.load(trained, "cpu").sample(9, seed=4))


def test_sample_to_pictures(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("sample", trained, "--n", 9, "--out", tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.mode == "RGB" and grid.width > grid.height
    assert aegan_cli("sample", trained, "--n", 11, "--out", tmp_path / "many").code == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [f.name for f in files] == [f"{i:02d}.png" for i in range(11)]
    expected = aegan.load(trained).sample(11)
    with Image.open(files[10]) as last:
        assert np.array_equal(np.asarray(last), expected[10])
    for name in ("grid.jpg", "grid.webp"):
        assert aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / name).code == 0
        with Image.open(tmp_path / name) as grid:
            grid.load()


def test_sample_options(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    def sample(*options: object) -> np.ndarray:
        assert aegan_cli("sample", trained, "--n", 6, "--out", tmp_path / "x.npz", *options).code == 0
        with np.load(tmp_path / "x.npz") as file:
            return np.asarray(file["images"])

    plain = sample()
    assert np.array_equal(plain, sample())
    assert not np.array_equal(plain, sample("--seed", 1))
    assert not np.array_equal(plain, sample("--truncation", 0.5))
    assert np.array_equal(sample("--class", "square"), sample("--class", 1))
    assert not np.array_equal(sample("--class", "square"), sample("--class", "disc"))


def test_sample_vectors(vector_run: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("sample", vector_run, "--n", 50, "--out", tmp_path / "x.npz").code == 0
    with np.load(tmp_path / "x.npz") as file:
        assert file["vectors"].shape == (50, 2)
    assert aegan_cli("sample", vector_run, "--out", tmp_path / "x.png").code == 0
    aegan_cli("sample", vector_run, "--out", tmp_path / "folder").refused("cannot be written as a folder of pictures")


def test_sample_takes_a_model_folder(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("sample", trained / "model", "--n", 2, "--out", tmp_path / "x.npz").code == 0


# --- reconstruct, encode, interpolate ---------------------------------------------------------------------------------


def test_reconstruct(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("reconstruct", trained, folder, "--out", tmp_path / "pairs.png").code == 0
    with Image.open(tmp_path / "pairs.png") as picture:
        assert picture.height > 500, "32 images and their reconstructions, eight in a row"
    assert aegan_cli("reconstruct", trained, folder, "--out", tmp_path / "x.npz").code == 0
    with np.load(tmp_path / "x.npz") as file:
        assert file["images"].shape == (120, 16, 16, 3)
        assert file["names"].tolist() == in_order(folder)


def in_order(folder: Path) -> list[str]:
    """Names of the images of a folder, as they follow each other there."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_reconstruct_to_a_folder_loses_none(trained: Path, make_shapes: Any, tmp_path: Path, aegan_cli: Cli) -> None:
    """cat/1.png and dog/1.png are two images."""
    images, _ = make_shapes(20)
    for i, image in enumerate(images):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    assert aegan_cli("reconstruct", trained, tmp_path / "data", "--out", tmp_path / "back").code == 0
    assert in_order(tmp_path / "back") == in_order(tmp_path / "data")


def test_encode(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("encode", trained, folder, "--out", tmp_path / "codes.npz")
    assert said.code == 0, said.err
    with np.load(tmp_path / "codes.npz") as file:
        codes, names, labels = file["codes"], file["names"], file["labels"]
    assert len(codes) == len(labels) == 120 and names.tolist() == in_order(folder)
    classes = aegan.load(trained).spec.classes
    assert all(classes[label] in name for name, label in zip(names, labels, strict=True))
    i = 7
    with Image.open(folder / names[i]) as picture:
        one = aegan.load(trained).encode(np.asarray(picture)[None])
    assert np.allclose(one[0], codes[i], atol=1e-4), "a name belongs to its code"


def test_rows_of_codes_are_those_of_an_array(vector_run: Path, points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("encode", vector_run, points, "--out", tmp_path / "codes.npz").code == 0
    with np.load(tmp_path / "codes.npz") as file:
        assert file["names"].tolist() == [str(i) for i in range(300)]
        assert np.allclose(file["codes"], aegan.load(vector_run).encode(np.load(points)), atol=1e-5)


def test_encode_other_sizes(trained: Path, make_shapes: Any, tmp_path: Path, aegan_cli: Cli) -> None:
    """Data of another size and another number of channels is brought to the model's."""
    np.save(tmp_path / "x.npy", make_shapes(12, 40, 1)[0])
    assert aegan_cli("encode", trained, tmp_path / "x.npy", "--out", tmp_path / "codes.npz").code == 0


def test_interpolate(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("interpolate", trained, "--rows", 3, "--steps", 5, "--out", tmp_path / "walk.png").code == 0
    assert aegan_cli("interpolate", trained, "--rows", 2, "--steps", 4, "--out", tmp_path / "walk.gif").code == 0
    with Image.open(tmp_path / "walk.gif") as gif:
        assert gif.n_frames == 6, "there and back"  # type: ignore[attr-defined]
    a, b = sorted(folder.rglob("*.png"))[:2]
    ends = ["--from", a, "--to", b, "--steps", 4]
    assert aegan_cli("interpolate", trained, *ends, "--out", tmp_path / "two.gif").code == 0
    assert aegan_cli("interpolate", trained, *ends, "--out", tmp_path / "two.npz").code == 0
    with np.load(tmp_path / "two.npz") as file, Image.open(a) as first:
        back = aegan.load(trained).reconstruct(np.asarray(first)[None])
        assert file["images"].shape == (4, 16, 16, 3)
        assert np.abs(file["images"][0].astype(int) - back[0]).max() <= 1


def test_interpolate_needs_both_ends(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    a = next(folder.rglob("*.png"))
    aegan_cli("interpolate", trained, "--from", a).refused("both ends")
    aegan_cli("interpolate", trained, "--from", a, "--to", tmp_path / "none.png").refused("none.png")


def test_interpolate_vectors(vector_run: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    a = next(folder.rglob("*.png"))
    aegan_cli("interpolate", vector_run, "--from", a, "--to", a).refused("vectors, not images")
    assert aegan_cli("interpolate", vector_run, "--out", tmp_path / "x.npz").code == 0


# --- evaluate, report -------------------------------------------------------------------------------------------------


def test_evaluate_and_report(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("evaluate", trained_copy, "--count", 16, "--reference", 32, "--extractor", "pixels")
    assert said.code == 0, said.err
    result = json.loads((trained_copy / "evaluation.json").read_text())
    assert result["figures"]
    assert str(trained_copy / "report.html") in said.out
    (trained_copy / "report.html").unlink()
    said = aegan_cli("report", trained_copy)
    assert said.code == 0
    page = (trained_copy / "report.html").read_text()
    assert "<html" in page and "data:image/png;base64," in page
    assert not re.search(r'(src|href)="https?://', page), "it must open with no network"
    again = tmp_path / "again <b>"
    shutil.copytree(trained_copy, again)
    said = aegan_cli("report", trained_copy, again, "--out", tmp_path / "page.html")
    assert said.code == 0 and "page.html" in said.out, said.err
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") >= 4 and "again &lt;b&gt;" in page and "<b>" not in page
    assert aegan_cli("report", again, "--out", tmp_path / "page.html").code == 2


def test_report_of_a_run_that_is_not_evaluated(trained_copy: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("report", trained_copy).code == 0
    assert (trained_copy / "report.html").exists()


# --- lists ------------------------------------------------------------------------------------------------------------


def test_strategies(aegan_cli: Cli) -> None:
    out = aegan_cli("strategies").out
    for name, kind in strategies().items():
        assert re.search(rf"^  {name} ", out, re.MULTILINE) and kind.where in out
    assert "images only" in out or all(kind.vectors for kind in strategies().values())
    assert "Which to choose" in out and out.index("its code against a prior") < out.index("nowhere")


@pytest.mark.parametrize("name", sorted(strategies()))
def test_one_strategy(name: str, aegan_cli: Cli) -> None:
    out = aegan_cli("strategies", name).out
    for f in used_options(strategies()[name]):
        assert f.name[:12] in out
    assert strategies()[name].summary.split()[0] in out


def test_presets(aegan_cli: Cli) -> None:
    said = aegan_cli("presets")
    assert said.code == 0
    for word in ("latent", "gan", "toy", "32", "64", "z_dim=2"):
        assert word in said.out


def test_a_pattern_that_the_shell_has_expanded(aegan_cli: Cli) -> None:
    said = aegan_cli("check", *(f"photos/{i:04}.png" for i in range(500)))
    said.refused("unexpected extra argument", "in quotes: 'photos/*.png'", "See: aegan check --help")
    assert len(said.err) < 500


def test_a_dry_run_on_a_device_that_is_none(aegan_cli: Cli) -> None:
    aegan_cli("train", "ring", "--dry-run", "--device", "foo").refused("Device 'foo' cannot be used")


def test_ctrl_c_while_data_are_opened(aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aegan.data.open_data", stopped)
    said = aegan_cli("check", "ring")
    assert said.code == 130 and not said.out and not said.err.strip()


def test_ctrl_c_while_the_commands_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import aegan.cli.main as main

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", stopped)
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(main.__file__))
    assert left.value.code == 130
