"""Several processes train what one process trains: on real processes, connected by gloo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from narrow import NARROW, SHARES
from safetensors.torch import load_file
from torch import Tensor

import aegan
from aegan.collectives import Share, all_gather_rows, all_reduce_mean, computing, replicated_random
from aegan.config import preset_files
from aegan.data.loader import Loader
from aegan.data.spec import Split
from aegan.engine.ranks import Ranks
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.launch import free_port
from aegan.strategies import strategies, strategy

WORKER = Path(__file__).with_name("ranks_worker.py")
OPTIONS = {**NARROW, **SHARES, "entries": 16}
TOLERANCE = 1e-4

# One strategy of each kind of loop, for the fast suite: stages of all kinds with a density of codes, a game, one on features
# of a frozen network, one on codes, noise in the codes, a denoiser. A codebook and labels are in COUPLED. The others train
# in the same loops, and what is theirs alone is their losses: `make test-slow` has every strategy.
KINDS_OF_LOOP = ("latent", "gan", "projected", "aae", "vae", "dfm")
# Options by which a loss looks at more than one example, or draws otherwise than by default: strategy, data, options.
COUPLED: list[tuple[str, str, dict[str, Any]]] = [
    ("gan", "pictures", {"networks": "dcgan", "gamma": 0, "loss": "nonsaturating"}),
    ("gan", "pictures", {"minibatch": 8, "gamma": 0, "loss": "nonsaturating"}),
    ("gan", "vectors", {"networks": "pacgan", "gamma": 0, "pack": 4, "loss": "nonsaturating"}),
    ("gan", "pictures", {"feature_matching": 1.0, "vbn": 4, "history": 0.1}),
    ("latent", "pictures", {"prior": "parzen"}),
    ("vqgan", "pictures", {}),
    ("contrastive", "pictures", {}),
]
# with a hinge under spectral normalisation, at usual rates, rounding alone moves a loss by some 1e-4 in ten steps
CALM = {"lr_generator": 2e-5, "lr_critic": 2e-5}
# gradients by differences of 0.01 magnify rounding, and the rate is for tokens of 768 numbers: with 8 it is 96 times this
# a softmax over distances between codes, sharp at the usual temperatures, magnifies the rounding of the codes
OF = {
    "projected": CALM,
    "gat": {"rate": 1e-6},
    "drifting": {"temperatures": [0.5, 1.0]},
}  # options of a strategy in all jobs
MORE: list[tuple[str, str, dict[str, Any]]] = [
    ("gan", "pictures", {"pack": 2}),
    ("gan", "pictures", {"loss": "wgan-gp"}),
    ("gan", "vectors", {"loss": "wgan", "z_kind": "uniform"}),
    ("gan", "pictures", {"loss": "nonsaturating", "label_smoothing": 0.1}),
    ("vaegan", "pictures", {"equilibrium": 0.68}),
    ("vqgan", "pictures", {"bottleneck": "kl"}),
    ("latent", "pictures", {"prior": "mdn", "mdn_width": 16}),
    ("decoder-init", "vectors", {"prior": "mdn", "mdn_width": 16}),
    ("bigan", "pictures", {"encoder": "stochastic", "loss": "lsgan"}),
    ("rae", "pictures", {"gp": 0.1}),
    # at its usual rate, divided by norms near zero at first, rounding alone moves its loss by some 1e-4 within ten steps
    ("rae", "pictures", {"spectral": True, "lr": 4e-4}),
    ("began", "pictures", {"noise_code": 0.1}),
    ("latent", "pictures", {"perceptual": 1.0}),
    ("latent", "pictures", {"eyes": "lite1+contrastive+pixels", **CALM}),
]


# --- processes --------------------------------------------------------------------------------------------------------


def rank_variables(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun sets."""
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    return {**os.environ, "MASTER_ADDR": "127.0.0.1", **{k: str(v) for k, v in found.items()}}


def in_two(command: list[str], **how: Any) -> list[subprocess.Popen[str]]:
    """The command as two ranks."""
    port = free_port()
    return [subprocess.Popen(command, env=rank_variables(i, 2, port), text=True, **how) for i in range(2)]


@dataclass(frozen=True)
class Trained:
    """What one process (`one`) and two (`two`) made of the same jobs."""

    folder: Path
    jobs: list[dict[str, Any]]

    def lines(self, who: str, name: str) -> list[dict[str, Any]]:
        return [line for line in read_log(self.folder / who / name / "log.jsonl") if "terms" in line]

    def weights(self, who: str, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / who / name / "weights.safetensors")

    def digests(self, rank: int) -> dict[str, str]:
        return dict(json.loads((self.folder / "two" / f"rank-{rank}.json").read_text()))


def train_both(folder: Path, jobs: list[dict[str, Any]]) -> Trained:
    """All jobs by one process and, meanwhile, by two."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, str(WORKER), str(folder / "jobs.json")]
    for who in ("one", "two"):
        (folder / who).mkdir()
    own_cache = {**os.environ, "AEGAN_CACHE": str(folder / "cache")}  # so that the two make codes themselves
    processes = [
        *in_two([*command, str(folder / "two")], stderr=subprocess.PIPE),
        subprocess.Popen([*command, str(folder / "one")], text=True, stderr=subprocess.PIPE, env=own_cache),
    ]
    said = [process.communicate(timeout=1500)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(said)
    return Trained(folder, jobs)


@pytest.fixture(scope="module")
def job_data(tmp_path_factory: pytest.TempPathFactory, make_shapes: Any, make_circle: Any) -> Callable[[str], str]:
    """Files of small data by kind."""
    folder = tmp_path_factory.mktemp("job-data")
    images, labels = make_shapes(100)
    np.savez(folder / "pictures.npz", items=images, labels=labels)
    np.savez(folder / "vectors.npz", items=make_circle(300))
    return lambda kind: str(folder / f"{kind}.npz")


def job(name: str, kind: str, options: dict[str, Any], data: Callable[[str], str], **more: Any) -> dict[str, Any]:
    what = "-".join([name, kind, *(f"{k}={v}" for k, v in options.items())])
    size = 16 if kind == "pictures" else None
    chosen = {**OPTIONS, **options}
    return {"name": what, "strategy": name, "options": chosen, "data": data(kind), "steps": 12, "size": size, **more}


def quick_jobs(names: Iterable[str], data: Callable[[str], str]) -> list[dict[str, Any]]:
    """Each strategy on the kind of data that trains faster; one that looks through a large network has half the steps."""
    kinds = {n: "vectors" if strategy(n).vectors else "pictures" for n in names}
    return [job(n, k, OF.get(n, {}), data, steps=6 if n == "projected" else 12) for n, k in kinds.items()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, job_data: Callable[[str], str]) -> Trained:
    """A strategy of each kind, on the data that train faster, whatever couples examples, and one on codes that are given."""
    images = np.load(job_data("pictures"))["items"]
    out, options = tmp_path_factory.mktemp("space") / "run", {"width": 8, "code_stride": 4, "code_dim": 4}
    aegan.fit(images, size=16, strategy="autoencoder", steps=2, out=out, options=options, progress=False)
    jobs = [*quick_jobs(KINDS_OF_LOOP, job_data), *(job(*each, job_data) for each in COUPLED)]
    jobs.append(job("latent-wgan", "pictures", {"n_critic": 2}, job_data, space=str(out)))
    return train_both(tmp_path_factory.mktemp("ranks"), jobs)


def differences(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> dict[str, float]:
    """The greatest difference of every logged value, relative to values above 1; that of gradients' norms a tenth."""
    assert len(a) == len(b) > 0
    found: dict[str, float] = {}
    for one, two in zip(a, b, strict=True):
        assert one["step"] == two["step"] and one["images"] == two["images"]
        for group in ("terms", "watch"):
            assert one.get(group, {}).keys() == two.get(group, {}).keys()
            for key, value in one.get(group, {}).items():
                far = abs(value - two[group][key]) / max(1.0, abs(value)) / (10 if "|grad|" in key else 1)
                found[key] = max(found.get(key, 0.0), far)
    return found


def assert_same(found: Trained, tolerance: float = TOLERANCE) -> None:
    """Every job's losses, weights and number of images are those of one process, and both ranks hold the same bits."""
    assert found.digests(0) == found.digests(1)
    far: dict[str, Any] = {}
    for name in (j["name"] for j in found.jobs):
        lines = [found.lines(who, name) for who in ("one", "two")]
        at_once = differences(*(each[:1] for each in lines))
        apart = {k: v for k, v in differences(*lines).items() if v > tolerance or at_once.get(k, 0.0) > 1e-5}
        if apart:
            far[name] = apart
        one, two = (found.weights(who, name) for who in ("one", "two"))
        assert one.keys() == two.keys()
        for key, w in one.items():
            # Adam makes whole steps of gradients that are zero but for rounding (a bias before a normalisation has no other)
            off = (w.double() - two[key].double()).abs().flatten()
            if off.numel() and float(off.median()) > 1e-3 * float(w.double().abs().max()) + 1e-3:
                far.setdefault(name, {})[key] = float(off.max())
    assert not far, far


# --- the same training ------------------------------------------------------------------------------------------------


def test_two_processes_train_as_one_does(trained: Trained) -> None:
    assert_same(trained)


@pytest.mark.slow
def test_two_processes_train_every_strategy_as_one_does(tmp_path: Path, job_data: Callable[[str], str]) -> None:
    """Those that the fast suite leaves out."""
    rest = quick_jobs(sorted(strategies().keys() - set(KINDS_OF_LOOP)), job_data)
    assert {j["strategy"] for j in rest} | set(KINDS_OF_LOOP) == set(strategies())
    assert_same(train_both(tmp_path, rest))


def test_the_comparison_can_fail(trained: Trained) -> None:
    one, other = trained.lines("one", "gan-vectors"), trained.lines("one", "dfm-vectors")
    shared = [{**line, "terms": {"L": line["terms"]["D.L_D"]}, "watch": {}} for line in one]
    against = [{**line, "terms": {"L": line["terms"]["D.L_D"]}, "watch": {}} for line in other]
    assert max(differences(shared, against).values()) > 10 * TOLERANCE


def test_only_the_first_process_writes(trained: Trained) -> None:
    """A folder has what one process leaves in it, once: no log or checkpoint of a second writer."""
    folders = [trained.folder / who for who in ("one", "two")]
    one, two = ({str(p.relative_to(folder)) for p in folder.rglob("*")} for folder in folders)
    assert two - one == {"rank-1.json"} and one <= two
    assert starts(folders[1] / "gan-vectors") == [2]


@pytest.mark.slow
def test_every_option_and_kind_of_data(tmp_path: Path, job_data: Callable[[str], str]) -> None:
    jobs = [job(n, "pictures", OF.get(n, {}), job_data) for n in strategies()]
    jobs += [job(*each, job_data) for each in MORE]
    assert_same(train_both(tmp_path, jobs))


@pytest.mark.slow
def test_every_preset(tmp_path: Path, job_data: Callable[[str], str]) -> None:
    """The numbers that are shipped, at full width, for six steps.

    The first step's losses are equal to 1e-5, as everywhere. Then Adam's first steps, which are as long for a gradient
    that is mostly rounding as for any other, move some games by up to 1e-3.
    """
    jobs = []
    for name, preset in preset_files():
        if preset == "64":
            continue
        vectors = preset in ("toy", "pacgan")
        if vectors and not strategy(name).vectors:
            continue
        found = job(name, "vectors" if vectors else "pictures", {}, job_data, preset=preset)
        small = {"batch_size": 16, "components": [1, 2], "entries": 16, **OF.get(name, {})}
        jobs.append({**found, "name": f"{name}-{preset}", "options": small, "steps": 6})
    assert_same(train_both(tmp_path, jobs), tolerance=2e-3)


# --- stopped, killed, gone on with ------------------------------------------------------------------------------------

STEPS = 64
SETTINGS = ["--strategy", "gan", "--steps", str(STEPS), "--batch-size", "16", "--set", "width=8", "--set", "critic_width=8",
            "--precision", "fp32", "--device", "cpu", "--logger", "none", "--no-evaluate", "--seed", "3"]  # fmt: skip
COMMAND = [sys.executable, "-m", "aegan", "train"]


def wait_for_step(run: Path, step: int, processes: list[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + 120
    while not any(line.get("step", 0) >= step for line in read_log(run / "log.jsonl")):
        ended = [p.communicate() for p in processes if p.poll() is not None]
        assert not ended and time.monotonic() < deadline, ended
        time.sleep(0.01)


def starts(run: Path) -> list[int]:
    """The numbers of processes that worked on a run, one after another."""
    return [line["processes"] for line in read_log(run / "log.jsonl") if line.get("event") == "start"]


def losses(run: Path) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    resumed = False
    for line in read_log(run / "log.jsonl"):
        resumed = resumed or bool(line.get("resumed"))
        if "terms" in line and not resumed:
            found[line["step"]] = line["terms"]
        resumed = resumed and "terms" not in line  # the first line behind a stop has the mean of fewer steps
    return found


def assert_went_on(stopped: Path, straight: Path) -> None:
    """The losses of a run that was stopped and gone on with are those of one process that was never stopped."""
    a, b = losses(stopped), losses(straight)
    assert a.keys() < b.keys() and max(a) == max(b) == STEPS and len(b) - len(a) <= 2
    for step, terms in a.items():
        for key, value in terms.items():
            # with every step the rounding of one more is built on
            assert value == pytest.approx(b[step][key], rel=1e-2, abs=1e-3), (step, key)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, points: Path) -> Path:
    out = tmp_path_factory.mktemp("straight") / "run"
    aegan.fit(
        points, strategy="gan", out=out, steps=STEPS, batch_size=16, seed=3, options={"width": 8, "critic_width": 8},
        precision="fp32", device="cpu", logger="none", progress=False,
    )  # fmt: skip
    return out


# one signal is enough for the way that all of them go, from the process that is signalled to its ranks; what each of them
# ends with is asked in test_resume.py, in one process
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), pytest.param("SIGUSR1", 138, marks=pytest.mark.slow)])
def test_stopped_as_two_and_gone_on_with_as_one(
    name: str, code: int, points: Path, straight: Path, tmp_path: Path, aegan_cli: Any
) -> None:
    """`--devices 2`, a signal to what started them; both stop at one step, one line says how to go on."""
    out = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, str(points), *SETTINGS, "--devices", "2", "--out", str(out)], stderr=subprocess.PIPE, text=True
    )
    wait_for_step(out, 8, [process])
    process.send_signal(getattr(signal, name))
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (code if sys.platform == "linux" else 128 + getattr(signal, name)), said
    assert said.count(f"Go on with: aegan train --resume --out {out}") == 1 and "Traceback" not in said
    at = max(losses(out))
    assert 8 <= at < STEPS, "the signal came too late to test anything"
    assert aegan_cli("train", "--resume", "--out", out, "--device", "cpu", "--no-evaluate").code == 0
    assert_went_on(out, straight)
    assert starts(out) == [2, 1]


def test_one_is_killed_the_other_says_so_and_two_go_on_with_what_one_began(
    points: Path, straight: Path, tmp_path: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = Loader.next, [20]

    def counted(self: Loader) -> Any:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)
        return real(self)

    out = tmp_path / "run"
    monkeypatch.setattr(Loader, "next", counted)
    assert aegan_cli("train", points, *SETTINGS, "--out", out).code == 143
    again = [*COMMAND, "--resume", "--device", "cpu", "--no-evaluate", "--out"]
    shutil.copytree(out, tmp_path / "killed")
    processes = in_two([*again, str(tmp_path / "killed")], stderr=subprocess.PIPE)
    wait_for_step(tmp_path / "killed", 24, processes)
    processes[1].kill()
    said = processes[0].communicate(timeout=60)[1]
    processes[1].communicate()
    assert processes[0].returncode == 2, said
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert errors == ["Error: Another process of this run has ended, so this one stopped too."]
    assert "Traceback" not in said and f"aegan train --resume --out {tmp_path / 'killed'}" in said
    done = subprocess.run([*again, str(tmp_path / "killed"), "--devices", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_went_on(tmp_path / "killed", straight)


def said_by_two(points: Path, out: Path, *extra: str) -> list[str]:
    """The mistakes that two processes tell of."""
    command = [*COMMAND, str(points), *SETTINGS, "--devices", "2", "--out", str(out), *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("Error: ")]


def test_a_mistake_that_the_first_finds_is_told_once(points: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("")
    told = said_by_two(points, tmp_path / "run")
    assert told == [f"Error: {tmp_path / 'run'} already holds a run; nothing was changed."]


@pytest.mark.slow  # nothing passes between processes here; what is told is asked below, in one
def test_a_mistake_that_both_find_is_told_once(points: Path, tmp_path: Path) -> None:
    told = said_by_two(points, tmp_path / "run", "--batch-size", "17")
    assert told == ["Error: A batch of 17 cannot be shared out evenly over 2 processes."]


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "grain"), [(1, 1), (2, 1), (4, 1), (2, 3), (3, 2)])
def test_every_row_is_in_one_share(size: int, grain: int) -> None:
    rows = np.arange(24)
    shares = [Share(r, size, grain).rows(rows) for r in range(size)]
    assert sorted(np.concatenate(shares)) == list(rows)
    assert {len(s) for s in shares} == {24 // size}
    for share in shares:
        packs = share.reshape(-1, grain)
        assert (packs == packs[:, :1] + np.arange(grain)).all(), "packs stay whole"
    if grain == 1:
        assert all((s[: len(s) // 2] < 12).all() for s in shares), "a share's first half is of the first half"


def test_the_data_order_does_not_depend_on_the_number_of_processes() -> None:
    split = Split(np.arange(50, dtype=np.float32)[:, None], None, [str(i) for i in range(50)], None, None)
    whole = Loader(split, 12, seed=4)
    parts = [Loader(split, 12, seed=4, share=Share(r, 3)) for r in range(3)]
    for _ in range(9):
        index = whole.next().index
        found = [part.next().index for part in parts]
        assert np.array_equal(np.stack(found, 1).reshape(-1), index)
        assert all(part.state_dict() == whole.state_dict() for part in parts)


DRAWN: dict[str, Callable[[int], Tensor]] = {
    "randn": lambda n: torch.randn(n, 3),
    "randn of a tuple": lambda n: torch.randn((n, 3)),
    "rand of a size": lambda n: torch.rand(size=(n, 2), dtype=torch.float64),
    "randn_like": lambda n: torch.randn_like(torch.zeros(n, 3, 4, 4)),
    "channels last": lambda n: torch.randn_like(torch.zeros(n, 3, 4, 4).contiguous(memory_format=torch.channels_last)),
    "half of it": lambda n: torch.randn_like(torch.zeros(n, 6, 4, 4).chunk(2, 1)[0]),
    "rand_like": lambda n: torch.rand_like(torch.zeros(n, 5)),
    "randint": lambda n: torch.randint(9, (n, 4)),
    "randint from": lambda n: torch.randint(3, 9, (n,)),
    "uniform_": lambda n: torch.empty(n, 2).uniform_(-1, 1),
    "normal_": lambda n: torch.empty(n, 2).normal_(),
    "multinomial": lambda n: torch.multinomial(torch.tensor([0.2, 0.5, 0.3]), n, replacement=True),
    "dropout": lambda n: F.dropout(torch.ones(n, 8), 0.5),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("grain", [1, 2])
def test_ranks_draw_the_rows_of_what_one_process_draws(name: str, grain: int) -> None:
    draw = DRAWN[name]
    torch.manual_seed(5)
    whole, after = draw(16), torch.rand(())
    for rank in range(4):
        torch.manual_seed(5)
        share = Share(rank, 4, grain)
        with computing(share):
            mine = draw(4)
            shared = torch.rand(())
        assert torch.equal(mine, share.rows(whole)), rank
        assert mine.stride() == draw(4).stride()
        assert torch.equal(shared, after), "the generators are where one process's is"


def test_what_has_no_row_for_each_example_is_drawn_alike() -> None:
    torch.manual_seed(5)
    order, some = torch.randperm(7), torch.randn(4, 2)
    torch.manual_seed(5)
    with computing(Share(1, 2)):
        assert torch.equal(torch.randperm(7), order)
        with replicated_random():
            assert torch.equal(torch.randn(4, 2), some)


def test_alone_nothing_happens() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert all_gather_rows(x) is x and all_reduce_mean(x) is x
    ranks = Ranks()
    assert ranks.broadcast(1.5, 2.0) == (1.5, 2.0) and ranks.highest(3) == 3
    assert ranks.broadcast_object(lambda: {"a": 1}) == {"a": 1}
    logged = {"total": torch.tensor(1.0)}
    assert ranks.average([], logged) is logged


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert Ranks(1, 4).divide(32) == Share(1, 4)
    with pytest.raises(UserError, match="A batch of 30 cannot be shared out evenly over 4 processes"):
        Ranks(1, 4).divide(30)
    with pytest.raises(UserError, match=r"in packs of 3.*over 4") as refused:
        Ranks(1, 4).divide(32, 3)
    assert "--batch-size 24" in refused.value.fix


def test_one_process_does_not_import_fabric() -> None:
    code = (
        "import sys, aegan, numpy as np, tempfile\n"
        "aegan.fit(np.random.default_rng(0).normal(size=(80, 2)), strategy='autoencoder', steps=3, progress=False,\n"
        "          out=tempfile.mkdtemp() + '/run', device='cpu', logger='none')\n"
        "sys.exit('lightning_fabric' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
