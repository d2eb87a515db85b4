"""A component that was asked for and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.sharing import epoch_picks
from harness.learner import Learner
from harness.methods import Component
from harness.sentinels import Epoch, Finding, Reading, Sentinel, Setup, Step, gradient_norm
from harness.sentinels._groups import declared
from harness.settings import plain

EPOCHS = 2  # in which a component must have done something, those not counted in which it declares to wait


class InactiveComponent(Sentinel):
    """A method's name says what was asked for; this looks whether it was done.

    A component is active when any hook gave back something else than it got, when a loss term of its with a weight has
    a gradient, when parameters that it brought or declared get one, when it changed the network without parameters to
    train (another activation, a frozen expert), when clips come in another order than they would without it, or when it
    follows steps and has no loss term that this would serve (an average of weights). What it does after a step is not
    looked into. Waiting that it declares is no fault; waiting that outlasts the run is worth a warning, but for smoke
    tests of one epoch.
    """

    name = "inactive-component"
    severity = "error"
    watches = (
        "what each component changes in its first two epochs: network, order, batches, targets, logits, loss terms, "
        "parameters"
    )
    reason = (
        "no threshold: what a component gives back is the same to the last bit or it is not, and a gradient is zero or "
        "it is not. Every component changes something at each step, so two epochs of watched steps are proof"
    )
    failures = (3,)
    memory = ("_flags", "_active", "_seed")

    def __init__(self, settings: object) -> None:
        super().__init__(settings)
        self._labels = np.zeros(0, dtype=np.int64)
        self._parts: list[Component] = []
        self._own: dict[str, list[nn.Parameter]] = {}
        self._judged: dict[str, int] = {}  # component -> the epoch after which it is judged
        self._flags: dict[str, list[Tensor]] = {}
        self._active: list[str] = []
        self._seed = 0

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self._labels = np.asarray(reading.labels["train"])
        yield from ()

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._parts, epochs = setup.learner.parts, plain(setup.train).epochs
        self._active = [part.name for part in self._parts if _acts_unseen(part, setup.learner)]
        self._own = {part.name: _parameters(part, setup.learner) for part in self._parts}
        for part in self._parts:
            acting = [epoch for epoch in range(epochs) if not part.waits(epoch)]
            if acting:
                self._judged[part.name] = acting[:EPOCHS][-1]
            elif epochs > 1:
                yield Finding(
                    f"{part.name} waits in all {epochs} epochs of the run: it never acts",
                    f"train longer, or let {part.name} wait less",
                    {"component": part.name, "epochs": epochs},
                    about=part.name,
                    severity="warning",
                )

    def on_step(self, step: Step) -> None:
        self._seed = step.ctx.seed
        for part in self._parts:
            if part.name in self._active:
                continue
            terms = [step.loss.terms[name] for name in step.trace.terms.get(part.name, ())]
            if any(weight != 0 and value.requires_grad for weight, value in terms):
                self._active.append(part.name)
            norm = gradient_norm(self._own[part.name])
            flags = [*step.trace.changed.get(part.name, ()), *(() if norm is None else (norm != 0,))]
            self._flags.setdefault(part.name, []).extend(flags)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        device = epoch.learner.model.tower.mask.device
        for name, flags in self._flags.items():
            if flags and bool(torch.stack([flag.to(device, non_blocking=True) for flag in flags]).any()):
                self._active.append(name)
        self._flags.clear()
        due = [part for part in self._parts if part.name not in self._active and part.name in self._judged]
        orders = any(type(part).sampler is not Component.sampler for part in due) and self._ordered(epoch)
        for part in due:
            if orders and type(part).sampler is not Component.sampler:  # one component at most draws the order
                self._active.append(part.name)
            elif epoch.number == self._judged[part.name]:
                yield Finding(
                    f"{part.name} is part of the method and changes nothing: no batch, target, logit or training "
                    "order, no loss term with a weight and a gradient, nothing in the network, no parameter. The run "
                    f"is the same as without {part.name}, and a table would show that it has no effect",
                    f"check {part.name}'s settings (a weight, share or strength of 0 turns it off) and that its hooks "
                    "use what they are given; or take it out of the method's name",
                    {"component": part.name, "epochs": epoch.number + 1},
                    about=part.name,
                )

    def _ordered(self, epoch: Epoch) -> bool:
        """Whether the clips came in another order than they do without a sampler."""
        (plainly,) = epoch_picks(self._labels, max(len(self._labels), 1), self._seed, epoch.number)
        return [at for at, _ in plainly] != epoch.order.tolist()


def _acts_unseen(part: Component, learner: Learner) -> bool:
    """Whether it does its work where no gradient and no hook's answer can show it."""
    of = type(part)
    follows = of.after_step is not Component.after_step and of.loss is Component.loss
    trains = any(parameter.requires_grad for parameter in learner.added[part.name])
    return follows or (part.name in learner.extended and not trains)


def _parameters(part: Component, learner: Learner) -> list[nn.Parameter]:
    """The parameters whose gradients show that it takes part."""
    named = [parameter for _, _, group in declared(part, learner.model) for parameter in group]
    found = {id(parameter): parameter for parameter in (*named, *learner.added[part.name], *part.parameters())}
    return list(found.values())
