"""On a GPU: every strategy in every precision, resuming, memory, and models that leave the GPU again."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow import small

import aegan
from aegan.data import Data
from aegan.engine.device import pick_precision
from aegan.engine.loop import Interrupted
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.model import Model
from aegan.strategies import strategies, strategy

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: run `pytest tests/engine/test_gpu.py` on a machine that has one"
)


@pytest.fixture
def repeatable() -> Iterator[None]:
    """cuDNN's repeatable algorithms, which it does not choose by itself."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = before


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", sorted(strategies()))
def test_it_trains_in_every_precision(
    name: str, precision: str, pictures: Data, make_engine: Any, tmp_path: Path
) -> None:
    """On pictures, so that convolutions run; every loss stays finite, and so do the weights.

    Norms of gradients may be infinite in fp16 at first: the scaler then takes a smaller factor, and the step is not taken.
    """
    engine = make_engine(small(name), pictures, device="cuda", precision=precision)
    networks = engine.run().networks
    lines = [line for line in read_log(tmp_path / "run" / "log.jsonl") if "terms" in line]
    assert lines
    losses = {k: v for line in lines for k, v in line["terms"].items() if "|grad|" not in k}
    assert all(isinstance(v, float) and math.isfinite(v) for v in losses.values()), losses
    tensors = [t for net in networks.values() for t in net.state_dict().values()]
    assert any(t.is_cuda for t in tensors)
    assert all(t.isfinite().all() for t in tensors if t.is_floating_point())


@pytest.mark.parametrize("name", sorted(strategies()))
def test_stopped_and_resumed(
    name: str, repeatable: None, pictures: Data, vectors: Data, make_engine: Any, weights_of: Any, stop_after: Any
) -> None:
    data = vectors if strategy(name).vectors else pictures
    whole = weights_of(make_engine(small(name), data, "whole", device="cuda").run())
    stop_after(5)
    with pytest.raises(Interrupted):
        make_engine(small(name), data, device="cuda").run()
    stop_after(None)
    resumed = weights_of(make_engine(small(name), data, device="cuda").run(resume=True))
    differ = [k for k in whole if not torch.equal(whole[k], resumed[k])]
    if differ:  # the gradient of a bilinear enlargement, for one, has no repeatable algorithm in CUDA
        again = weights_of(make_engine(small(name), data, "again", device="cuda").run())
        if any(not torch.equal(whole[k], again[k]) for k in whole):
            pytest.skip("two whole runs differ, too")
    assert not differ, differ


def test_a_model_leaves_the_gpu(trained: Path) -> None:
    """The same codes, and pixels that differ by rounding alone, on the processor."""
    there, here = aegan.load(trained, device="cuda"), aegan.load(trained, device="cpu")
    assert isinstance(there, Model) and there.device.type == "cuda"
    items = there.sample(16, seed=3)
    assert items.dtype == np.uint8
    np.testing.assert_allclose(there.encode(items), here.encode(items), rtol=1e-3, atol=1e-3)
    codes = here.encode(items)
    assert np.abs(there.decode(codes).astype(int) - here.decode(codes)).max() <= 1
    # sampled in 16 bits where a device gains from them, by the same random numbers
    assert np.abs(items.astype(int) - here.sample(16, seed=3)).mean() < 2


def test_trained_on_the_gpu_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aegan", "train", str(folder), "--steps", "30", "--size", "16", "--out",
               str(tmp_path / "run"), "--set", "width=8", "--logger", "none"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    begins = next(line for line in read_log(tmp_path / "run" / "log.jsonl") if line.get("event") == "start")
    assert begins["gpu"] == torch.cuda.get_device_name()
    assert begins["precision"] == pick_precision("auto", torch.device("cuda"))


def test_features_are_those_of_the_processor() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    from aegan.metrics import extractor

    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    there, here = extractor("lite0", device="cuda")(images), extractor("lite0", device="cpu")(images)
    error = np.linalg.norm(np.asarray(there) - np.asarray(here)) / np.linalg.norm(np.asarray(here))
    assert error < 1e-3


def test_memory_that_runs_out_halves_the_batch(make_shapes: Any, tmp_path: Path) -> None:
    """In a process of its own: how much of the GPU a process may take cannot be taken back."""
    code = f"""
import numpy as np, torch, aegan
torch.cuda.set_per_process_memory_fraction(0.4 * 2**30 / torch.cuda.get_device_properties(0).total_memory)
images = np.random.default_rng(0).integers(0, 256, (1024, 64, 64, 3), np.uint8)
aegan.fit(images, strategy="autoencoder", out={str(tmp_path / "run")!r}, steps=4, batch_size=768, device="cuda",
          precision="fp32", progress=False)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert [line["event"] for line in log if line.get("event") == "memory"]


def test_one_process_that_torchrun_has_started(folder: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "1", "-m", "aegan", "train", folder),
        *("--steps", "12", "--size", "16", "--set", "width=8", "--no-evaluate", "--out", tmp_path / "run"),
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert len(aegan.load(tmp_path / "run").sample(2)) == 2


def test_more_processes_than_gpus(pictures: Data, tmp_path: Path, aegan_cli: Any, folder: Path) -> None:
    many = torch.cuda.device_count() + 1
    said = aegan_cli("train", folder, "--devices", many, "--device", "cuda", "--out", tmp_path / "run")
    said.refused(f"for {many} processes")


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UserError, match="cannot be used"):
        aegan.fit(
            np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32),
            device=f"cuda:{torch.cuda.device_count()}",
            steps=1,
        )
