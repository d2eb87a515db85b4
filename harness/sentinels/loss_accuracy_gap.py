"""The loss is nearly at its floor and the training accuracy is at chance: the loss does not measure the task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.learner import row_entropy
from harness.sentinels import Epoch, Finding, Sentinel, Setup, Step, Watching
from harness.sentinels._shares import exceeds
from harness.settings import knob

BEYOND = 3.1  # standard deviations: one in a thousand, as for the other bounds


class LossAccuracyGap(Sentinel):
    """What the loss promises and what the predictions keep, on the same training clips of the same epoch.

    The floor of the loss is the entropy of the targets of the batch, mixtures of labels included; for a divergence,
    what is left of it after the rows' own entropies.
    """

    name = "loss-accuracy-gap"
    severity = "error"
    watches = "the classification loss above its floor in the second half of an epoch, beside the training accuracy"
    reason = (
        "a wrong answer costs at least log 2, since the true class has then at most half of the mass: a loss L above "
        "its floor promises an accuracy of 1 − L / log 2. It is an error when that is more than half of the way "
        "from chance to all right, no more clips are right than guessing the commonest class would get (binomial "
        "bound), and the mean recall of the classes is no better than for guesses that don't look (1/K, and what "
        "such guesses vary by). One such epoch is a warning, since hard "
        "augmentation may keep the training accuracy down for a while; several in a row are an error. With target "
        "temperature 1 the loss is that low after 30 steps or so: on the miniatures in the second epoch"
    )
    failures = (1, 2)
    memory = ("_above", "_in_a_row")

    @dataclass(frozen=True)
    class Settings(Watching):
        patience: int = knob(3, "epochs in a row that make an error of it", low=1, unit="epochs")
        promise: float = knob(0.5, "how far from chance to all right the loss must promise to be", low=0, high=1)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._steps = 1
        self._above: list[Tensor] = []
        self._in_a_row = 0

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._steps = setup.steps
        yield from ()

    def on_step(self, step: Step) -> None:
        if step.trace.batch is not None and 2 * (step.ctx.step + 1) >= self._steps:
            divergence = any(part.divergence == "kl" for part in step.learner.parts)
            floor = _floor(step.trace.batch.target, step.loss.targets.detach(), divergence)
            self._above.append(step.loss.terms["cls"][1].detach() - floor)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        steps, self._above = self._above, []
        if not steps:
            return
        above = float(torch.stack(steps).mean())
        right, clips = int(np.trace(epoch.confusion)), int(epoch.confusion.sum())
        chance, promised = float(epoch.confusion.sum(axis=1).max()) / clips, 1 - above / math.log(2)
        easy = promised > chance + self.settings.promise * (1 - chance)
        gap = easy and not (exceeds(right, clips, chance) or _tells_classes(epoch.confusion))
        self._in_a_row = self._in_a_row + 1 if gap else 0
        if gap:
            severity = "error" if self._in_a_row >= self.settings.patience else "warning"
            yield Finding(
                f"the classification loss is {above:.3f} above its floor, which with labels as targets would mean at "
                f"least {promised:.0%} right; the training accuracy is {right / clips:.0%}, no better than chance "
                f"({chance:.0%} of the clips are of one class). The loss is low because the targets are easy, not "
                "because the model learnt",
                "look at the targets: lower the temperature or smoothing of the component that makes them, and detach "
                "them",
                {"loss_above_floor": round(above, 4), "accuracy": round(right / clips, 4), "chance": round(chance, 4)},
                about=severity,
                severity=severity,
            )


def _tells_classes(confusion: np.ndarray) -> bool:
    """Whether predictions depend on the label: on uneven classes that may show in no other way than by class.

    Guesses that take each class with the share s_k that it has among the predictions are right in s_k of its n_k
    clips: a mean recall of 1/K, with the variance Σ s_k (1 − s_k) / n_k over K².
    """
    clips = confusion.sum(axis=1)
    there = clips > 0
    recalls = np.diag(confusion)[there] / clips[there]
    share = confusion.sum(axis=0)[there] / confusion.sum()
    spread = math.sqrt(float((share * (1 - share) / clips[there]).sum())) / len(recalls)
    return bool(recalls.mean() - share.mean() > BEYOND * spread)


def _floor(mixtures: Tensor, targets: Tensor, divergence: bool) -> Tensor:
    """The least that the classification loss can be on these label mixtures `[B, K]`, as a scalar on the device."""
    least = row_entropy(mixtures @ targets)
    return (least - mixtures @ row_entropy(targets) if divergence else least).mean()
