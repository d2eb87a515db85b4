"""The one loop: a run is trained here, epoch by epoch, step by step, whatever its data set and method.

Read top to bottom: `train` is a run, `epoch` a pass over the training clips, `step` what happens to a batch.
The global batch is the setting: processes and micro-batches share it out, and every clip's loss counts once,
so that one process or two, one micro-batch or four, train the same. Who trains what, where, is `schedule`'s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from harness import evaluation
from harness.learner import Learner, Loss, row_entropy
from harness.loading import Pick, Split, as_picks
from harness.methods import Batch, Component, Context
from harness.protocol import Train

EVALUATION_BATCH = 128  # clips; has no influence on any number


class NotFinite(Exception):
    """The loss became NaN or infinite: the run is stopped, not continued on garbage."""


class Watcher(Protocol):
    """Who wants to see a run while it trains (the progress bar)."""

    def step(self, epoch: int, live: Callable[[], dict[str, str]]) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None: ...


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
    watcher: Watcher,
    history: list[dict[str, Any]],
) -> Outcome:
    """Trains one run and evaluates the selected epoch; appends a row an epoch to `history` as it goes.

    `selection = "val"` keeps the epoch with the best validation metric, `"last"` the last one; both read `test`
    once, at the end. `"oracle"` chooses on test, as part of the field does, and is marked wherever it is shown.
    """
    loop = _Loop(learner, splits["train"], settings, seed, accelerator, watcher)
    outcome, kept = Outcome(history), {}
    for epoch in range(settings.epochs):
        began = time.monotonic()
        row = loop.epoch(epoch)
        chosen_on = "test" if settings.selection == "oracle" else "val"
        probabilities = predict(learner, splits[chosen_on], accelerator)
        row[chosen_on] = _scores(probabilities, splits[chosen_on])
        row["duration_s"] = round(time.monotonic() - began, 3)
        history.append(row)
        watcher.epoch(row)
        score = row[chosen_on][metric] if settings.selection != "last" else float(epoch)
        if score > outcome.score:
            outcome.score, outcome.epoch, kept = score, epoch, _weights(learner)
    _restore(learner, kept)
    outcome.probabilities = {name: predict(learner, splits[name], accelerator) for name in ("val", "test")}
    return outcome


class _Loop:
    """One run's learner, optimiser and training clips, and what happens to them epoch by epoch."""

    def __init__(
        self, learner: Learner, split: Split, settings: Train, seed: int, accelerator: Accelerator, watcher: Watcher
    ) -> None:
        self.learner, self.split, self.settings = learner, split, settings
        self.accelerator, self.watcher = accelerator, watcher
        optimizer = _optimizer(learner, settings)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: _rate(settings, epoch))
        self.model, self.optimizer = accelerator.prepare(learner, optimizer)
        counts = torch.bincount(split.labels, minlength=split.classes)
        self.ctx = Context(model=learner.model, seed=seed, counts=counts)

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training clips; the row that it adds to the history, without validation."""
        ctx, settings, split = self.ctx, self.settings, self.split
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        torch.manual_seed(hash((ctx.seed, epoch, rank)) % 2**31)  # dropout: repeatable, different by process
        self.model.train()
        tally = Tally(split.classes, self.accelerator.device)
        steps = epoch_picks(split.labels.cpu().numpy(), settings.batch_size, ctx.seed, epoch, self.learner.parts)
        shares = [share(step, rank, world, settings.accumulation) for step in steps]
        batches = split.batches([micro.picks for micros in shares for micro in micros])
        ctx.epoch = epoch
        for ctx.step, micros in enumerate(shares):
            self.step(micros, batches, tally)
            self.watcher.step(epoch, tally.live)
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
        if self.settings.clip_norm:
            tally.norm(accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        self.optimizer.step()
        self.optimizer.zero_grad()
        ctx.gather = lambda rows: _gather(accelerator, rows, real=any(micro.weight for micro in micros))
        with torch.no_grad():
            for part in self.learner.parts:
                part.after_step(ctx)


# ── who gets which clips ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Share:
    """A micro-batch of one process and the share of the global batch's loss that it stands for.

    `first` is the place of its first clip in the global batch.
    """

    picks: list[Pick]
    weight: float
    first: int = 0


def epoch_picks(
    labels: np.ndarray, batch_size: int, seed: int, epoch: int, parts: Sequence[Component] = ()
) -> list[list[Pick]]:
    """The epoch's global batches: random order (or a component's), a random augmented view for each clip.

    The last batch is as uneven as it comes: no clip is dropped, none is doubled.
    """
    rng = np.random.default_rng([seed, epoch])
    orders = (part.sampler(labels, rng) for part in parts)
    order = next((order for order in orders if order is not None), None)
    order = rng.permutation(len(labels)) if order is None else order
    picks = as_picks(order, rng.integers(2**31, size=len(order)))
    return [picks[start : start + batch_size] for start in range(0, len(picks), batch_size)]


def share(step: list[Pick], rank: int, world: int, accumulation: int) -> list[Share]:
    """This process's micro-batches of a global batch: consecutive, of even size, so that neighbours stay together.

    Every process gets at least one (DDP waits for all): where there are too few clips, the first clip again
    with weight 0, which adds nothing to gradients or metrics.
    """
    everyone = _pieces(step, world)
    first, shares = sum(map(len, everyone[:rank])), []
    for piece in filter(None, _pieces(everyone[rank], accumulation)):
        shares.append(Share(piece, len(piece) / len(step), first))
        first += len(piece)
    return shares or [Share(step[:1], 0.0)]


def _pieces(picks: list[Pick], count: int) -> list[list[Pick]]:
    size = math.ceil(len(picks) / count / 2) * 2 if count > 1 else len(picks)
    return [picks[start * size : (start + 1) * size] for start in range(count)]


def _gather(accelerator: Accelerator, rows: Tensor, *, real: bool = True) -> Tensor:
    """Rows of all processes in the order of the global batch, without the fillers of empty shares."""
    rows = rows if real else rows[:0]
    if accelerator.num_processes == 1:
        return rows
    counts = accelerator.gather(torch.tensor([len(rows)], device=rows.device)).tolist()
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = accelerator.gather(padded).split(max(counts))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


# ── what an epoch adds up to ────────────────────────────────────────────────────────────────────────────────


class Tally:
    """Sums of an epoch, kept on the device and read once: loss terms, confusion counts, gradient norm."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self.sums: dict[str, Tensor] = {}
        self.weights: dict[str, float] = {}
        self.share = torch.zeros((), device=device)
        self.confusion = torch.zeros(classes * classes, device=device)
        self.norms: list[Tensor] = []
        self.targets = torch.eye(classes)

    def add(self, loss: Loss, batch: Batch, weight: float) -> None:
        values = {"total": loss.total, **{name: value for name, (_, value) in loss.terms.items()}}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach() * weight
        self.weights = {name: factor for name, (factor, _) in loss.terms.items()}
        self.share += weight
        if weight:
            cells = batch.label * loss.logits.shape[1] + loss.logits.detach().argmax(-1)
            self.confusion += torch.bincount(cells, minlength=len(self.confusion))
        self.targets = loss.targets.detach()

    def live(self) -> dict[str, str]:
        """The epoch so far, spelled for a progress bar: the loss, and its terms with their λ."""
        share = float(self.share) or 1.0
        means = {name: float(value) / share for name, value in self.sums.items()}
        found = {"loss": f"{means.pop('total'):.3f}"}
        if len(means) > 1:
            found |= {name: f"{self.weights[name]:g}×{value:.3f}" for name, value in means.items()}
        return found

    def norm(self, value: Any) -> None:
        if value is not None:
            self.norms.append(torch.as_tensor(value).detach())

    def row(self, accelerator: Accelerator) -> dict[str, Any]:
        """The epoch in plain numbers, over all processes. Raises `NotFinite` for a loss that is none."""
        names = list(self.sums)
        packed = torch.cat([torch.stack([self.sums[name] for name in names]), self.share[None], self.confusion])
        packed = accelerator.reduce(packed, "sum").cpu()
        losses = dict(zip(names, (packed[: len(names)] / packed[len(names)]).tolist(), strict=True))
        if not all(map(math.isfinite, losses.values())):
            raise NotFinite(f"the loss is no number any more: {losses}; lower the learning rate or see the inputs")
        classes = math.isqrt(len(self.confusion))
        table = packed[len(names) + 1 :].reshape(classes, classes).numpy()
        return {
            "losses": losses,
            "weights": self.weights,
            "gradient_norm": float(torch.stack(self.norms).mean()) if self.norms else None,
            "train": {"war": float(table.trace() / table.sum()), "uar": float(evaluation.recalls(table).mean())},
            "target": _target_facts(self.targets.cpu()),
        }


def _target_facts(targets: Tensor) -> dict[str, float]:
    """Whether M teaches anything: entropy over log K (1: uniform), mass on the label, argmax at the label."""
    classes = len(targets)
    return {
        "entropy": float(row_entropy(targets).mean() / math.log(classes)),
        "true_mass": float(targets.diagonal().mean()),
        "argmax_is_label": float((targets.argmax(-1) == torch.arange(classes)).float().mean()),
    }


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
    return _gather(accelerator, torch.cat(rows)).cpu().numpy()


def _scores(probabilities: np.ndarray, split: Split) -> dict[str, float]:
    return evaluation.measure(probabilities, split.labels.cpu().numpy(), ("war", "uar"))


# ── optimiser ───────────────────────────────────────────────────────────────────────────────────────────────


def _optimizer(learner: Learner, settings: Train) -> torch.optim.Optimizer:
    groups = learner.groups(settings)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999))


def _rate(settings: Train, epoch: int) -> float:
    """What every group's learning rate is multiplied by in an epoch; steps are epochs, never batches."""
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    if settings.schedule == "steps":
        return 0.1 ** sum(epoch >= milestone for milestone in settings.milestones)
    return 1.0


def _weights(learner: Learner) -> dict[str, Tensor]:
    """A copy of all that training changes and evaluation reads."""
    changing = {name for name, parameter in learner.model.named_parameters() if parameter.requires_grad}
    changing |= {name for name, _ in learner.model.named_buffers()}
    state = learner.model.state_dict()
    return {name: state[name].detach().clone() for name in changing & set(state)}


def _restore(learner: Learner, kept: dict[str, Tensor]) -> None:
    state = learner.model.state_dict()
    with torch.no_grad():
        for name, value in kept.items():
            state[name].copy_(value)
