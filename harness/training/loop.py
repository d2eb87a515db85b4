"""The one loop: a run is trained here, epoch by epoch, step by step, whatever its data set and method.

Read top to bottom: `train` is a run, `epoch` a pass over the training clips, `step` what happens to a batch.
The global batch is the setting: processes and micro-batches share it out, and every clip's loss counts once,
so that one process or two, one micro-batch or four, train the same. Who trains what, where, is
`schedule.placement`'s.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harness import scores
from harness.data.loading import Split, as_picks
from harness.data.sharing import Share, epoch_picks, share
from harness.learner import Learner, Loss
from harness.methods import Batch, Context, Trace
from harness.protocol import Train
from harness.sentinels import Ending, Epoch, Setup, Step
from harness.training import optimisation, states
from harness.training.checkpoint import Keeper, State
from harness.training.partners import gather
from harness.training.tally import Tally
from harness.training.watch import Watch

EVALUATION_BATCH = {"features": 128, "pixels": 16}  # clips; has no influence on any number


class NotFinite(Exception):
    """The loss became NaN or infinite: the run is stopped, not continued on garbage."""


MEND = "look at what the first term named is made of, lower the learning rate, or see the inputs"


class Viewer(Protocol):
    """Who wants to see a run while it trains (the progress bar)."""

    def step(self, epoch: int, live: Callable[[], dict[str, str]]) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None: ...
    def alarm(self, row: dict[str, Any]) -> None: ...
    def note(self, line: str) -> None: ...
    def resumed(self, epoch: int, step: int) -> None: ...


@dataclass
class Outcome:
    """What a run leaves: its history and, for `val` and `test`, probabilities `[N, K]` at the selected epoch.

    `weights` are those of the selected epoch: all that training changes and evaluation reads.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = -1
    score: float = -math.inf
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)

    def consider(self, epoch: int, score: float, learner: Learner) -> None:
        """Keeps the epoch's weights if it scores higher than all before it."""
        if score > self.score:
            self.score, self.epoch, self.weights = score, epoch, states.weights(learner)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("epoch", "score", "weights")} | {"history": list(self.history)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.score, self.weights = state["epoch"], state["score"], state["weights"]
        self.history[:] = state["history"]


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
    keeper: Keeper | None = None,
) -> Outcome:
    """Trains one run, from its checkpoint if `keeper` has one, and evaluates the selected epoch.

    Appends a row an epoch to `history` as it goes. `selection = "val"` keeps the epoch with the best validation metric,
    `"last"` the last one; both read `test` once, at the end. `"oracle"` chooses on test, as part of the field does, and
    is marked wherever it is shown. Raises `KeyboardInterrupt`, with a checkpoint written, when asked to stop;
    `NotFinite`; `Alarmed`, where an alarm is to stop the run; and what writes the history or `keeper` may raise `Lost`.
    """
    chosen_on = "test" if settings.selection == "oracle" else "val"
    loop = _Loop(learner, splits["train"], settings, metric, seed, accelerator, viewer, watch)
    outcome = Outcome(history)

    def state() -> State:
        return {"loop": loop.state_dict(), "outcome": outcome.state_dict(), "watch": watch.state_dict()}

    def save() -> None:
        if keeper is not None:
            keeper.step(loop.at, loop.steps_done, state)

    if keeper is not None and (begun := keeper.find()) is not None:
        loop.load_state_dict(begun["loop"])
        outcome.load_state_dict(begun["outcome"])
        watch.load_state_dict(begun["watch"])
    else:
        history[:] = []  # what an earlier attempt has stored is not this one's
    while loop.at < settings.epochs:
        began = time.monotonic()
        row = loop.epoch(save)
        watch.evaluating()
        probabilities = predict(learner, splits[chosen_on], accelerator)
        row[chosen_on] = _scores(probabilities, splits[chosen_on])
        loop.judge(row, probabilities, splits[chosen_on])
        row["duration_s"] = round(time.monotonic() - began, 3)
        history.append(row)
        viewer.epoch(row)
        outcome.consider(loop.at, row[chosen_on][metric] if settings.selection != "last" else float(loop.at), learner)
        loop.advance()
        save()
    missing = states.restore(learner, outcome.weights)
    outcome.probabilities = {name: predict(learner, splits[name], accelerator) for name in ("val", "test")}
    for rows in outcome.probabilities.values():
        _check_numbers(rows)
    clips = {name: len(splits[name]) for name in outcome.probabilities}
    predictions = {name: len(rows) for name, rows in outcome.probabilities.items()}
    watch.ending(Ending(learner, missing, clips, predictions, outcome.epoch))
    return outcome


class _Loop:
    """One run's learner, optimiser and training clips, and what happens to them epoch by epoch.

    `at` is the epoch that trains, `steps_done` how many of its steps are behind it.
    """

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
        optimizer = optimisation.built(learner, settings, fused=accelerator.scaler is None or None)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: optimisation.rate(settings, epoch))
        self.model, self.optimizer = accelerator.prepare(learner, optimizer)
        self.trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
        counts = torch.bincount(split.labels, minlength=split.classes)
        self.ctx = Context(model=learner.model, seed=seed, counts=counts)
        steps = math.ceil(len(split) / settings.batch_size)
        watch.setup(Setup(learner, optimisation.groups(learner, self.optimizer), settings, metric, steps))
        self.at, self.steps_done = 0, 0
        self.tally = Tally(split.classes, accelerator.device)

    def epoch(self, after_step: Callable[[], None]) -> dict[str, Any]:
        """What is left of the epoch's pass over the training clips; the row of its history, without validation."""
        ctx, settings, split, epoch = self.ctx, self.settings, self.split, self.at
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        if not self.steps_done:
            states.seed_all(hash((ctx.seed, epoch, rank)) % 2**31)  # dropout: repeatable, different by process
        self.model.train()
        picks = epoch_picks(split.labels_on_cpu, settings.batch_size, ctx.seed, epoch, self.learner.parts)
        shares = [share(batch, rank, world, settings.accumulation) for batch in picks]
        batches = split.batches([micro.picks for micros in shares[self.steps_done :] for micro in micros])
        self.order = np.array([at for batch in picks for at, _ in batch], dtype=np.int64)
        self.picked = np.bincount(split.labels_on_cpu[self.order], minlength=split.classes)
        ctx.epoch = epoch
        for step in range(self.steps_done, len(shares)):
            ctx.step, ctx.trace = step, Trace() if self.watch.due(step, len(shares)) else None
            self.step(shares[step], batches, self.tally)
            self.steps_done += 1
            self.viewer.step(epoch, self.tally.live)
            after_step()
        rates = {group["name"]: group["lr"] for group in self.optimizer.param_groups}
        return {"epoch": epoch, "lr": rates, **self.tally.row(self.accelerator)}

    def advance(self) -> None:
        """On to the next epoch."""
        with warnings.catch_warnings():  # where the last step was before an interruption, torch thinks there was none
            warnings.simplefilter("ignore")
            self.schedule.step()
        self.at, self.steps_done = self.at + 1, 0
        self.tally = Tally(self.split.classes, self.accelerator.device)

    def state_dict(self) -> State:
        scaler = self.accelerator.scaler
        return {
            "at": self.at,
            "steps_done": self.steps_done,
            "learner": states.trained(self.learner),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "random": states.random_state(self.accelerator.device),
            "tally": self.tally.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.at, self.steps_done = state["at"], state["steps_done"]
        if odd := set(state["learner"]) ^ set(states.trained(self.learner)):
            raise RuntimeError(f"the checkpoint is of another network: {', '.join(sorted(odd))}; delete its folder")
        self.learner.load_state_dict(state["learner"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.tally.load_state_dict(state["tally"])
        states.set_random_state(state["random"], self.accelerator.device)
        self.viewer.resumed(self.at, self.steps_done)

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
            if accelerator.scaler is not None:
                accelerator.unscale_gradients(self.optimizer)
            tally.norm(nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm, foreach=True))
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
            steps=self.steps_done,
            skipped=tally.skipped,
            scale=scaler.get_scale() if (scaler := self.accelerator.scaler) is not None else None,
            no_numbers=tally.no_numbers,
        )
        self.watch.epoch(facts)
        if tally.no_numbers:
            raise NotFinite(f"the loss is no number any more: {tally.no_numbers}; {MEND}")
        _check_numbers(probabilities)


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────────────────


@torch.inference_mode()
def predict(learner: Learner, split: Split, accelerator: Accelerator) -> np.ndarray:
    """Probabilities `[N, K]` of every clip of a split, each exactly once, whatever the number of processes."""
    learner.eval()
    positions = np.array_split(np.arange(len(split)), accelerator.num_processes)[accelerator.process_index]
    size = EVALUATION_BATCH[split.level]
    chunks = [positions[at : at + size] for at in range(0, len(positions), size)]
    rows = [torch.zeros(0, split.classes, device=accelerator.device)]
    with accelerator.autocast():
        for batch in split.batches([as_picks(chunk, [None] * len(chunk)) for chunk in chunks]):
            logits = learner.model(learner.model.features(batch)).logits
            rows.append(torch.softmax(logits.float(), dim=-1))
    return gather(accelerator, torch.cat(rows)).cpu().numpy()


def _check_numbers(probabilities: np.ndarray) -> None:
    if not np.isfinite(probabilities).all():
        raise NotFinite("the predictions are no numbers any more; lower the learning rate or see the inputs")


def _scores(probabilities: np.ndarray, split: Split) -> dict[str, float]:
    exact = probabilities.astype(np.float64)
    return {name: getattr(scores, name)(exact, split.labels_on_cpu) for name in ("war", "uar")}
