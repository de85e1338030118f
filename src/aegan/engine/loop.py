"""The one training loop. Read `Engine.run` from the top; a strategy only says which phases run and what they minimise."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aegan import events
from aegan.collectives import computing
from aegan.config import SMALL, RunConfig, as_plain
from aegan.cores import asked_threads
from aegan.data.loader import Batch, Loader
from aegan.data.spec import Data, DataSpec
from aegan.engine import recovery
from aegan.engine.codes import give_codes
from aegan.engine.device import autocast, describe_machine, pick_device, pick_precision
from aegan.engine.extend import Course, Extension
from aegan.engine.finite import LOOK_EVERY
from aegan.engine.log import Display, RunLog
from aegan.engine.loggers import Loggers, chosen
from aegan.engine.memory import accumulate, halved, out_of_memory, split
from aegan.engine.monitor import Monitor, due
from aegan.engine.previews import Previews
from aegan.engine.ranks import Ranks
from aegan.engine.reports import Reports
from aegan.engine.saving import Saving
from aegan.engine.schedule import Plan, Timing, replan, stage_seconds
from aegan.engine.stage_state import Counters, Outcome, StageState, State
from aegan.engine.state import Checkpoints, load_random_state, random_state
from aegan.engine.thread_record import Record, Threads, adapts
from aegan.engine.view import DataView, to_device
from aegan.errors import TooLittleMemory
from aegan.jsonl import read_log
from aegan.networks import use_networks
from aegan.signals import Interrupted, Stop
from aegan.strategies import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.torch_state import seed_random


class Engine:
    """Trains one strategy on one data set into one folder.

    Args:
        config: the run's settings; either `minutes` or `steps` is set.
        folder: RUN; exists and holds no other run.
        plans: steps of each stage from an earlier run, to repeat it; takes the place of minutes and steps.
        threads: those of that run, step by step.
        save_model: called with the networks, the counters and the notes at the end of each stage that can make samples.
        save_best: the same, whenever samples are nearer to the training data than before; see `aegan.engine.monitor`.
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
        self.monitor = Monitor(strategy, data, self.device)
        self.notes: dict[str, dict[str, Any]] = {}
        self.plans = {**self.course.plans, **(plans or {})}
        self.counters = Counters()
        asked = replace(config, **asdict(self.extensions[-1])) if self.extensions else config
        planned = threads is None and all(s.name in (plans or {}) for s in self.stages if isinstance(s, Stage))
        adapting = adapts(asked, self.device, several=self.ranks.several, planned=planned)
        self.threads = Threads(asked_threads(config.threads), adapts=adapting, record=threads)
        self.stop = Stop()
        small = data.spec.is_image and len(data.train) < SMALL
        self.early_stop = small if config.early_stop == "auto" else config.early_stop == "on"
        self.reports, self.saving = Reports(self), Saving(self)
        self._began = 0.0
        self._build(networks, initial)
        self.begin = begin if self.ranks.first else None
        share = self.ranks.divide(strategy.batch_size, strategy.pack)
        self.loader = Loader(data.train, strategy.batch_size, seed=config.seed, flip=config.mirror, share=share)
        shown = replace(data, spec=self.spec)
        self.previews = Previews(strategy, shown, self.device, folder / "samples") if self.ranks.first else None

    def _build(self, own: Networks | None, initial: Callable[[Networks, DataSpec], dict[str, Any]] | None) -> None:
        """The networks before the first step."""
        seed_random(self.config.seed, self.device)
        built = self.strategy.build(self.spec)
        if own:
            s = self.strategy
            built = use_networks(built, own, self.spec, strategy=s.name, alone=s.penalised, fixed=s.fixed_networks)
        self.init = self.ranks.broadcast_object(lambda: initial(built, self.spec)) if initial is not None else {}
        self.networks: Networks = {k: net.to(self.device) for k, net in built.items()}
        self.ranks.take_first(self.networks)

    # --- the run --------------------------------------------------------------------------------------------------

    def run(self, resume: bool = False) -> Outcome:
        """Trains to the end of the budget.

        Raises:
            Interrupted: a signal asked it to stop (see `aegan.signals`); a checkpoint was written.
            UserError: training diverged for good, or the folder cannot be written.
        """
        state = self.saving.load() if resume else None
        give_codes(self)
        if self.begin is not None:
            self.begin()
        self._open_log()
        self._began = time.monotonic() - self.counters.seconds
        try:
            self._write_start(resume)
            with self.stop.listening():
                self._run_stages(state)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            stage = self.stages[min(self.counters.stage, len(self.stages) - 1)]
            raise TooLittleMemory(
                f"Memory ran out in stage '{stage.name}' (step {self.counters.step}).",
                "Use a smaller --batch-size or --size in a new folder, or free memory and go on with --resume.",
            ) from error
        finally:
            self.threads.restore()
            self.display.close()
            self.log.close()
        c = self.counters
        return Outcome(self.networks, self.notes, c.step, c.seconds, c.images, self.plans, self.threads.record(c.taken))

    def _open_log(self) -> None:
        loggers = Loggers(chosen(self.config.logger) if self.ranks.first else (), self.folder, self.display.say)
        path = self.folder / "log.jsonl" if self.ranks.first else Path(os.devnull)
        ahead = self.threads.lines_ahead(read_log(path)) if path.is_file() else []  # a device has no end
        self.log = RunLog(path, self.counters.step, loggers, ahead)
        loggers.begin(as_plain({**asdict(self.config), "options": asdict(self.strategy)}), self.counters.step)

    def _write_start(self, resume: bool) -> None:
        turn = self.threads.start(self.counters.taken)
        machine = {"precision": self.precision, "processes": self.ranks.size, **describe_machine(self.device)}
        self.log.write(events.Start(resume, machine))
        if self.init and not resume:
            self.log.write(events.Init(0, **self.init))
        self.reports.threads(turn)
        if self.threads.missing:
            self.display.say(
                f"The run's record has {self.threads.missing} threads more than this machine has cores; it goes on with "
                "fewer, so weights may differ in their last bits."
            )

    def _run_stages(self, state: State | None) -> None:
        """All stages that are left; `state`: of the first of them, if it was stopped on the way."""
        for i in range(self.counters.stage, len(self.stages)):
            stage = self.stages[i]
            if state is None:
                self.counters.stage, self.counters.stage_step = i, 0
            self._begin_part(i)
            self.log.write(events.Stage(stage.name, self.counters.step, self.seconds()))
            if isinstance(stage, Fit):
                self._fit(stage)
            else:
                self._train(stage, state)
            state = None
            # an extension leaves the whole model in its place until all that belongs together has been trained anew
            if self.save_model is not None and (not self.course.parts[i] or len(self.course.part(i)) == 1):
                self.save_model(self.networks, self.counters, self.notes)
            if isinstance(stage, Fit):
                self._check_stop(None)
        if self.counters.stage == len(self.stages) and self.save_model is not None:
            # resumed at its very end: a model that was lost or damaged since is written again
            self.save_model(self.networks, self.counters, self.notes)
        self.counters.stage = len(self.stages)
        self.saving.save(None)
        self.log.write(events.Done(self.counters.step, self.seconds(), self.counters.images))

    def _begin_part(self, i: int) -> None:
        """Where stage `i` is the first of an extension: notes when that began, and says so."""
        c, part = self.counters, self.course.parts[i]
        if part > c.part:
            c.part, c.since = part, self.seconds()
            more, names = self.extensions[part - 1], [s.name for s in self.course.part(i)]
            self.log.write(events.Extended(names[0], c.step, c.since, more.minutes, more.steps, names))
            self.display.say(f"{more} more, after {c.step:,} steps: {', '.join(names)}")

    def _fit(self, stage: Fit) -> None:
        """Runs the stage on rank 0, which sees all data as in one process; the others take what it found."""

        def fit() -> tuple[dict[str, Tensor], dict[str, Any]]:
            notes = stage.run(self.networks, self.view)
            return random_state(self.device), notes

        self.saving.save(None)
        self.display.start(stage.name, "fitting")
        before = self.seconds()
        with torch.no_grad():
            random, notes = self.ranks.tensors_from_first(fit)
            load_random_state(random, self.device)  # a fit may draw
            self.ranks.take_first(self.networks)
            for module in (m for net in self.networks.values() for m in net.modules()):
                for key, buffer in module.named_buffers(recurse=False):
                    # a checkpoint keeps values, not strides, and a product of matrices rounds differently with others
                    setattr(module, key, buffer.contiguous())
        self.notes[stage.name] = notes
        self.reports.note(stage.name, notes, round(self.seconds() - before, 2))

    def _train(self, stage: Stage, state: State | None) -> None:
        c = self.counters
        run = StageState.start(stage, self.networks, self.device, self.precision)
        if state is not None and state[0]:
            run.load(*state)
        plan = self.plans.setdefault(stage.name, Plan(stage.warmup))
        if state is None:
            c.looked = c.images
            self.saving.good = None
            self.saving.save(run)
        if self.saving.good is None:
            self.saving.keep(run)
        self.display.start(stage.name)
        # a critic is penalised every 4th step
        self.threads.begin(math.lcm(*(p.every for p in stage.phases), 4 if any(p.critic for p in stage.phases) else 1))
        (seconds,) = self.ranks.broadcast(0.0 if plan.knots else stage_seconds(self))
        timing = Timing(seconds, c.stage_step)
        self.reports.start_clock()
        while not plan.knots or c.stage_step < plan.total:
            if not plan.knots or timing.active:
                replan(self, plan, timing)
            self.reports.threads(self.threads.before_step(c.taken))
            self._step(run, plan)
            self.threads.after_step()

            if c.stage_step % LOOK_EVERY == 0 and run.check.should_roll_back:
                recovery.not_finite(self, run)
                self.reports.start_clock()
                continue
            last = bool(plan.knots) and c.stage_step >= plan.total
            every = max(1, min(20, plan.total // 20)) if plan.knots else 20
            if c.stage_step % every == 0 or last:
                self.reports.progress(run, plan)
            if self.previews and (last or self.previews.due(plan, c.stage_step)):
                with run.ema.applied():
                    path = self.previews.draw(self.networks, stage, c.step)
                self.log.loggers.images(c.step, f"{stage.name}/samples", path)
                self.display.picture(path)
            look = due(plan.progress(c.stage_step - 1), plan.progress(c.stage_step), c.images - c.looked)
            if plan.knots and look and (change := recovery.look(self, run, plan)) is not None:
                recovery.apply(self, run, plan, change)
                self.reports.start_clock()
                continue
            if self.seconds() - self.saving.saved_at > self.config.checkpoint_every and run.check.healthy:
                self.saving.save(run)
            self._check_stop(run)
        self.reports.threads(self.threads.end(c.taken))
        run.ema.adopt()

    def _step(self, run: StageState, plan: Plan) -> None:
        """One batch through all phases of the stage, and the averages."""
        c = self.counters
        batch = to_device(self.loader.next(), self.device)
        at = Clock(c.stage_step, plan.progress(c.stage_step))
        for phase in run.stage.phases:
            held = phase.hold and c.stage_step < plan.head_start
            if not held and c.stage_step % phase.every == 0:
                self._update(run, phase, plan, batch, at)
        run.ema.update()
        c.stage_step += 1
        c.step += 1
        c.taken += 1
        c.images += len(batch.x) * self.ranks.size

    def _update(self, run: StageState, phase: Phase, plan: Plan, batch: Batch, at: Clock) -> None:
        """One phase of one step: unfreeze, forward, backward, step."""
        for name, net in self.networks.items():
            net.requires_grad_(name in phase.trains)
        optimizer = run.optimizers[phase.name]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        total, loss = self._gradients(run, phase, batch, at)
        logged = {f"terms/{phase.name}.{k}": v for k, v in loss.terms.items()}
        logged |= {f"watch/{k}": v for k, v in loss.watch.items()}
        logged = self.ranks.average(parameters, {"total": total, **logged})
        total = logged.pop("total")
        run.scaler.unscale_(optimizer)
        norm = run.check.clip_and_skip_nonfinite(phase.name, optimizer, total, parameters, phase.clip)
        # a phase that waited for the warm-up has its own afterwards
        rate = plan.rate(at.step, phase.final)
        if phase.hold:
            rate *= min(1.0, (at.step - plan.head_start + 1) / max(plan.warmup, 1))
        rate *= self.counters.rate_scale * (self.counters.critic_scale if phase.critic else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        run.scaler.step(optimizer)
        run.scaler.update()
        run.means.add({**logged, f"terms/{phase.name}.|grad|": norm})

    def _gradients(self, run: StageState, phase: Phase, batch: Batch, at: Clock) -> tuple[Tensor, Loss]:
        """Forward and backward, in as many pieces as memory asks for; the total and the means of what the phase returned."""
        pack, c = self.strategy.pack, self.counters

        def forward(piece: Batch) -> Loss:
            with autocast(self.device, self.precision), computing(self.loader.share):
                return phase.loss(self.networks, piece, at)

        while True:
            run.optimizers[phase.name].zero_grad(set_to_none=True)
            try:
                return accumulate(split(batch, c.parts, pack), forward, run.scaler.scale)
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
            self.log.write(events.Memory(run.stage.name, c.step, phase.name, parts, size))
            self.display.say(
                f"{run.stage.name}: memory ran out at step {c.step}; batches of {len(batch.x)} go on as {parts} × {size}"
            )

    def _check_stop(self, run: StageState | None) -> None:
        if self.ranks.several:
            if run is not None and self.counters.stage_step % LOOK_EVERY:
                return
            self.stop.signum = self.ranks.highest(self.stop.signum or 0) or None
        if self.stop.signum is None:
            return
        if run is None or run.check.healthy:
            if run is None:  # the stage is over
                self.counters.stage += 1
                self.counters.stage_step = 0
            self.saving.save(run)
        raise Interrupted(self.stop.signum, self.counters.step, self.folder)

    def seconds(self) -> float:
        return time.monotonic() - self._began
