"""Learning rates that do not follow the schedule that was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.protocol import Train
from harness.sentinels import Epoch, Finding, Sentinel, Setup
from harness.sentinels._groups import asked
from harness.settings import plain

TOLERANCE = 1e-6  # of the rate: rounding is a billion times smaller, a missed step thousands of times larger


class ScheduleStuck(Sentinel):
    """A schedule that is stepped by the batch decays within an epoch; one that is never stepped, or not built,
    stays. Either trains, to a worse number."""

    name = "schedule-stuck"
    severity = "error"
    watches = "the learning rate of each group, at the start and in every epoch, against what the settings ask for"
    reason = "the schedule has a closed form, which is computed here once more: 1e-6 of a rate is rounding"
    failures = (25,)

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._train = plain(setup.train)
        self._start = {group.name: group.rate for group in setup.groups}
        wanted = _wanted(setup)
        for group in setup.groups:
            for name, rate in dict.fromkeys(wanted[id(member)] for member in group.members.values()):
                if not math.isclose(group.rate, rate, rel_tol=TOLERANCE):
                    whose = name if name == group.name else f"{name}, which the optimiser holds in {group.name},"
                    yield Finding(
                        f"{whose} starts with a learning rate of {group.rate:g}; the settings ask for {rate:g}",
                        "give the optimiser every group that a component declares, at the group's own rate",
                        {"group": name, "held_in": group.name, "rate": group.rate, "asked": rate},
                        about=f"start of {name}",
                    )

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        factor = _factor(self._train, epoch.number)
        wrong = {
            name: (rate, start * factor)
            for name, rate in epoch.rates.items()
            if abs(rate - (start := self._start[name]) * factor) > TOLERANCE * start
        }
        if not wrong:
            return
        name, (rate, asked) = next(iter(wrong.items()))
        what = "lower than" if rate < asked else "higher than"
        why = "it seems to be stepped more often than once an epoch" if rate < asked else "it seems not to be stepped"
        yield Finding(
            f"in epoch {epoch.number} the learning rate of {name} is {rate:.3g}, {what} the {asked:.3g} of the "
            f"schedule `{self._train.schedule}`: {why}",
            "step the schedule once at the end of each epoch, and build it from train.schedule",
            {"group": name, "rate": rate, "asked": asked, "schedule": self._train.schedule, "groups": len(wrong)},
            about="schedule",
        )


def _wanted(setup: Setup) -> dict[int, tuple[str, float]]:
    """The group and rate that the settings give each parameter, by its identity."""
    model = setup.learner.model
    wanted = {id(parameter): ("head", plain(setup.train).lr) for parameter in setup.learner.parameters()}
    for parameter in model.trunk.parameters() if model.trunk is not None else ():
        wanted[id(parameter)] = "trunk", plain(model.settings).trunk_lr
    return wanted | {id(parameter): (name, rate) for name, rate, parameter in asked(setup.learner)}


def _factor(train: Train, epoch: int) -> float:
    """What the schedule multiplies every rate by, in closed form."""
    if train.schedule == "cosine":
        return math.cos(math.pi * epoch / (2 * train.epochs)) ** 2
    if train.schedule == "steps":
        return math.prod(0.1 for milestone in train.milestones if milestone <= epoch)
    return 1.0
