"""The number of threads: how it is chosen while other programs come and go, recorded, and repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import aegan.cores
from aegan.config import RunConfig
from aegan.data import Data
from aegan.engine import Engine
from aegan.engine.thread_record import Record, ThreadChange, Threads, adapts
from aegan.engine.threads import Controller, Cores, Load, Turn, ladder
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.report.facts import Facts
from aegan.report.words import processor
from aegan.runs.reading import RunFolder, RunHistory
from aegan.strategies import strategy

# --- a machine that is made up ---------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Cores on which another program takes some from time to time; its clock is the sum of the steps.

    Args:
        cores: of the machine.
        busy: cores that the other program wants at a time.
        step: seconds of a step on one quiet core.
        known: whether the operating system tells what the cores do.
        shared: speed of threads that wait for one which shares its core, over that of as many on cores of their own.
    """

    cores: int
    busy: Callable[[float], float]
    step: float = 0.16
    known: bool = True
    shared: float = 0.3
    now: float = 0.0
    _since: float = 0.0

    def speed(self, threads: int) -> float:
        """Steps a second at this moment: nearly proportional to the threads, as measured on two cores."""
        quiet = (1 - 0.07) / self.step * threads ** (0.9) if threads > 1 else 1 / self.step
        crowded = min(1.0, max(0.0, threads + self.busy(self.now) - self.cores))
        alone = min(1.0, self.cores / (threads + self.busy(self.now)))  # one thread waits for nobody
        return quiet * (alone if threads == 1 else 1 - crowded * (1 - self.shared))

    def load(self) -> Load | None:
        busy = self.busy(self.now)
        return Load(max(0.0, self.cores - self._threads - busy), busy) if self.known else None

    def run(self, seconds: float, controller: Controller) -> tuple[int, float, list[tuple[float, Turn]]]:
        """Steps taken, the steps that the best count of each moment takes, and the turns with their times."""
        end, steps, best, turns = self.now + seconds, 0, 0.0, []
        while self.now < end:
            self._threads = controller.count
            took = 1 / self.speed(controller.count)
            best += took * max(self.speed(n) for n in range(1, self.cores + 1))
            self.now += took
            steps += 1
            if turn := controller.took(took):
                turns.append((self.now, turn))
        return steps, best, turns

    _threads: int = 1


def machine(busy: Callable[[float], float], cores: int = 2, **more: Any) -> tuple[Machine, Controller]:
    made = Machine(cores, busy, **more)
    made._threads = cores
    return made, Controller(cores, made.load)


STEPS = pytest.mark.parametrize("step", [0.002, 0.16, 1.6])
KNOWN = pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])


@pytest.mark.parametrize(("cores", "step"), [(2, 0.002), (2, 0.16), (2, 1.6), (4, 0.16), (16, 0.16), (16, 1.6)])
def test_a_quiet_machine_keeps_all_threads(cores: int, step: float) -> None:
    made, controller = machine(lambda now: 0.0, cores, step=step)
    steps, best, turns = made.run(180, controller)
    assert controller.count == cores
    assert steps >= 0.98 * best
    assert not [turn for _, turn in turns if not turn.trial]
    assert max(at for at, _ in turns) < 15, "with idle cores and an even speed there is nothing to try"


@KNOWN
@STEPS
def test_a_busy_machine_gets_fewer_threads(step: float, known: bool) -> None:
    made, controller = machine(lambda now: 1.0, step=step, known=known)
    _, _, turns = made.run(12 * step + 3, controller)
    assert controller.count == 1, turns
    steps, best, _ = made.run(120, controller)
    assert steps >= 0.95 * best


@KNOWN
@pytest.mark.parametrize("step", [0.002, 0.16])
def test_it_follows_what_others_do(step: float, known: bool) -> None:
    """Quiet, then busy from second 60 to 120, then quiet again."""
    made, controller = machine(lambda now: float(60 <= now < 120), step=step, known=known)
    _, _, turns = made.run(59.5, controller)
    assert not [turn for _, turn in turns if not turn.trial]
    steps, best, turns = made.run(60, controller)
    kept = [(at, turn.to) for at, turn in turns if not turn.trial]
    assert kept[0][1] == 1 and kept[0][0] < (63 if known else 96), turns
    if known:
        assert controller.count == 1
        assert steps >= 0.9 * best
        _, _, turns = made.run(4, controller)
        assert controller.count == 2, turns
    else:
        made.run(40, controller)
        assert controller.count == 2


def test_four_cores_leave_one_to_the_other_program() -> None:
    made, controller = machine(lambda now: 1.0, 4)
    steps, best, _ = made.run(60, controller)
    assert controller.count == 3
    assert steps >= 0.9 * best


@KNOWN
def test_timing_more_threads_costs_little(known: bool) -> None:
    """On a machine that stays busy, trials of two threads cost less than 3 %."""
    made, controller = machine(lambda now: 1.0, known=known)
    made.run(10, controller)
    steps, best, turns = made.run(700, controller)
    assert steps >= 0.97 * best
    assert len(turns) >= 4, "it must look again now and then: a load that was misread would stay for ever"


def test_no_step_is_tried_where_one_thread_is_all() -> None:
    controller = Controller(1)
    assert [controller.took(0.1) for _ in range(100)] == [None] * 100


def test_timings_take_whole_periods() -> None:
    """Every fourth step is dear, as of a critic that is penalised; a timing of other steps would find differences."""
    controller = Controller(2, lambda: Load(0.0, 0.0), period=4)
    kept = []
    for i in range(4000):
        took = controller.took((0.3 if i % 4 == 0 else 0.1) * (1 if controller.count == 2 else 1.02))
        kept += [took] if took and not took.trial else []
    assert not kept


def test_a_slow_moment_is_no_reason_for_long() -> None:
    """A second's stall ends in the count that is best behind it."""
    made, controller = machine(lambda now: float(30 <= now < 31))
    steps, best, _ = made.run(90, controller)
    assert controller.count == 2
    assert steps >= 0.97 * best


def test_the_counts_that_are_tried() -> None:
    assert ladder(1) == [1]
    assert ladder(3) == [3, 2, 1]
    assert ladder(12) == [12, 11, 6, 3, 1]


# --- what the cores do -------------------------------------------------------------------------------------------------


def test_load_from_the_kernels_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the cores that this process may use alone; its own work is not that of others."""
    import os
    import time

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    clock, own = [10.0], [5.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "process_time", lambda: own[0])
    stat = tmp_path / "stat"
    stat.write_text("cpu 1 1 1 1\ncpu0 100 0 0 900 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\ncpu2 50 50 0 100 0 0 0 0 7 7\n")
    cores = Cores(stat)
    # in one second core 0 worked for 80 ticks and core 2 for 100, of which this process's threads took 110
    clock[0], own[0] = 11.0, 6.1
    stat.write_text("cpu 1 1 1 1\ncpu0 180 0 0 915 5 0 0 0 0 0\ncpu1 99 0 0 0 0 0 0 0\ncpu2 150 50 0 100 0 0 0 0 9 9\n")
    load = cores.since()
    assert load is not None
    assert load.idle == pytest.approx(0.2)
    assert load.others == pytest.approx(0.7)


@pytest.mark.parametrize("content", [None, "", "cpu0 x y z\n", "cpu0 0 0 0 0 0 0 0 0\n"])
def test_load_that_nobody_tells(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    clock = [10.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    if content is not None:
        (tmp_path / "stat").write_text(content)
    cores = Cores(tmp_path / "stat")
    clock[0] += 1
    assert cores.since() is None


# --- a run -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cores_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two cores, whatever this machine has, and two threads to begin with."""
    before = torch.get_num_threads()
    monkeypatch.setattr("aegan.engine.thread_record.usable", lambda: 2)
    monkeypatch.setattr("aegan.cores.usable", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Forced:
    """In the place of the controller: changes behind given steps."""

    at: dict[int, int]

    def __init__(self, most: int, load: Any = None, count: int | None = None, period: int = 1) -> None:
        self.count = count or most

    def took(self, seconds: float) -> Turn | None:
        Forced.taken += 1
        to = Forced.at.get(Forced.taken)
        if to is None or to == self.count:
            return None
        origin, self.count = self.count, to
        return Turn(origin, to, trial=False, speeds={origin: 1.0, to: 2.0})

    taken = 0


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, int]], None]:
    monkeypatch.setattr("aegan.engine.thread_record.Controller", Forced)

    def changes(at: dict[int, int]) -> None:
        Forced.at, Forced.taken = at, 0

    return changes


class Killed(Exception):
    """In the place of SIGKILL: nothing is written."""


def counts_of(engine: Engine, monkeypatch: pytest.MonkeyPatch, stop: int | None = None) -> list[int]:
    """The threads of each step that is taken from now on; the run is killed within step number `stop`."""
    real, seen = engine.loader.next, []

    def following() -> Any:
        seen.append(torch.get_num_threads())
        if stop is not None and engine.counters.step == stop:
            raise Killed
        return real()

    monkeypatch.setattr(engine.loader, "next", following)
    return seen


def events(folder: Path) -> list[tuple[int, int, int]]:
    return [(x["step"], x["from"], x["to"]) for x in read_log(folder / "log.jsonl") if x.get("event") == "threads"]


ADAPTS = {"steps": 30, "threads": "auto"}


def narrow() -> Any:
    return strategy("autoencoder")(width=8, components=(1, 2), batch_size=16)  # type: ignore[call-arg]


@pytest.mark.usefixtures("cores_of_two")
def test_changes_are_logged_recorded_and_given_back(
    pictures: Data, make_engine: Any, forced: Any, stopper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced({5: 1, 12: 2})
    engine = make_engine(narrow(), pictures, display=stopper, **ADAPTS)
    seen = counts_of(engine, monkeypatch)
    outcome = engine.run()
    assert seen == [2] * 5 + [1] * 7 + [2] * 18
    assert events(tmp_path / "run") == [(5, 2, 1), (12, 1, 2)]
    assert outcome.threads == Record([ThreadChange(0, 2), ThreadChange(5, 1), ThreadChange(12, 2)], 30)
    start = read_log(tmp_path / "run" / "log.jsonl")[0]
    assert start["event"] == "start" and start["threads"] == 2
    assert "threads: 1 instead of 2 from step 5: 32 instead of 16 images/s" in stopper.said
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("cores_of_two")
@pytest.mark.parametrize("killed_at", [18, 25])
def test_a_killed_run_repeats_its_changes(
    killed_at: int, pictures: Data, make_engine: Any, forced: Any, weights_of: Any, assert_equal: Any,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Killed twice between checkpoints, the second time while it was repeating; free again behind where it had been."""
    forced({5: 1, 12: 2, 15: 1, 22: 2})
    straight = make_engine(narrow(), pictures, "straight", **ADAPTS).run()

    forced({5: 1, 12: 2, 15: 1, 22: 2})
    engine = make_engine(narrow(), pictures, **ADAPTS)
    counts_of(engine, monkeypatch, stop=killed_at)
    with pytest.raises(Killed):
        engine.run()
    for stop in (8, None):
        # the one checkpoint is that of step 0; what is told before the run is free again must not count
        forced({1: 1, 2: 2} if stop else ({4: 2} if killed_at == 18 else {}))
        engine = make_engine(narrow(), pictures, **ADAPTS)
        seen = counts_of(engine, monkeypatch, stop=stop)
        if stop:
            with pytest.raises(Killed):
                engine.run(resume=True)
            assert seen == [2] * 5 + [1] * 4
        else:
            outcome = engine.run(resume=True)
            repeated = [2] * 5 + [1] * 7 + [2] * 3 + [1]
            assert seen[:16] == repeated
    assert [x for x in events(tmp_path / "run") if x[0] <= 15] == [(5, 2, 1), (12, 1, 2), (15, 2, 1)]
    if killed_at == 25:
        assert events(tmp_path / "run")[3:] == [(22, 1, 2)]
        assert_equal(weights_of(straight), weights_of(outcome))


@pytest.mark.usefixtures("cores_of_two")
def test_a_repeated_run_makes_the_same_changes(
    pictures: Data, make_engine: Any, forced: Any, weights_of: Any, assert_equal: Any, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """From the plans and the record of a run by minutes, with whatever number torch begins."""
    forced({2: 1, 5: 2})
    first = make_engine(narrow(), pictures, "first", minutes=0.02).run()
    assert [c.threads for c in first.threads.changes] == [2, 1, 2]
    forced({1: 1})
    torch.set_num_threads(1)
    again = make_engine(narrow(), pictures, "again", minutes=0.02, plans=first.plans, threads_record=first.threads)
    seen = counts_of(again, monkeypatch)
    outcome = again.run()
    assert seen == [2] * 2 + [1] * 3 + [2] * (first.steps - 5)
    assert events(tmp_path / "again") == [(2, 2, 1), (5, 1, 2)]
    assert outcome.threads == first.threads
    assert_equal(weights_of(first), weights_of(outcome))
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("cores_of_two")
def test_a_trial_ends_with_its_stage(
    pictures: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Trying(Forced):
        def took(self, seconds: float) -> Turn | None:
            Forced.taken += 1
            if Forced.taken != 11:  # the last step but one
                return None
            self.count = 1
            return Turn(2, 1, trial=True)

    Forced.taken = 0
    monkeypatch.setattr("aegan.engine.thread_record.Controller", Trying)
    outcome = make_engine(narrow(), pictures, steps=12, threads="auto").run()
    assert outcome.threads.changes == [ThreadChange(0, 2), ThreadChange(11, 1, True), ThreadChange(12, 2, True)]
    assert RunHistory(read_log(tmp_path / "run" / "log.jsonl")).threads == [(0, 2)], "what was only tried is not told"


@pytest.mark.usefixtures("cores_of_two")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"steps": 12}, {2}),  # steps repeat
        ({"steps": 12, "threads": "1"}, {1}),
        ({"minutes": 0.01, "threads": "1"}, {1}),
        ({"minutes": 0.01, "threads": "2"}, {2}),
        ({"steps": 12, "threads": "auto"}, {1, 2}),
        ({"minutes": 0.02}, {1, 2}),
    ],
)
def test_who_adapts(
    config: dict[str, Any], expected: set[int], pictures: Data, make_engine: Any, forced: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    forced({2: 1, 5: 2})
    engine = make_engine(narrow(), pictures, **config)
    seen = counts_of(engine, monkeypatch)
    engine.run()
    assert set(seen) == expected
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("cores_of_two")
def test_a_run_by_steps_goes_on_with_its_own_number(
    pictures: Data, make_engine: Any, stop_after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aegan.engine.loop import Interrupted

    stop_after(5)
    with pytest.raises(Interrupted):
        make_engine(narrow(), pictures).run()
    torch.set_num_threads(1)  # another default than the run began with
    engine = make_engine(narrow(), pictures)
    seen = counts_of(engine, monkeypatch)
    engine.run(resume=True)
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def test_fewer_cores_than_the_record(pictures: Data, make_engine: Any, stopper: Any, tmp_path: Path) -> None:
    record = Record([ThreadChange(0, 999)], 12)
    engine = make_engine(narrow(), pictures, display=stopper, threads_record=record)
    engine.run()
    assert any("more than this machine has cores" in line for line in stopper.said)
    assert read_log(tmp_path / "run" / "log.jsonl")[0]["threads"] <= aegan.cores.usable()


def test_a_damaged_record_is_refused() -> None:
    with pytest.raises(ValueError, match="no change of threads"):
        Record.from_plain({"changes": ["many from 3"], "until": 5})
    record = Record([ThreadChange(0, 2), ThreadChange(7, 1, True)], 9)
    assert Record.from_plain(json.loads(json.dumps(record.to_plain()))) == record


def test_several_processes_and_gpus_keep_their_number() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for config in (RunConfig(minutes=1), RunConfig(steps=9, threads="auto")):
        assert adapts(config, cpu, several=False, planned=False)
        assert not adapts(config, cpu, several=True, planned=False)
        assert not adapts(config, gpu, several=False, planned=False)
    assert not adapts(RunConfig(minutes=1), cpu, several=False, planned=True), "a repeated run of an older version"


# --- what people see ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "-1", "10000", "many", "1.5", ""])
def test_numbers_that_make_no_sense(value: str, points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    out = tmp_path / "run"
    said = aegan_cli("train", points, "--strategy", "gan", "--steps", 4, f"--threads={value}", "--out", out)
    said.refused(f"--threads is {value}", "must be auto, or a number from 1 to")
    assert not out.exists()


def test_one_thread_from_the_command_line(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    """Kept in config.yaml, by repeating and resuming; another number may be told then."""
    out, again = tmp_path / "run", tmp_path / "again"
    assert aegan_cli("train", points, "--strategy", "autoencoder", "--steps", 4, "--threads", 1, "--out", out).code == 0
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["run"]["threads"] == "1"
    assert config["threads"] == {"changes": ["1 from 0"], "until": 4}
    assert aegan_cli("train", "--config", out / "config.yaml", "--out", again, "--no-evaluate").code == 0
    assert yaml.safe_load((again / "config.yaml").read_text())["threads"] == config["threads"]
    assert aegan_cli("train", "--resume", "--out", out, "--threads", "auto", "--no-evaluate").code == 0
    assert yaml.safe_load((out / "config.yaml").read_text())["run"]["threads"] == "auto"
    aegan_cli("train", "--resume", "--out", out, "--threads", "none of them").refused("--threads is none of them")


def test_from_python(make_circle: Any, tmp_path: Path) -> None:
    run = aegan.fit(make_circle(100), strategy="gan", steps=2, out=tmp_path / "a", threads=1, progress=False)
    assert run.config.run.threads == "1"
    with pytest.raises(UserError, match="--threads is 0"):
        aegan.fit(make_circle(100), strategy="gan", steps=2, out=tmp_path / "b", threads=0, progress=False)


def test_a_configuration_of_before() -> None:
    """Configurations that know no threads can be read."""
    assert Record.from_plain(None) == Record()
    assert RunConfig().threads is None


def test_words_of_the_report() -> None:
    assert processor([], 2) == "2 CPU cores"
    assert processor([], None) == ""
    assert processor([(0, 1)], 1) == "1 thread"
    assert (
        processor([(0, 2), (300, 1), (900, 2)], 2)
        == "2 threads, 1 of 2 threads from step 300, 2 of 2 threads from step 900"
    )
    assert processor([(0, 4), (1, 2), (2, 4), (3, 2), (4, 4)], 4) == "2 to 4 threads, changed 4 times"


def test_the_report_tells_threads_not_cores(tmp_path: Path) -> None:
    from aegan.report.words import summary

    (tmp_path / "config.yaml").write_text("run: {data: fashion, strategy: latent}\n")
    log = [
        {"event": "threads", "step": 300, "taken": 300, "from": 2, "to": 1, "trial": False},
        {"event": "start", "cores": 2, "threads": 2},
        {"event": "threads", "step": 100, "taken": 100, "from": 2, "to": 1, "trial": True},
        {"event": "threads", "step": 104, "taken": 104, "from": 1, "to": 2, "trial": True},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    assert "on 2 threads, 1 of 2 threads from step 300." in summary(Facts(RunFolder(tmp_path)))


def test_decoding_starts_no_more_threads() -> None:
    from aegan.cores import at_most
    from aegan.data.stream import workers

    with at_most(1):
        assert workers() == 1
    with at_most(None):
        assert workers() == min(16, aegan.cores.usable())


def test_threads_of_a_run_that_was_told_another_number() -> None:
    threads = Threads(fixed=1)
    threads.resume({"changes": ["2 from 0"], "until": 40}, [], taken=40, step=40)
    told = threads.start(40)
    threads.restore()
    assert told == Turn(2, 1, trial=False)
    assert threads.record(40).changes == [ThreadChange(0, 2), ThreadChange(40, 1)]
