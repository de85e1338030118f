"""Strategies on codes of an autoencoder that was trained before: of aegan, and tiny random ones of diffusers."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow import small

import aegan
from aegan.collectives import Share
from aegan.comparison import compare
from aegan.comparison.search import searched
from aegan.comparison.settings import Settings, keep
from aegan.config import RunConfig
from aegan.data import Data, DataSpec, open_data
from aegan.data.loader import Loader, batches
from aegan.engine import Engine
from aegan.engine.codes import give_codes, with_codes
from aegan.engine.memory import split
from aegan.errors import TooLittleMemory, UserError
from aegan.events import Note
from aegan.folders import cache_root
from aegan.migrate import migrated_options
from aegan.runs.begin import _same_space
from aegan.runs.folder import Run
from aegan.runs.reading import RunHistory
from aegan.runs.settings import RunSettings
from aegan.space import OpenedSpace, open_space
from aegan.strategies._space import Space
from aegan.tensor_files import read_tensors

ON_CODES = ["autoencoder", "drifting", "gat", "latent", "latent-flow", "latent-wgan"]
FLAT = {"width": 8, "components": "1,2"}
PLACES = {"width": 8, "code_stride": 4, "code_dim": 4}  # (4, 4, 4) of 16×16


def tiny(kind: str, folder: Path) -> torch.nn.Module:
    """An autoencoder of diffusers with random weights, saved: sides divided by 4 (AutoencoderDC: by 2)."""
    diffusers = pytest.importorskip("diffusers")  # not when tests are collected: it takes two seconds
    torch.manual_seed(1)
    three = (8, 8, 8)
    if kind == "AutoencoderTiny":
        made = diffusers.AutoencoderTiny(
            encoder_block_out_channels=three, decoder_block_out_channels=three, num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
        )  # fmt: skip
    elif kind == "AutoencoderKL":
        made = diffusers.AutoencoderKL(
            block_out_channels=three, down_block_types=("DownEncoderBlock2D",) * 3, norm_num_groups=4,
            up_block_types=("UpDecoderBlock2D",) * 3, layers_per_block=1,
        )  # fmt: skip
    else:
        made = diffusers.AutoencoderDC(
            latent_channels=4, encoder_block_out_channels=(8, 16), decoder_block_out_channels=(8, 16),
            encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), encoder_block_types="ResBlock",
            decoder_block_types="ResBlock", attention_head_dim=8, encoder_qkv_multiscales=((), ()),
            decoder_qkv_multiscales=((), ()),
        )  # fmt: skip
    made.save_pretrained(folder)
    return made.eval()


def use_weights_of(kind: str, folder: Path) -> None:
    tiny(kind, folder.parent / "other")
    shutil.copy(next((folder.parent / "other").glob("*.safetensors")), folder)


@pytest.fixture(scope="module")
def pictures(make_shapes: Callable[..., Any]) -> tuple[np.ndarray, np.ndarray]:
    return make_shapes(60)


@pytest.fixture(scope="module")
def data(pictures: tuple[np.ndarray, np.ndarray]) -> Data:
    images, labels = pictures
    return open_data(images, labels=labels, size=16)


@pytest.fixture(scope="module")
def run(data: Data, pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 'autoencoder' whose codes have places."""
    out = tmp_path_factory.mktemp("space") / "run"
    return aegan.fit(
        pictures[0], size=16, strategy="autoencoder", steps=3, out=out, options=PLACES, progress=False
    ).path


@pytest.fixture(scope="module")
def opened(run: Path) -> OpenedSpace:
    return open_space(str(run))


@pytest.fixture
def engine(data: Data, opened: OpenedSpace, tmp_path: Path) -> Callable[..., Engine]:
    def make(name: str, folder: str = "run", **config: Any) -> Engine:
        def give(networks: Any, spec: DataSpec) -> dict[str, Any]:
            opened.give(networks)
            return {}

        chosen = small(name, levels=2, play_blocks=2, play_width=16, space=opened.space.text)
        settings = RunConfig(**{"steps": 6, "device": "cpu", "precision": "fp32", "checkpoint_every": 1e9, **config})
        return Engine(chosen, data, settings, tmp_path / folder, initial=give)

    return make


@pytest.mark.parametrize("name", ON_CODES)
def test_the_encoder_is_held_and_so_is_the_decoder_but_for_sharpening(
    name: str, engine: Any, opened: OpenedSpace, data: Data
) -> None:
    made = engine(name)
    assert "compress" not in [stage.name for stage in made.stages]
    nets = made.run().networks
    for side in ("E", "G"):
        same = all(torch.equal(v, opened.tensors[f"{side}/{k}"]) for k, v in nets[side].state_dict().items())
        assert same == (side == "E" or name != "latent")
    x = made.strategy.sample(nets, 3, None, 1.0, torch.Generator().manual_seed(0))
    assert x.shape == (3, *data.spec.shape) and x.isfinite().all()


def test_codes_are_made_once_and_again_where_damaged(data: Data) -> None:
    asked: list[int] = []

    def encode(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return 2 * x[:, :, ::4, ::4]

    def made(mirror: bool, encoder: str = "a test") -> np.ndarray:
        asked.clear()
        found = with_codes(data, encode, encoder=encoder, mirror=mirror, device=torch.device("cpu")).train.codes
        assert found is not None
        return found

    count = len(data.train)
    codes = made(False).copy()
    assert codes.shape == (1, count, 3, 4, 4) and sum(asked) == count
    assert (made(False) == codes).all() and not asked
    both = made(True)
    assert both.shape == (2, count, 3, 4, 4) and sum(asked) == 2 * count
    assert (both[0] == codes[0]).all() and not (both[1] == both[0]).all()
    assert made(False, "another").shape == codes.shape and sum(asked) == count
    shutil.rmtree(cache_root() / "codes")
    assert (made(False) == codes).all() and sum(asked) == count
    (file,) = (p for p in (cache_root() / "codes").rglob("codes.npy") if np.array_equal(np.load(p), codes))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert (made(False) == codes).all() and sum(asked) == count


def test_codes_are_made_in_smaller_pieces_where_memory_runs_out(data: Data) -> None:
    def encode(x: torch.Tensor, most: int = 8) -> torch.Tensor:
        if len(x) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return x.flatten(1)

    cpu = torch.device("cpu")
    coded = with_codes(data, encode, encoder="little memory", mirror=True, device=cpu).train.codes
    wanted = with_codes(data, lambda x: x.flatten(1), encoder="enough", mirror=True, device=cpu).train.codes
    assert coded is not None and wanted is not None and np.array_equal(coded, wanted)
    with pytest.raises(TooLittleMemory, match="an image was encoded"):
        with_codes(data, lambda x: encode(x, 0), encoder="none", mirror=True, device=cpu)


def test_the_same_weights_in_another_network_have_codes_of_their_own(opened: OpenedSpace) -> None:
    other = dataclasses.replace(opened.space, config={**opened.space.config, "classes": ["a"]})
    assert small("latent", space=other.text).fixed_codes != small("latent", space=opened.space.text).fixed_codes


def test_batches_carry_the_codes_of_what_they_show(data: Data) -> None:
    def encode(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)

    coded = with_codes(data, encode, encoder="identity", mirror=True, device=torch.device("cpu"))
    loader = Loader(coded.train, 16, flip=True)
    for _ in range(5):
        batch = loader.next()
        assert batch.z is not None and torch.equal(batch.z, encode(batch.x))
    whole, half = Loader(coded.train, 16, flip=True), Loader(coded.train, 16, flip=True, share=Share(1, 2))
    z, mine = whole.next().z, half.next()
    assert z is not None and mine.z is not None and len(mine.z) == 8 and torch.equal(mine.z, encode(mine.x))
    pieces = split(batch, 3)
    assert all(p.z is not None and torch.equal(p.z, encode(p.x)) for p in pieces)
    for batch in batches(coded.train, 7):
        assert batch.z is not None and torch.equal(batch.z, encode(batch.x))
    assert all(batch.z is None for batch in batches(coded.held_out, 7))


def test_no_training_image_is_encoded_while_training(engine: Any, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    made = engine("latent-flow")
    give_codes(made)
    real = made.networks["E"].forward

    def held_out_alone(x: torch.Tensor) -> torch.Tensor:
        assert len(x) == len(data.held_out) < made.strategy.batch_size
        return real(x)

    monkeypatch.setattr(made.networks["E"], "forward", held_out_alone)
    assert made.run().steps == 6


@pytest.mark.parametrize("name", ["latent", "drifting"])
def test_stopped_and_resumed_without_the_kept_codes(
    name: str, engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = engine(name, "whole", mirror=True).run()
    first = engine(name, "stopped", mirror=True)
    real = Loader.next
    left = [4]

    def counted(self: Loader) -> Any:
        left[0] -= 1
        if left[0] == 0:
            first.stop.signum = 15
        return real(self)

    monkeypatch.setattr(Loader, "next", counted)
    with pytest.raises(aegan.signals.Interrupted):
        first.run()
    monkeypatch.setattr(Loader, "next", real)
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "empty"))
    second = engine(name, "stopped", mirror=True)
    second.initial = None
    resumed = second.run(resume=True)
    for k, net in whole.networks.items():
        for key, v in net.state_dict().items():
            assert torch.equal(v, resumed.networks[k].state_dict()[key]), (k, key)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["AutoencoderTiny", "AutoencoderKL", "AutoencoderDC"])
def test_an_autoencoder_of_diffusers_gives_its_own_codes_and_images(kind: str, channels: int, tmp_path: Path) -> None:
    model = tiny(kind, tmp_path / "vae")  # in a pipeline's folder
    found = open_space(str(tmp_path))
    spec = DataSpec((channels, 16, 24))
    E, G = found.space.build(spec)
    found.give({"E": E, "G": G})
    x = torch.rand(2, *spec.shape) * 2 - 1
    with torch.no_grad():
        z, encoded = E(x), model.encode(x.expand(-1, 3, -1, -1), return_dict=False)[0]
        wanted = encoded.mode() if kind == "AutoencoderKL" else encoded
        assert torch.equal(z, wanted) and tuple(z.shape[1:]) == found.space.code(spec)
        back = model.decode(z, return_dict=False)[0]
        assert torch.equal(G(z), back if channels == 3 else back.mean(1, keepdim=True))
    assert E.train().training is False
    assert Space.parse(found.space.text) == found.space


def test_a_run_in_a_space_of_diffusers_from_beginning_to_end(tmp_path: Path, folder: Path, aegan_cli: Any) -> None:
    tiny("AutoencoderTiny", tmp_path / "vae")
    out = tmp_path / "run"
    arguments = (
        "train", folder, "--strategy", "latent-flow", "--space", tmp_path / "vae", "--steps", 4, "--out", out,
        "--no-evaluate", "--set", "flow_width=16",
    )  # fmt: skip
    shown = aegan_cli(*arguments, "--dry-run")
    assert shown.code == 0 and "AutoencoderTiny" not in shown.out  # a line for each option, not a page
    assert aegan_cli(*arguments).code == 0
    again = aegan_cli("train", "--config", out / "config.yaml", "--out", tmp_path / "again", "--no-evaluate")
    assert again.code == 0
    a, b = (read_tensors(path / "model" / "model.safetensors")[0] for path in (out, tmp_path / "again"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)

    config = json.loads((tmp_path / "vae" / "config.json").read_text())
    shutil.rmtree(tmp_path / "vae")  # the model has all of it
    model = aegan.load(out)
    images = model.sample(3)
    assert images.shape == (3, 16, 16, 3) and model.encode(images).shape == (3, config["latent_channels"], 4, 4)
    assert model.reconstruct(images).shape == images.shape
    assert aegan_cli("train", "--resume", "--out", out, "--steps", 2, "--no-evaluate").code == 0

    tiny("AutoencoderKL", tmp_path / "vae")
    other = aegan_cli("train", "--config", out / "config.yaml", "--out", tmp_path / "third")
    assert other.code == 2 and "no longer what this run began with" in other.err


@pytest.mark.slow
def test_a_space_of_diffusers_is_exported(tmp_path: Path, pictures: Any, aegan_cli: Any) -> None:
    tiny("AutoencoderTiny", tmp_path / "vae")
    out = tmp_path / "run"
    aegan.fit(pictures[0], size=16, strategy="latent", space=tmp_path / "vae", steps=2, out=out, progress=False)
    done = aegan_cli("export", out, "--onnx", tmp_path / "onnx")
    assert done.code == 0 and "encoder, decoder, generator" in done.out


def test_a_comparison_in_a_space(run: Path, pictures: Any, tmp_path: Path, trials_here: None) -> None:
    found = compare(
        pictures[0], ["latent-flow", "gan"], out=tmp_path / "c", seeds=1, steps=2, size=16, space=run, count=64,
        extractor="pixels", options={"": {"width": 8, "flow_width": 16, "critic_width": 8}}, progress=False,
    )  # fmt: skip
    assert [t.status for t in found.trials] == ["finished"] * 2
    flow, gan = (Run(found.folder / t.folder).config for t in found.trials)
    assert flow.run.space == str(run) and flow.options["space"] and gan.run.space is None
    with pytest.raises(UserError, match="cannot work in a space"):
        compare(pictures[0], ["vae", "gan"], out=tmp_path / "d", steps=2, size=16, space=run, progress=False)


def test_a_comparison_does_not_go_on_in_another_space(tmp_path: Path) -> None:
    settings = Settings(data="fashion", strategies=("latent",), steps=2, space="runs/a")
    assert keep(settings, "data", tmp_path, "weights") == keep(settings, "data", tmp_path, "weights")
    with pytest.raises(UserError, match="another weights in --space"):
        keep(settings, "data", tmp_path, "others")


def test_what_no_stage_trains_is_not_searched(opened: OpenedSpace) -> None:
    assert set(searched("autoencoder", {})) and not searched("autoencoder", {"space": opened.space.text})
    assert set(searched("drifting", {"space": opened.space.text})) == {"lr_drift"}


def test_equal_weights_are_the_same_space_however_described(run: Path, opened: OpenedSpace, tmp_path: Path) -> None:
    space = opened.space
    described = dataclasses.replace(space, config={**space.config, "aegan": "0.0.1"})
    settings = RunSettings(RunConfig(space=str(run), out=str(tmp_path)), {"space": described.text})
    assert _same_space(settings).space == space
    with pytest.raises(UserError, match="no longer what this run began with"):
        _same_space(dataclasses.replace(settings, options={"space": dataclasses.replace(space, weights="0").text}))


def test_options_of_a_space_that_were_renamed_since(opened: OpenedSpace) -> None:
    config = {**opened.space.config, "strategy": "latent", "aegan": "0.0.1", "options": {"trips": 1}}
    old = dataclasses.replace(opened.space, config=config).text
    _, options = migrated_options("latent-flow", {"space": old}, "a model", "0.0.1")
    found = Space.parse(options["space"]).config
    assert found["options"]["walkback_steps"] == 1 and "trips" not in found["options"]


def test_an_autoencoder_alone_has_nothing_to_train(run: Path, pictures: Any, tmp_path: Path) -> None:
    done = aegan.fit(
        pictures[0], size=16, strategy="autoencoder", space=run, steps=5, out=tmp_path / "a", progress=False
    )
    assert done.model.sample(2).shape == (2, 16, 16, 3)
    more = aegan.fit(pictures[0], resume=True, steps=5, out=tmp_path / "a", progress=False)
    assert [event.stage for event in RunHistory(more.log).events(Note)] == ["fit", "fit-2"]


@pytest.mark.parametrize(
    ("spoil", "message", "fix"),
    [
        (lambda p: p.rename(p.parent / "gone"), "there is no such folder", "the folder of an autoencoder"),
        (lambda p: (p / "config.json").unlink(), "holds no model", "Give a run"),
        (lambda p: (p / "config.json").write_text("{"), "neither aegan's nor of diffusers", "Give a run"),
        (lambda p: (p / "config.json").write_text('{"_class_name": "UNet2DModel"}'), "UNet2DModel is no auto", "KL"),
        (lambda p: next(p.glob("*.safetensors")).rename(p / "weights.bin"), "not read", "save_pretrained"),
        (lambda p: next(p.glob("*.safetensors")).write_bytes(b"no"), "diffusers cannot read it", "Give a run"),
        (lambda p: use_weights_of("AutoencoderKL", p), "not those of its config.json", "Give a run"),
    ],
)
def test_what_is_no_space_is_refused(spoil: Any, message: str, fix: str, tmp_path: Path) -> None:
    tiny("AutoencoderTiny", tmp_path / "vae")
    spoil(tmp_path / "vae")
    with pytest.raises(UserError, match=message) as refused:
        open_space(str(tmp_path / "vae"))
    assert fix in str(refused.value.fix)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "gan"}, "cannot work in a space"),
        ({"transparent": True}, "grey or colour"),
        ({"options": {"space": "{}"}, "space": None}, "set by --space alone"),
        ({"strategy": "gat", "of": "flat"}, "with places"),
        ({"of": "ours", "size": 24}, "--size 16x16"),
        ({"of": "vae"}, "need more than E and G"),
        ({"of": "gan"}, "has no encoder"),
        ({"of": "ours", "grey": True}, "colour images without --grey"),
        ({"of": "points"}, "Take one of images"),
    ],
)
def test_what_does_not_fit_a_space_is_refused(
    arguments: dict[str, Any], message: str, run: Path, pictures: Any, tmp_path: Path
) -> None:
    of = arguments.pop("of", "diffusers")
    where = {"ours": run, "diffusers": tmp_path / "space"}.get(of, tmp_path / "of" / "model")
    if of == "diffusers":
        tiny("AutoencoderTiny", where)
    elif of != "ours":
        kinds = {"flat": "autoencoder", "vae": "vqgan", "gan": "gan", "points": "autoencoder"}
        options = FLAT if of in ("flat", "points") else {"width": 8}
        items, size = (np.random.default_rng(0).normal(size=(80, 2)), None) if of == "points" else (pictures[0], 16)
        aegan.fit(items, size=size, strategy=kinds[of], steps=2, out=where.parent, options=options, progress=False)
    given = {"size": 16, "space": where, "steps": 2, "progress": False, **arguments}
    with pytest.raises(UserError) as refused:
        aegan.fit(pictures[0], out=tmp_path / "run", **given)
    assert message in f"{refused.value} {refused.value.fix}"


def test_sides_that_do_not_fit_and_vectors(tmp_path: Path) -> None:
    tiny("AutoencoderKL", tmp_path)
    space = open_space(str(tmp_path)).space
    with pytest.raises(UserError, match="do not fit this AutoencoderKL"):
        space.code(DataSpec((3, 18, 18)))
    with pytest.raises(UserError, match="images alone"):
        space.code(DataSpec((2,)))


def test_without_diffusers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny("AutoencoderTiny", tmp_path)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UserError, match="missing") as refused:
        open_space(str(tmp_path))
    assert refused.value.fix == 'pip install "aegan[diffusers]"'


def test_one_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny("AutoencoderTiny", tmp_path / "there")
    hub = pytest.importorskip("huggingface_hub")
    asked: dict[str, Any] = {}

    def snapshot(repo: str, **how: Any) -> str:
        asked.update(how, repo=repo)
        return str(tmp_path / "there")

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert open_space("someone/taesd").space.kind == "AutoencoderTiny"
    assert asked["repo"] == "someone/taesd" and not any(
        p.endswith((".bin", ".pt", "*")) for p in asked["allow_patterns"]
    )


def test_the_text_of_a_space_is_plain(opened: OpenedSpace) -> None:
    plain = json.loads(opened.space.text)
    assert plain == dataclasses.asdict(opened.space) and plain["kind"] == "aegan"
