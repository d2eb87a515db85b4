"""The one loop: a run is trained here, epoch by epoch, step by step, whatever its data set and method.

Read top to bottom: `train` is a run, `epoch` a pass over the training clips, `step` what happens to a batch.
The global batch is the setting: processes and micro-batches share it out, and every clip's loss counts once,
so that one process or two, one micro-batch or four, train the same. Who trains what, where, is `schedule`'s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from harness import evaluation
from harness.learner import Learner, Loss
from harness.loading import Split, as_picks
from harness.methods import Batch, Context, Trace
from harness.protocol import Train
from harness.sentinels import Ending, Epoch, Group, Setup, Step
from harness.sharing import Share, epoch_picks, gather, share
from harness.tally import Tally
from harness.watch import Watch

EVALUATION_BATCH = 128  # clips; has no influence on any number


class NotFinite(Exception):
    """The loss became NaN or infinite: the run is stopped, not continued on garbage."""


class Viewer(Protocol):
    """Who wants to see a run while it trains (the progress bar)."""

    def step(self, epoch: int, live: Callable[[], dict[str, str]]) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None: ...
    def alarm(self, row: dict[str, Any]) -> None: ...


@dataclass
class Outcome:
    """What a run leaves: its history and, for `val` and `test`, probabilities `[N, K]` at the selected epoch."""

    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = -1
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    score: float = -math.inf


def train(
    learner: Learner,
    splits: dict[str, Split],
    settings: Train,
    metric: str,
    seed: int,
    accelerator: Accelerator,
    viewer: Viewer,
    history: list[dict[str, Any]],
    watch: Watch,
) -> Outcome:
    """Trains one run and evaluates the selected epoch; appends a row an epoch to `history` as it goes.

    `selection = "val"` keeps the epoch with the best validation metric, `"last"` the last one; both read `test`
    once, at the end. `"oracle"` chooses on test, as part of the field does, and is marked wherever it is shown.
    """
    chosen_on = "test" if settings.selection == "oracle" else "val"
    loop = _Loop(learner, splits["train"], settings, metric, seed, accelerator, viewer, watch)
    outcome, kept = Outcome(history), {}
    for epoch in range(settings.epochs):
        began = time.monotonic()
        row = loop.epoch(epoch)
        watch.evaluating()
        probabilities = predict(learner, splits[chosen_on], accelerator)
        row[chosen_on] = _scores(probabilities, splits[chosen_on])
        loop.judge(row, probabilities, splits[chosen_on])
        row["duration_s"] = round(time.monotonic() - began, 3)
        history.append(row)
        viewer.epoch(row)
        score = row[chosen_on][metric] if settings.selection != "last" else float(epoch)
        if score > outcome.score:
            outcome.score, outcome.epoch, kept = score, epoch, _weights(learner)
    missing = _restore(learner, kept)
    outcome.probabilities = {name: predict(learner, splits[name], accelerator) for name in ("val", "test")}
    clips = {name: len(splits[name]) for name in outcome.probabilities}
    predictions = {name: len(rows) for name, rows in outcome.probabilities.items()}
    watch.ending(Ending(learner, missing, clips, predictions, outcome.epoch))
    return outcome


class _Loop:
    """One run's learner, optimiser and training clips, and what happens to them epoch by epoch."""

    def __init__(
        self,
        learner: Learner,
        split: Split,
        settings: Train,
        metric: str,
        seed: int,
        accelerator: Accelerator,
        viewer: Viewer,
        watch: Watch,
    ) -> None:
        self.learner, self.split, self.settings = learner, split, settings
        self.accelerator, self.viewer, self.watch = accelerator, viewer, watch
        optimizer = _optimizer(learner, settings)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: _rate(settings, epoch))
        self.model, self.optimizer = accelerator.prepare(learner, optimizer)
        counts = torch.bincount(split.labels, minlength=split.classes)
        self.ctx = Context(model=learner.model, seed=seed, counts=counts)
        steps = math.ceil(len(split) / settings.batch_size)
        watch.setup(Setup(learner, _groups(learner, self.optimizer), settings, metric, steps))

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training clips; the row that it adds to the history, without validation."""
        ctx, settings, split = self.ctx, self.settings, self.split
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        torch.manual_seed(hash((ctx.seed, epoch, rank)) % 2**31)  # dropout: repeatable, different by process
        self.model.train()
        self.tally = tally = Tally(split.classes, self.accelerator.device)
        steps = epoch_picks(split.labels_on_cpu, settings.batch_size, ctx.seed, epoch, self.learner.parts)
        shares = [share(step, rank, world, settings.accumulation) for step in steps]
        batches = split.batches([micro.picks for micros in shares for micro in micros])
        self.order = np.array([at for step in steps for at, _ in step], dtype=np.int64)
        self.picked = np.bincount(split.labels_on_cpu[self.order], minlength=split.classes)
        ctx.epoch = epoch
        for ctx.step, micros in enumerate(shares):
            ctx.trace = Trace() if self.watch.due(ctx.step, len(shares)) else None
            self.step(micros, batches, tally)
            self.viewer.step(epoch, tally.live)
        rates = {group["name"]: group["lr"] for group in self.optimizer.param_groups}
        self.schedule.step()
        return {"epoch": epoch, "lr": rates, **tally.row(self.accelerator)}

    def step(self, micros: list[Share], batches: Iterator[Batch], tally: Tally) -> None:
        """One optimiser step on this process's share of a global batch."""
        accelerator, ctx = self.accelerator, self.ctx
        for number, micro in enumerate(micros):
            batch, ctx.first = next(batches), micro.first
            last = number == len(micros) - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                loss: Loss = self.model(batch, ctx)
                # DDP averages over processes; this weight makes the sum the mean over the global batch
                accelerator.backward(loss.total * (micro.weight * accelerator.num_processes))
            tally.add(loss, batch, micro.weight)
        if ctx.trace is not None:
            self.watch.step(Step(ctx, self.learner, loss, ctx.trace))
        if self.settings.clip_norm:
            tally.norm(accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        self.optimizer.step()
        tally.skipped += bool(getattr(self.optimizer, "step_was_skipped", False))
        self.optimizer.zero_grad()
        ctx.gather = lambda rows: gather(accelerator, rows, real=any(micro.weight for micro in micros))
        with torch.no_grad():
            for part in self.learner.parts:
                part.after_step(ctx)

    def judge(self, row: dict[str, Any], probabilities: np.ndarray, split: Split) -> None:
        """Lets the sentinels look at an epoch. Raises `NotFinite`, and `Alarmed` where an alarm is to stop the run."""
        tally = self.tally
        facts = Epoch(
            number=row["epoch"],
            row=row,
            confusion=tally.table,
            picked=self.picked,
            order=self.order,
            probabilities=probabilities,
            labels=split.labels_on_cpu,
            rates=row["lr"],
            learner=self.learner,
            steps=self.ctx.step + 1,
            skipped=tally.skipped,
            scale=scaler.get_scale() if (scaler := self.accelerator.scaler) is not None else None,
        )
        self.watch.epoch(facts)
        if not all(map(math.isfinite, row["losses"].values())):
            mend = "lower the learning rate or see the inputs"
            raise NotFinite(f"the loss is no number any more: {row['losses']}; {mend}")


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────────────────


@torch.inference_mode()
def predict(learner: Learner, split: Split, accelerator: Accelerator) -> np.ndarray:
    """Probabilities `[N, K]` of every clip of a split, each exactly once, whatever the number of processes."""
    learner.eval()
    positions = np.array_split(np.arange(len(split)), accelerator.num_processes)[accelerator.process_index]
    chunks = [positions[at : at + EVALUATION_BATCH] for at in range(0, len(positions), EVALUATION_BATCH)]
    rows = [torch.zeros(0, split.classes, device=accelerator.device)]
    with accelerator.autocast():
        for batch in split.batches([as_picks(chunk, [None] * len(chunk)) for chunk in chunks]):
            logits = learner.model(learner.model.features(batch)).logits
            rows.append(torch.softmax(logits.float(), dim=-1))
    return gather(accelerator, torch.cat(rows)).cpu().numpy()


def _scores(probabilities: np.ndarray, split: Split) -> dict[str, float]:
    return evaluation.measure(probabilities, split.labels_on_cpu, ("war", "uar"))


# ── optimiser ───────────────────────────────────────────────────────────────────────────────────────────────


def _optimizer(learner: Learner, settings: Train) -> torch.optim.Optimizer:
    groups = learner.groups(settings)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999))


def _groups(learner: Learner, optimizer: Any) -> tuple[Group, ...]:
    """The optimiser's groups as they are, not as they were asked for, by the parameters' names in the learner."""
    names = {id(parameter): name for name, parameter in learner.named_parameters()}
    members: dict[str, dict[str, torch.nn.Parameter]] = {}
    decays: dict[str, dict[str, float]] = {}
    rates: dict[str, float] = {}
    for group in optimizer.param_groups:
        name, found = group["name"], {names[id(p)]: p for p in group["params"] if id(p) in names}
        rates[name] = group.get("initial_lr", group["lr"])
        members.setdefault(name, {}).update(found)
        decays.setdefault(name, {}).update(dict.fromkeys(found, group["weight_decay"]))
    return tuple(Group(name, rates[name], found, decays[name]) for name, found in members.items())


def _rate(settings: Train, epoch: int) -> float:
    """What every group's learning rate is multiplied by in an epoch; steps are epochs, never batches."""
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    if settings.schedule == "steps":
        return 0.1 ** sum(epoch >= milestone for milestone in settings.milestones)
    return 1.0


def _weights(learner: Learner) -> dict[str, Tensor]:
    """A copy of all that training changes and evaluation reads."""
    state = learner.model.state_dict()
    return {name: state[name].detach().clone() for name in _changing(learner)}


def _changing(learner: Learner) -> set[str]:
    names = {name for name, parameter in learner.model.named_parameters() if parameter.requires_grad}
    names |= {name for name, _ in learner.model.named_buffers()}
    return names & set(learner.model.state_dict())


def _restore(learner: Learner, kept: dict[str, Tensor]) -> tuple[str, ...]:
    """Puts kept weights back, and names those that should have come back and did not."""
    state = learner.model.state_dict()
    with torch.no_grad():
        for name, value in kept.items():
            if name in state:
                state[name].copy_(value)
    return tuple(sorted(_changing(learner) ^ set(kept)))
