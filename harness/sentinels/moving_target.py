"""The target moves: towards the model, because it hangs on the graph, or by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Step, Watching
from harness.sentinels._targets import kernels_of, shifted
from harness.settings import knob


class MovingTarget(Sentinel):
    """A target through which gradients flow lets the loss fall by moving the target instead of the model."""

    name = "moving-target"
    severity = "error"
    watches = "whether gradients flow into the targets, and how far the targets of each component move in an epoch"
    reason = (
        "attached or not is a fact. Held still, label distributions from learned prompts move 1 to 3 % of their mass "
        "an epoch, 5 % with a prompt.lr a thousand times too high, 10 % where they are flat; attached, 13 to 49 % in "
        "one of the first three epochs. So 25 % is a warning"
    )
    failures = (2,)
    memory = ("_last", "_now", "_attached")

    @dataclass(frozen=True)
    class Settings(Watching):
        drift: float = knob(0.25, "share of a target's mass that may move in an epoch", low=0, high=1)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._last: dict[str, Tensor] = {}
        self._now: dict[str, Tensor] = {}
        self._attached: list[str] = []

    def on_step(self, step: Step) -> None:
        kernels = [kernel for kernel in kernels_of(step) if not kernel.edits]
        self._attached = [kernel.component for kernel in kernels if kernel.attached]
        self._now = {kernel.component: kernel.after for kernel in kernels}

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        for component in self._attached:
            yield Finding(
                f"gradients flow into the target of {component}: the loss can fall by moving the target to what the "
                "model says, and says nothing about the model any more",
                f"detach the target ({component}.detach=true where it has that setting)",
                {"component": component, "attached": True},
                about=component,
            )
        for component, now in self._now.items():
            drift = shifted(self._last[component], now) if component in self._last else 0.0
            if drift > self.settings.drift:
                yield Finding(
                    f"the target of {component} moved by {drift:.0%} of its mass within one epoch: what a label means "
                    "keeps changing, and losses of different epochs do not compare",
                    "lower the learning rate of what the target is made from (prompt.lr), or make the target from "
                    "fixed text",
                    {"component": component, "drift": round(drift, 4), "attached": component in self._attached},
                    about=f"{component}, drift",
                    severity="warning",
                )
        self._last = self._now
