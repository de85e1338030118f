"""Checkpoints: whole or not at all, the last two kept, damage noticed and passed over."""

from __future__ import annotations

import builtins
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from aegan.data import Data
from aegan.engine.loop import Interrupted
from aegan.engine.stage_state import StageState
from aegan.engine.state import Checkpoints, load_optimizer_state, optimizer_state
from aegan.errors import UserError
from aegan.files import whole_folder, write_atomically
from aegan.strategies import Loss, Phase, Stage, strategy
from aegan.tensor_files import FORMAT, digest, read_tensors, write_tensors

SOME = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor(3),
    "none": torch.zeros(0, 2),
    "half": torch.ones(2).bfloat16(),
}


def test_two_phases_of_one_name_are_refused() -> None:
    networks = {"E": nn.Linear(2, 2), "G": nn.Linear(2, 2)}
    phases = tuple(Phase("same", (name,), lambda *_: Loss({}), 1e-3) for name in networks)
    with pytest.raises(ValueError, match="two phases of one name"):
        StageState.start(Stage("play", 1.0, phases), networks, torch.device("cpu"), "fp32")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, SOME, {"note": {"k": [1, 2]}})
    tensors, meta = read_tensors(path)
    assert meta == {"note": {"k": [1, 2]}}
    assert tensors.keys() == SOME.keys()
    assert all(torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in SOME.items())


def test_the_digest_sees_values_names_shapes_and_types() -> None:
    base = digest({"a": torch.zeros(4)})
    assert base == digest({"a": torch.zeros(4).clone()})
    others = [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4).int()},
        {"a": torch.tensor([0, 0, 0, 1.0])},
    ]
    assert base not in [digest(o) for o in others]


@pytest.mark.parametrize("where", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_write_that_fails_leaves_what_was_there(
    where: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(*{"open": (builtins, "open"), "fsync": (os, "fsync"), "replace": (os, "replace")}[where], fail)
        with pytest.raises(UserError, match=re.escape(str(path))) as error:
            write_atomically(path, b"new")
    if code == errno.ENOSPC:
        assert "disk is full" in str(error.value)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "no part is left"


def test_ctrl_c_while_writing_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for step in (1, 5, 900, 1000):
        kept.save(step, SOME, {"step": step})
    assert [p.name for p in kept.files()] == ["step-000001000.safetensors", "step-000000900.safetensors"]
    _, meta, passed = kept.newest()
    assert meta == {"step": 1000} and passed == []


def test_a_full_disk_leaves_the_old_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoints(tmp_path)
    for step in (1, 2):
        kept.save(step, SOME, {"step": step})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        kept.save(3, SOME, {"step": 3})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000001.safetensors", "step-000000002.safetensors"]
    assert kept.newest()[1] == {"step": 2}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def cut_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def flip_header(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"aegan", b"aegon", 1))


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


DAMAGES = [cut, cut_to_nothing, flip, flip_header, noise]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_passed_over(damage: Callable[[Path], None], tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save(1, SOME, {"step": 1})
    kept.save(2, SOME, {"step": 2})
    damage(kept.files()[0])
    _, meta, passed = kept.newest()
    assert meta == {"step": 1}
    assert len(passed) == 1 and "step-000000002" in passed[0]
    damage(kept.files()[1])
    with pytest.raises(UserError, match="No whole checkpoint is left"):
        kept.newest()


def test_a_newer_format_is_not_taken_for_damage(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save(1, SOME, {})
    kept.save(2, SOME, {})
    path = kept.files()[0]
    raw = path.read_bytes().replace(b'\\"format\\": %d' % FORMAT, b'\\"format\\": %d' % 9, 1)
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"format 9, newer than this aegan knows \(1\)"):
        kept.newest()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="not written by aegan"):
        read_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("damage", DAMAGES)
def test_resume_falls_back_and_says_so(
    damage: Callable[[Path], None], vectors: Data, make_engine: Any, stop_after: Any, stopper: Any, tmp_path: Path,
    weights_of: Any, assert_equal: Any,
) -> None:  # fmt: skip
    chosen = strategy("autoencoder")(width=8, batch_size=16, components=(1,))
    straight = make_engine(chosen, vectors, "straight", checkpoint_every=0.0).run()
    stop_after(8)
    with pytest.raises(Interrupted):
        make_engine(chosen, vectors, checkpoint_every=0.0).run()
    kept = Checkpoints(tmp_path / "run" / "checkpoints")
    assert [p.stem for p in kept.files()] == ["step-000000008", "step-000000007"]
    damage(kept.files()[0])
    outcome = make_engine(chosen, vectors, display=stopper).run(resume=True)
    assert_equal(weights_of(straight), weights_of(outcome))
    (said,) = [s for s in stopper.said if "step-000000008" in s]
    assert "Going on from the checkpoint before it" in said


def test_the_state_of_an_optimiser_goes_through_a_file(tmp_path: Path) -> None:
    """Also moments that lie in memory otherwise than plain rows (channels_last)."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)

    def run(steps: int, stop: int | None) -> nn.Conv2d:
        torch.manual_seed(1)
        net = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, fused=True)
        for i in range(steps):
            if i == stop:
                write_tensors(tmp_path / "o", optimizer_state(optimizer), {})
                optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, fused=True)
                load_optimizer_state(optimizer, read_tensors(tmp_path / "o")[0])
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        return net

    assert torch.equal(run(6, stop=None).weight, run(6, stop=3).weight)


def test_a_header_is_json(tmp_path: Path) -> None:
    from safetensors import safe_open

    write_tensors(tmp_path / "x", SOME, {"k": 1})
    with safe_open(tmp_path / "x", framework="pt") as file:
        header = json.loads(file.metadata()["aegan"])
    assert header["format"] == FORMAT and header["k"] == 1
    assert FORMAT == 1


def test_a_folder_that_is_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in it still stands in it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with whole_folder(Path()) as part:
        (part / "a").write_text("1")
    assert Path("a").read_text() == "1" and [p.name for p in tmp_path.iterdir()] == ["here"]
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "other"):
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["here"]


def test_a_file_is_written_where_folders_cannot_be_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if Path(path) == tmp_path:
            raise PermissionError(path)
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refusing)
    write_atomically(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"
