"""The one training loop. Read `Engine.run` from the top; a strategy only says which phases run and what they minimise."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aegan.config import SMALL, RunConfig, as_plain
from aegan.cores import asked_threads
from aegan.data.loader import Batch, Loader
from aegan.data.spec import Data, DataSpec
from aegan.doctor.care import Change, Visit, visit
from aegan.engine.device import autocast, describe_machine, pick_device, pick_precision
from aegan.engine.extend import Course, Extension
from aegan.engine.guard import LOOK_EVERY, Guard
from aegan.engine.log import Display, RunLog, clock, read_log, short
from aegan.engine.loggers import Loggers, chosen
from aegan.engine.memory import accumulate, halved, out_of_memory, split, too_little
from aegan.engine.pictures import Pictures
from aegan.engine.ranks import Ranks, scalars
from aegan.engine.running import Counters, Running
from aegan.engine.schedule import REPLAN_AT, Plan, Timing
from aegan.engine.signals import Interrupted, Stop
from aegan.engine.state import Checkpoints, load_random_state, random_state
from aegan.engine.thread_record import EVENT as THREADS
from aegan.engine.thread_record import Change as ThreadChange
from aegan.engine.thread_record import Record, Threads, adapts
from aegan.engine.threads import Turn
from aegan.engine.view import DataView, to_device
from aegan.engine.watch import Best, Watch, due
from aegan.errors import UserError
from aegan.networks import use_networks
from aegan.strategies import Clock, Fit, Loss, Networks, Phase, Stage, Strategy

State = tuple[dict[str, Tensor], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves in memory.

    Args:
        networks: by name, with averaged weights where a stage keeps averages.
        notes: what the closed-form stages found, by stage.
        steps, seconds, images: what it took.
        plans: steps of each stage, by which the run can be repeated.
        threads: that it computed with, step by step.
    """

    networks: Networks
    notes: dict[str, dict[str, Any]]
    steps: int
    seconds: float
    images: int
    plans: dict[str, Plan]
    threads: Record


class Engine:
    """Trains one strategy on one data set into one folder.

    Args:
        strategy: its hyper-parameters are its fields.
        data: an opened data set.
        config: the run's settings; either `minutes` or `steps` is set.
        folder: RUN; exists and holds no other run.
        plans: steps of each stage from an earlier run, to repeat it; takes the place of minutes and steps.
        threads: those of that run, step by step.
        display: shows progress.
        save_model: called with the networks, the counters and the notes at the end of each stage that can make samples.
        save_best: the same, whenever samples are nearer to the training data than before; see `aegan.engine.watch`.
        networks: of the user's, in the place of the strategy's of the same names; they are trained in place.
        settings: plain values that may not change on the way; a run that is resumed with others is refused.
        ranks: this process among those of the run; default: it is alone.
        extensions: what more training was asked for after the run had ended, each time.
        initial: gives fresh networks other weights; returns what it took, plain values for the log.
        begin: called when all is settled, before a step is taken and a file is written.
    """

    def __init__(
        self,
        strategy: Strategy,
        data: Data,
        config: RunConfig,
        folder: Path,
        *,
        plans: dict[str, Plan] | None = None,
        threads: Record | None = None,
        display: Display | None = None,
        save_model: Callable[[Networks, Counters, dict[str, dict[str, Any]]], None] | None = None,
        save_best: Callable[[Networks, Counters, dict[str, dict[str, Any]]], None] | None = None,
        networks: Networks | None = None,
        settings: dict[str, Any] | None = None,
        ranks: Ranks | None = None,
        extensions: Sequence[Extension] = (),
        initial: Callable[[Networks, DataSpec], dict[str, Any]] | None = None,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings or {}
        self.ranks = ranks or Ranks()
        self.strategy, self.data, self.config, self.folder = strategy, data, config, folder
        self.display = (display if self.ranks.first else None) or Display(quiet=True)
        self.save_model, self.save_best = (save_model, save_best) if self.ranks.first else (None, None)
        self.device = self.ranks.device or pick_device(config.device)
        # 16 bits are too few for the toys' narrow modes, and small matrices gain nothing
        narrow = config.precision == "auto" and data.spec.is_vector
        self.precision = "fp32" if narrow else pick_precision(config.precision, self.device)
        labelled = config.classes and strategy.uses_labels
        self.spec = data.spec if labelled else replace(data.spec, classes=())
        self.extensions = tuple(extensions)
        self.course = Course.of(strategy.stages(self.spec), config.steps, extensions)
        self.stages = self.course.stages
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.view = DataView(data, self.spec, self.device)
        self.watch = Watch(strategy, data, self.device)
        self.notes: dict[str, dict[str, Any]] = {}
        self.plans = {**self.course.plans, **(plans or {})}
        self.counters = Counters()
        self.threads = Threads(
            asked_threads(config.threads),
            adapts=adapts(
                replace(config, **asdict(self.extensions[-1])) if self.extensions else config,
                self.device,
                several=self.ranks.several,
                planned=threads is None and self.course.known(plans or {}),
            ),
            record=threads,
        )
        self.stop = Stop()
        small = data.spec.is_image and len(data.train) < SMALL
        self.early_stop = small if config.early_stop == "auto" else config.early_stop == "on"
        self._good: State | None = None  # to go back to, where a later one proves to be ill
        self._good_written = -1
        self._saved_at = 0.0
        self._threads_told = -60.0

        torch.manual_seed(config.seed)
        built = strategy.build(self.spec)
        if networks:
            alone = bool(getattr(strategy, "penalised", False))
            built = use_networks(built, networks, self.spec, strategy=strategy.name, alone=alone)
        self.taken = self.ranks.from_first(lambda: initial(built, self.spec)) if initial is not None else {}
        self.begin = begin if self.ranks.first else None
        self.networks: Networks = {k: net.to(self.device) for k, net in built.items()}
        self.ranks.take_first(self.networks)
        share = self.ranks.divide(strategy.batch_size, getattr(strategy, "pack", 1))
        self.loader = Loader(data.train, strategy.batch_size, seed=config.seed, flip=config.mirror, share=share)
        shown = replace(data, spec=self.spec)
        self.pictures = Pictures(strategy, shown, self.device, folder / "samples") if self.ranks.first else None

    # --- the run --------------------------------------------------------------------------------------------------

    def run(self, resume: bool = False) -> Outcome:
        """Trains to the end of the budget.

        Raises:
            Interrupted: a signal asked it to stop (see `aegan.signals`); a checkpoint was written.
            UserError: training diverged for good, or the folder cannot be written.
        """
        tensors: dict[str, Tensor] | None = None
        if resume:
            tensors = self._load()
        if self.begin is not None:
            self.begin()
        writes = self.ranks.first
        loggers = Loggers(chosen(self.config.logger) if writes else (), self.folder, self.display.say)
        path = self.folder / "log.jsonl" if writes else Path(os.devnull)
        ahead = self.threads.lines_ahead(read_log(path)) if resume and writes else []
        self.log = RunLog(path, self.counters.step if resume and writes else None, loggers, ahead)
        settings = {**asdict(self.config), "options": asdict(self.strategy)}
        loggers.begin(as_plain(settings), self.counters.step)
        self._began = time.monotonic() - self.counters.seconds
        try:
            told = self.threads.start(self.counters.taken)
            self.log.write(
                event="start",
                resumed=resume,
                precision=self.precision,
                processes=self.ranks.size,
                **describe_machine(self.device),
            )
            if self.taken and not resume:
                self.log.write(event="init", step=0, **self.taken)
            if told:
                self._tell_threads(*told)
            if self.threads.missing:
                self.display.say(
                    f"The run's record has {self.threads.missing} threads more than this machine has cores; it goes on "
                    "with fewer, so weights may differ in their last bits."
                )
            with self.stop.listening():
                for i in range(self.counters.stage, len(self.stages)):
                    stage = self.stages[i]
                    if tensors is None:
                        self.counters.stage, self.counters.stage_step = i, 0
                    self._begin_part(i)
                    self.log.write(event="stage", stage=stage.name, step=self.counters.step, seconds=self._seconds())
                    if isinstance(stage, Fit):
                        self._fit(stage)
                    else:
                        self._train(stage, tensors)
                    tensors = None
                    # an extension leaves the whole model in its place until all that belongs together has been trained anew
                    if self.save_model is not None and (not self.course.parts[i] or self.course.is_last(i)):
                        self.save_model(self.networks, self.counters, self.notes)
                    if isinstance(stage, Fit):
                        self._check_stop(None)
                if self.counters.stage == len(self.stages) and self.save_model is not None:
                    # resumed at its very end: a model that was lost or damaged since is written again
                    self.save_model(self.networks, self.counters, self.notes)
                self.counters.stage = len(self.stages)
                self._save(None)
                self.log.write(
                    event="done", step=self.counters.step, seconds=self._seconds(), images=self.counters.images
                )
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            stage = self.stages[min(self.counters.stage, len(self.stages) - 1)]
            raise too_little(stage.name, self.counters.step) from error
        finally:
            self.threads.restore()
            self.display.close()
            self.log.close()
        c = self.counters
        return Outcome(self.networks, self.notes, c.step, c.seconds, c.images, self.plans, self.threads.record(c.taken))

    def _begin_part(self, i: int) -> None:
        """Where stage `i` is the first of an extension: notes when that began, and says so."""
        c, part = self.counters, self.course.parts[i]
        if part <= c.part:
            return
        c.part, c.since = part, self._seconds()
        more, names = self.extensions[part - 1], [s.name for s in self.course.part(i)]
        self.log.write(event="extended", stage=names[0], step=c.step, seconds=c.since, **asdict(more), stages=names)
        self.display.say(f"{more} more, after {c.step:,} steps: {', '.join(names)}")

    def _fit(self, stage: Fit) -> None:
        self._save(None)
        self.display.start(stage.name, "fitting")
        before = self._seconds()
        with torch.no_grad():
            notes = self._fitted(stage)
            for module in (m for net in self.networks.values() for m in net.modules()):
                for key, buffer in module.named_buffers(recurse=False):
                    # a checkpoint keeps values, not strides, and a product of matrices rounds differently with others
                    setattr(module, key, buffer.contiguous())
        self.notes[stage.name] = notes
        self._note(stage.name, {**notes, "took": round(self._seconds() - before, 2)})

    def _fitted(self, stage: Fit) -> dict[str, Any]:
        """Runs the stage on rank 0, which sees all data as in one process; the others take what it found."""
        if not self.ranks.several:
            return stage.run(self.networks, self.view)

        def fit() -> tuple[dict[str, Tensor], dict[str, Any]]:
            notes = stage.run(self.networks, self.view)
            return random_state(self.device), notes

        random, notes = self.ranks.tensors_from_first(fit)
        load_random_state(random, self.device)  # a fit may draw
        self.ranks.take_first(self.networks)
        return notes

    def _train(self, stage: Stage, tensors: dict[str, Tensor] | None) -> None:
        c = self.counters
        run = self._start_stage(stage)
        if tensors:
            run.load(tensors, self._stage_meta)
        plan = self.plans.setdefault(stage.name, Plan(stage.warmup))
        if tensors is None:
            c.looked = c.images
            self._good = None
            self._save(run)
        if self._good is None:
            self._keep_good(run)
        self.display.start(stage.name)
        # a critic is penalised every 4th step
        self.threads.begin(math.lcm(*(p.every for p in stage.phases), 4 if any(p.critic for p in stage.phases) else 1))
        (budget,) = self.ranks.of_first(self._stage_seconds() if not plan.knots else 0.0)
        timing = Timing(budget, c.stage_step)
        since = (time.monotonic(), c.images)
        while not plan.knots or c.stage_step < plan.total:
            if not plan.knots or timing.active:
                self._replan(plan, timing)
            if told := self.threads.before_step(c.taken):
                self._tell_threads(*told)
            batch = to_device(self.loader.next(), self.device)
            at = Clock(c.stage_step, plan.progress(c.stage_step))
            for phase in stage.phases:
                held = phase.hold and c.stage_step < plan.head_start
                if not held and c.stage_step % phase.every == 0:
                    self._turn(run, phase, plan, batch, at)
            run.ema.update()
            c.stage_step += 1
            c.step += 1
            c.taken += 1
            c.images += len(batch.x) * self.ranks.size
            self.threads.after_step()

            if c.stage_step % LOOK_EVERY == 0 and run.guard.gives_up:
                self._not_finite(run)
                since = (time.monotonic(), c.images)
                continue
            last = bool(plan.knots) and c.stage_step >= plan.total
            every = max(1, min(20, plan.total // 20)) if plan.knots else 20
            if c.stage_step % every == 0 or last:
                now = time.monotonic()
                speed = (c.images - since[1]) / max(now - since[0], 1e-9)
                since = (now, c.images)
                self._report(run, plan, speed)
            if self.pictures and (last or self.pictures.due(plan, c.stage_step)):
                with run.ema.applied():
                    path = self.pictures.draw(self.networks, stage, c.step)
                self.log.picture(c.step, f"{stage.name}/samples", path)
                self.display.picture(path)
            if plan.knots and due(plan.progress(c.stage_step - 1), plan.progress(c.stage_step), c.images - c.looked):
                change = self._look(run, plan)
                if change is not None:
                    self._change(run, plan, change)
                    since = (time.monotonic(), c.images)
                    continue
            if self._seconds() - self._saved_at > self.config.checkpoint_every and run.guard.healthy:
                self._save(run)
            self._check_stop(run)
        if told := self.threads.end(c.taken):
            self._tell_threads(*told)
        run.ema.adopt()

    def _turn(self, run: Running, phase: Phase, plan: Plan, batch: Batch, at: Clock) -> None:
        """One phase of one step: unfreeze, forward, backward, step."""
        for name, net in self.networks.items():
            net.requires_grad_(name in phase.trains)
        optimizer = run.optimizers[phase.name]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        total, loss = self._gradients(run, phase, batch, at)
        logged = {"total": total, **scalars([("terms", loss.terms), ("watch", loss.watch)])}
        logged = self.ranks.average(parameters, logged)
        if run.scaler:
            run.scaler.unscale_(optimizer)
        norm = run.guard.admit(phase.name, optimizer, logged["total"], parameters, phase.clip)
        # a phase that waited for the warm-up has its own afterwards
        rate = plan.rate(at.step, phase.final)
        if phase.hold:
            rate *= min(1.0, (at.step - plan.head_start + 1) / max(plan.warmup, 1))
        rate *= self.counters.rate_scale * (self.counters.critic_scale if phase.critic else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        if run.scaler:
            run.scaler.step(optimizer)
            run.scaler.update()
        else:
            optimizer.step()
        run.means.add("terms", {f"{phase.name}.{k}": logged[f"terms/{k}"] for k in loss.terms})
        run.means.add("terms", {f"{phase.name}.|grad|": norm})
        run.means.add("watch", {k: logged[f"watch/{k}"] for k in loss.watch})

    def _gradients(self, run: Running, phase: Phase, batch: Batch, at: Clock) -> tuple[Tensor, Loss]:
        """Forward and backward, in as many pieces as memory asks for; the total and the means of what the phase returned."""
        pack, c = int(getattr(self.strategy, "pack", 1)), self.counters
        scale = run.scaler.scale if run.scaler else lambda total: total
        while True:
            run.optimizers[phase.name].zero_grad(set_to_none=True)
            try:
                return accumulate(
                    split(batch, c.parts, pack), lambda piece: phase.loss(self.networks, piece, at),
                    self._forward, scale,
                )  # fmt: skip
            except (RuntimeError, MemoryError) as error:
                # one rank by itself cannot go back: the others are waiting in the middle of this loss
                alone = out_of_memory(error) and not self.ranks.several
                parts = halved(c.parts, len(batch.x), pack) if alone else None
                if parts is None:
                    raise
            # behind the handler, whose traceback holds on to what was allocated
            c.parts = parts
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            size = -(-len(batch.x) // parts)
            self.log.write(
                event="memory", stage=run.stage.name, step=c.step, phase=phase.name, parts=parts, micro_batch=size
            )
            self.display.say(
                f"{run.stage.name}: memory ran out at step {c.step}; batches of {len(batch.x)} go on as {parts} × {size}"
            )

    @contextmanager
    def _forward(self) -> Iterator[None]:
        with autocast(self.device, self.precision), self.ranks.computing():
            yield

    # --- budgets --------------------------------------------------------------------------------------------------

    def _stage_seconds(self) -> float:
        """Seconds that the current stage may take: its share of what is left."""
        c = self.counters
        minutes = self.extensions[c.part - 1].minutes if c.part else self.config.minutes
        if minutes is None:
            raise UserError("A run needs a budget.", "Give --minutes or --steps.")
        left = minutes * 60 - (self._seconds() - c.since)
        return max(0.0, left) * self.stages[c.stage].share / sum(s.share for s in self.course.part(c.stage))

    def _replan(self, plan: Plan, timing: Timing) -> None:
        """Times the first steps, then sets the number of steps; looks again at `REPLAN_AT`."""
        step = self.counters.stage_step
        first = not plan.knots
        if first:
            ready = timing.ready(step, plan.warmup)
        else:
            ready = timing.active and plan.progress(step) >= REPLAN_AT[timing.looks - 1]
        if self.ranks.several:  # rank 0's clock counts
            ready = step % LOOK_EVERY == 0 and bool(self.ranks.of_first(ready)[0])
        if ready:
            plan.replan(step, *self.ranks.of_first(*timing.look(step)))
            self.log.write(
                event="plan", stage=self.stages[self.counters.stage].name, step=self.counters.step, knots=plan.knots
            )

    # --- threads --------------------------------------------------------------------------------------------------

    def _tell_threads(self, change: ThreadChange, turn: Turn) -> None:
        """Another number of threads from the next step on, which is in force already."""
        at = self.counters.step
        speeds = {str(k): round(v * self.strategy.batch_size, 1) for k, v in turn.speeds.items()}
        self.log.write(
            event=THREADS, step=at, taken=change.taken, trial=change.trial,
            **{"from": turn.origin, "to": turn.to}, **({"speeds": speeds} if speeds else {}),
        )  # fmt: skip
        if change.trial or self._seconds() < self._threads_told + 60:  # all changes are in the log
            return
        self._threads_told = self._seconds()
        known = [f"{speeds[str(k)]:,.0f}" for k in (turn.to, turn.origin) if str(k) in speeds]
        faster = f": {' instead of '.join(known)} images/s" if len(known) > 1 else ""
        self.display.say(f"threads: {turn.to} instead of {turn.origin} from step {at}{faster}")

    # --- state ----------------------------------------------------------------------------------------------------

    def _start_stage(self, stage: Stage) -> Running:
        return Running.start(stage, self.networks, self.device, self.precision)

    def _state(self, run: Running | None) -> State:
        """All of it; `run` is None between stages."""
        c = self.counters
        tensors = {f"net/{k}/{key}": v for k, net in self.networks.items() for key, v in net.state_dict().items()}
        tensors |= {f"random/{k}": v for k, v in random_state(self.device).items()}
        meta: dict[str, Any] = {
            "counters": asdict(c),
            "plans": {k: asdict(p) for k, p in self.plans.items()},
            "threads": self.threads.record(c.taken).to_plain(),
            "loader": self.loader.state_dict(),
            "data": self.data.fingerprint,
            "notes": self.notes,
            "stages": [s.name for s in self.stages],
            "settings": self.settings,
            "best": asdict(self.watch.best) if self.watch.best.step >= 0 else None,
        }
        if run is not None and c.stage_step > 0:
            more, plain = run.state()
            tensors, meta = tensors | more, meta | plain
        return tensors, meta

    def _save(self, run: Running | None) -> None:
        """Writes a checkpoint, and the state to go back to if it is a new one; `run` is None between stages."""
        self.counters.seconds = self._seconds()
        if not self.ranks.first:
            return
        if run is not None and self._good is not None:
            at = int(self._good[1]["counters"]["step"])
            if at != self._good_written:  # before the checkpoint that counts on it
                self.checkpoints.save_good(at, *self._good)
                self._good_written = at
        self.checkpoints.save(self.counters.step, *self._state(run))
        self._saved_at = self.counters.seconds

    def _keep_good(self, run: Running) -> None:
        """Keeps the present state in memory, to go back to."""
        if self.config.guard != "auto" and not self.early_stop:
            return
        tensors, meta = self._state(run)
        if self.ranks.first:
            self._good = {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}, deepcopy(meta)

    def _load(self) -> dict[str, Tensor] | None:
        """Takes the newest whole checkpoint; returns the tensors of the stage it stands in, None behind the last."""
        tensors, (meta, damaged) = self.ranks.tensors_from_first(self._newest)
        for message in damaged:
            self.display.say(f"{message} Going on from the checkpoint before it.")
        if meta["data"] != self.data.fingerprint:
            raise UserError(
                f"The data is not what this run was trained on ({self.data.source} has changed).",
                "Train in a new folder with --out, or bring the data back.",
            )
        if not self.course.begins_with(meta["stages"]):
            raise UserError(
                "The run's stages are not those of this version.", "Start again in a new folder with --out."
            )
        then = meta.get("settings", {})
        if changed := {k: v for k, v in self.settings.items() if v != then.get(k, v)}:
            what = ", ".join(f"{k}: {then[k]} → {v}" for k, v in changed.items())
            raise UserError(
                f"{self.folder / 'config.yaml'} is not what this run was trained with ({what}).",
                "Bring it back, or train in a new folder with --out.",
            )
        stage = self._adopt(tensors, meta)
        log = [] if self.ranks.several else read_log(self.folder / "log.jsonl")
        self.threads.resume(meta.get("threads"), log, self.counters.taken, self.counters.step)
        if self.ranks.first and stage:
            self._good = self.checkpoints.good(self.counters.step)
            if self._good is not None and self._good[1]["counters"]["stage"] != self.counters.stage:
                self._good = None
            self._good_written = -1 if self._good is None else int(self._good[1]["counters"]["step"])
        return stage if self.counters.stage < len(meta["stages"]) else None

    def _adopt(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Tensor]:
        """Takes a state; returns the tensors of the stage it stands in."""
        # in place: the loop holds on to it; checkpoints of older versions do not count what was taken back
        vars(self.counters).update({"taken": meta["counters"]["step"], **meta["counters"]})
        self.notes = meta["notes"]
        self.watch.best = Best(**meta["best"]) if meta.get("best") else Best()
        self.plans = {**self.plans, **{k: Plan.from_plain(p) for k, p in meta["plans"].items()}}
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition("/")
            if kind == "net":
                name, _, rest = rest.partition("/")
                groups.setdefault(f"net/{name}", {})[rest] = value
            else:
                groups.setdefault(kind, {})[rest] = value
        for name, net in self.networks.items():
            try:
                net.load_state_dict(groups.get(f"net/{name}", {}))
            except RuntimeError as error:
                raise UserError(
                    f"The checkpoint's {name} is not of this shape: {str(error).splitlines()[-1].strip()}",
                    "Resume with the networks that it was trained with, or train in a new folder with --out.",
                ) from error
        self.loader.load_state_dict(meta["loader"])
        load_random_state(groups["random"], self.device)
        self._stage_meta = meta
        return {f"{kind}/{k}": v for kind in ("ema", "opt", "guard", "means") for k, v in groups.get(kind, {}).items()}

    def _newest(self) -> tuple[dict[str, Tensor], tuple[dict[str, Any], list[str]]]:
        tensors, meta, damaged = self.checkpoints.newest()
        return tensors, (meta, damaged)

    # --- when it goes wrong ---------------------------------------------------------------------------------------

    def _not_finite(self, run: Running) -> None:
        """Too many steps in a row were left out: back to the last checkpoint, with half the rates."""
        at = self.counters
        if at.rollbacks >= Guard.rollbacks:
            self.log.write(event="guard", stage=run.stage.name, step=at.step, action="stop")
            raise UserError(
                f"Training diverged {at.rollbacks + 1} times in stage '{run.stage.name}' (step {at.step}): "
                "the loss or its gradient is not finite.",
                "Lower the rates (--set), or train with --precision fp32.",
            )
        tensors, (meta, _) = self.ranks.tensors_from_first(self._newest)
        self._roll_back(run, (tensors, meta), Change("not finite", "rates"))

    def _roll_back(self, run: Running, state: State, change: Change) -> None:
        """Back to an earlier state of this stage with one thing changed; the data goes on, so other batches follow."""
        at, plans, batches, seconds = replace(self.counters), self.plans, self.loader.state_dict(), self._seconds()
        self._take_back(run, state)
        self.plans = plans  # what the state knew of them may be less
        self.loader.load_state_dict(batches)
        c = self.counters
        c.rollbacks, c.parts, c.taken, c.seconds = at.rollbacks + 1, at.parts, at.taken, seconds
        c.rate_scale = at.rate_scale / (2 if change.what == "rates" else 1)
        c.critic_scale = at.critic_scale / (2 if change.what == "critic" else 1)
        torch.manual_seed(self.config.seed + 1000 * c.rollbacks)
        self.log.write(
            event="guard", stage=run.stage.name, step=c.step, action="rollback", why=change.why, from_step=at.step,
            rate_scale=c.rate_scale, critic_scale=c.critic_scale,
        )  # fmt: skip
        rates = f"rates × {c.rate_scale:g}" if change.what == "rates" else f"the critic's rates × {c.critic_scale:g}"
        self.display.say(f"{run.stage.name}: {change.why} at step {at.step}; back to step {c.step} with {rates}")
        self._save(run)

    def _take_back(self, run: Running, state: State) -> None:
        tensors = self._adopt(*state)
        if tensors:
            run.load(tensors, self._stage_meta)
        else:  # the stage's first step
            vars(run).update(vars(self._start_stage(run.stage)))

    def _look(self, run: Running, plan: Plan) -> Change | None:
        """At a tick: measures what the model makes, keeps the best, and asks the doctor; what to do, if anything."""
        self.counters.looked = self.counters.images
        if not self.ranks.several:
            return self._visit(run, plan)

        def told() -> list[Any]:
            change = self._visit(run, plan)
            return [] if change is None else [change.why, change.what]

        plain = self.ranks.from_first(told)
        return Change(*plain) if plain else None

    def _visit(self, run: Running, plan: Plan) -> Change | None:
        c, name = self.counters, run.stage.name
        watched = self.config.guard != "off" or self.early_stop
        if not watched and self.save_best is None:
            return None
        with run.ema.applied():
            look, better = self.watch.look(self.networks, c.step, samples=run.stage.preview == "sample")
            if better and self.save_best is not None:
                self.save_best(self.networks, c, self.notes)
        figures = look.found()
        if not figures:
            return None
        self.log.write(
            event="tick", stage=name, step=c.step, seconds=round(self._seconds(), 3),
            progress=round(plan.progress(c.stage_step), 4), kept=better, **figures,
        )  # fmt: skip
        if not watched:
            return None
        seen: Visit = visit(
            read_log(self.log.path), name,
            guard=self.config.guard, early_stop=self.early_stop, changes_left=Guard.rollbacks - c.rollbacks,
        )  # fmt: skip
        for finding in seen.new:
            self.log.write(event="diagnosis", step=c.step, **asdict(finding))
            self.display.say(str(finding))
        if seen.good and run.guard.healthy:
            self._keep_good(run)
        return seen.change

    def _change(self, run: Running, plan: Plan, change: Change) -> None:
        """Does what the doctor asks for."""
        state = self.ranks.tensors_from_first(self._the_good)
        if change.what != "stop":
            return self._roll_back(run, state, change)
        at, taken, seconds = self.counters.step, self.counters.taken, self._seconds()
        self._take_back(run, state)
        self.plans[run.stage.name] = plan
        self.counters.taken, self.counters.seconds = taken, seconds
        plan.stop(self.counters.stage_step)
        self._save(run)
        self.log.write(
            event="stop", stage=run.stage.name, step=self.counters.step, from_step=at, why=change.why, knots=plan.knots
        )
        self.display.say(
            f"{run.stage.name}: {change.why} at step {at}; the stage ends with the model of step {self.counters.step}"
        )

    def _the_good(self) -> State:
        if self._good is None:
            tensors, (meta, _) = self._newest()
            return tensors, meta
        tensors, meta = self._good
        # copies: an optimiser goes on in the tensors that it is given, and this state may be wanted again
        return {k: v.clone() for k, v in tensors.items()}, deepcopy(meta)

    def _check_stop(self, run: Running | None) -> None:
        if self.ranks.several:
            if run is not None and self.counters.stage_step % LOOK_EVERY:
                return
            self.stop.signum = self.ranks.highest(self.stop.signum or 0) or None
        if self.stop.signum is None:
            return
        if run is None or run.guard.healthy:
            if run is None:  # the stage is over
                self.counters.stage += 1
                self.counters.stage_step = 0
            self._save(run)
        raise Interrupted(self.stop.signum, self.counters.step)

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    # --- what people see ------------------------------------------------------------------------------------------

    def _note(self, stage: str, notes: dict[str, Any]) -> None:
        self.log.write(event="note", stage=stage, step=self.counters.step, **notes)
        self.display.say(f"{stage}: " + ", ".join(f"{k} {short(v)}" for k, v in notes.items()))

    def _report(self, run: Running, plan: Plan, speed: float) -> None:
        c = self.counters
        values = run.means.flush()
        skipped = int(run.guard.skipped)
        rates = {k: float(o.param_groups[0]["lr"]) for k, o in run.optimizers.items()}
        self.log.write(
            step=c.step, stage=run.stage.name, stage_step=c.stage_step, seconds=round(self._seconds(), 3), images=c.images,
            images_per_second=round(speed, 1), **values, rates=rates, **({"skipped": skipped} if skipped else {}),
        )  # fmt: skip
        if plan.knots:
            left = (plan.total - c.stage_step) * self.strategy.batch_size / max(speed, 1e-9)
            count, rest = f"{c.stage_step}/{plan.total}", f"{clock(left)} left"
        else:
            count, rest = f"{c.stage_step}", "timing the first steps"
        shown = {**values.get("terms", {}), **values.get("watch", {})}
        losses = "  ".join(f"{k} {short(v)}" for k, v in shown.items() if "|grad|" not in k)
        trouble = f"  skipped {skipped}" if skipped else ""
        self.display.update(
            run.stage.name,
            plan.progress(c.stage_step),
            f"step {count}  {speed:,.0f} images/s  {rest}  {losses}{trouble}",
        )
