"""A soft-target component that gives the hard label: silently plain cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Step, Watching
from harness.sentinels._targets import kernels_of, shifted
from harness.settings import knob


class SaturatedTarget(Sentinel):
    """A component that is there to soften the targets leaves them as they were.

    Dot products of features that are not L2-normalised saturate the softmax: label distribution learning is then
    cross-entropy, and tables compare a method with itself. A component that edits others' targets (warm-up, `order`
    1) has no target of its own and isn't judged; nor is what it leaves of the others'.
    """

    name = "saturated-target"
    severity = "error"
    watches = "how much of the target's mass each soft-target component moves off the label"
    reason = (
        "0.1 % of the mass is less than a hundredth of what label smoothing of 0.05 moves (4 to 5 %); where "
        "features are not normalised, temperature 0.1 moves under 0.01 %, where they are, 0.02 moves 3 to 30 %"
    )
    failures = (1,)
    memory = ("_kernels",)

    @dataclass(frozen=True)
    class Settings(Watching):
        least: float = knob(1e-3, "share of the target's mass that must be moved", low=0, high=1)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._kernels: dict[str, tuple[Tensor, Tensor]] = {}  # component -> what it got and what it made of it

    def on_step(self, step: Step) -> None:
        waiting = {part.name for part in step.learner.parts if part.waits(step.ctx.epoch)}
        kernels = [kernel for kernel in kernels_of(step) if not kernel.edits and kernel.component not in waiting]
        self._kernels = {kernel.component: (kernel.before, kernel.after) for kernel in kernels}

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        for component, (before, after) in self._kernels.items():
            share = shifted(before, after)
            if share < self.settings.least:
                yield Finding(
                    f"{component} is on and leaves the targets as they were (it moves {share:.1e} of their "
                    "mass): this trains on hard labels, whatever the method's name says",
                    f"raise {component}'s temperature or smoothing, or L2-normalise the features that it "
                    "compares; or call the method plain cross-entropy",
                    {"component": component, "moved": share},
                    about=component,
                )
