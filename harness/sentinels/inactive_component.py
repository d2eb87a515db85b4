"""A component that was asked for and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from harness.methods import Component, Weighted
from harness.sentinels import Epoch, Finding, Reading, Sentinel, Setup, Step, gradient_norm

EPOCHS = 2  # in which a component must have done something, after its declared delay


class InactiveComponent(Sentinel):
    """A method's name says what was asked for; this looks whether it was done.

    A component is active when any hook gave back something else than it got, when a loss term of its with a weight has
    a gradient, when parameters of its own get one, or when it draws the training order. A λ that is 0 during the
    declared delay is no fault; a delay that outlasts the run is worth a warning, but for smoke tests of one epoch.
    """

    name = "inactive-component"
    severity = "error"
    watches = (
        "what each component changes in the first two epochs: batches, targets, logits, loss terms, parameters, order"
    )
    reason = (
        "no threshold: what a component gives back is the same to the last bit or it is not, and a gradient is zero or "
        "it is not. Every component changes something at each step, so two epochs of watched steps are proof"
    )
    failures = (3,)

    def __init__(self, settings: object) -> None:
        super().__init__(settings)
        self._labels = np.zeros(0, dtype=np.int64)
        self._parts: list[Component] = []
        self._epochs = 0
        self._flags: dict[str, list[Tensor]] = {}
        self._active: set[str] = set()

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self._labels = np.asarray(reading.labels["train"])
        yield from ()

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._parts, self._epochs = setup.learner.parts, setup.train.epochs
        self._active = {part.name for part in self._parts if self._orders(part)}
        for part in self._parts:
            if part.name not in self._active and 1 < self._epochs <= _delay(part):
                yield Finding(
                    f"{part.name} waits for {_delay(part)} epochs and the run has {self._epochs}: it never acts",
                    f"train longer, or lower {part.name}.delay",
                    {"component": part.name, "delay": _delay(part), "epochs": self._epochs},
                    about=part.name,
                    severity="warning",
                )

    def on_step(self, step: Step) -> None:
        for part in self._parts:
            if part.name in self._active:
                continue
            terms = [step.loss.terms[name] for name in step.trace.terms.get(part.name, ())]
            if any(weight != 0 and value.requires_grad for weight, value in terms):
                self._active.add(part.name)
            own = [parameter for _, _, group in part.parameter_groups(step.ctx.model) for parameter in group]
            norm = gradient_norm([*own, *part.parameters()])
            flags = [*step.trace.changed.get(part.name, ()), *(() if norm is None else (norm != 0,))]
            self._flags.setdefault(part.name, []).extend(flags)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        device = epoch.learner.model.tower.mask.device
        for name, flags in self._flags.items():
            if flags and bool(torch.stack([flag.to(device, non_blocking=True) for flag in flags]).any()):
                self._active.add(name)
        self._flags.clear()
        for part in self._parts:
            judged = min(EPOCHS + _delay(part), self._epochs) - 1
            if part.name not in self._active and epoch.number == judged >= _delay(part):
                yield Finding(
                    f"{part.name} is part of the method and changes nothing: no batch, target, logit or training "
                    "order, no loss term with a weight and a gradient, no parameter. The run is the same as without "
                    f"{part.name}, and a table would show that it has no effect",
                    f"check {part.name}'s settings (a weight, share or strength of 0 turns it off) and that its hooks "
                    "use what they are given; or take it out of the method's name",
                    {"component": part.name, "epochs": epoch.number + 1},
                    about=part.name,
                )

    def _orders(self, part: Component) -> bool:
        """Whether it draws the order of the training clips, and not just as they are."""
        if not len(self._labels) or type(part).sampler is Component.sampler:
            return type(part).sampler is not Component.sampler
        order = part.sampler(self._labels, np.random.default_rng(0))
        if order is None:
            return False
        counts = np.bincount(self._labels)
        even = len(set(counts[counts > 0])) <= 1
        return even or not np.array_equal(counts, np.bincount(self._labels[order], minlength=len(counts)))


def _delay(part: Component) -> int:
    """Epochs in which it declares to do nothing; looked up without counting as a use of the setting."""
    return int(object.__getattribute__(part.settings, "delay")) if isinstance(part.settings, Weighted) else 0
