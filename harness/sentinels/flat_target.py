"""The target hardly depends on the label, so it can't teach the label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Step, Watching
from harness.sentinels._targets import flatness, kernels_of
from harness.settings import knob

MARGIN = 1e-3  # by which another class must lead: the entries of a flat row differ by rounding alone


class FlatTarget(Sentinel):
    """Rows of M near uniform: the loss falls to its floor with accuracy at chance. Blames the component that did it.

    A row that is largest at another class is a fault of its own: it teaches that class instead.
    """

    name = "flat-target"
    severity = "error"
    watches = "what each component makes of the targets: their entropy, the mass on the label, the largest entry"
    reason = (
        "1 − entropy / log K is what a target can teach, as a share of what hard labels do: of a prediction that knows "
        "nothing, it is the part of the loss that can be learnt away. Where the post-mortem is repeated, target "
        "temperature 1 leaves 0.1 % and ends at chance; 0.1 leaves 5 to 10 % in the first epochs, later under 1 %, and "
        "costs 15 points of accuracy; 0.02 and label smoothing of 0.05 leave about 90 %. So under 1 % is an error and "
        "under 10 % a warning"
    )
    failures = (1, 27)
    memory = ("_kernels", "_targets")

    @dataclass(frozen=True)
    class Settings(Watching):
        flat: float = knob(0.99, "entropy over log K from which a target is an error", low=0, high=1)
        dim: float = knob(0.9, "entropy over log K from which it is a warning", low=0, high=1)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._kernels: dict[str, tuple[Tensor, Tensor]] = {}  # component -> what it got and what it made of it
        self._targets: Tensor | None = None

    def on_step(self, step: Step) -> None:
        self._kernels = {kernel.component: (kernel.before, kernel.after) for kernel in kernels_of(step)}
        self._targets = step.loss.targets.detach()

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        for component, (before, after) in self._kernels.items():
            entropy, dim = flatness(after), self.settings.dim
            if entropy >= min(dim, self.settings.flat) > flatness(before):
                yield self._flat(component, after, entropy)
        if self._targets is not None:
            yield from _elsewhere(self._targets)

    def _flat(self, component: str, target: Tensor, entropy: float) -> Finding:
        flat, mass = entropy >= self.settings.flat, float(target.diagonal().mean())
        return Finding(
            f"the target of {component} is all but uniform: {entropy:.1%} of the largest entropy, {mass:.2f} on "
            f"the true class where uniform is {1 / len(target):.2f}. It teaches {1 - entropy:.1%} of what the labels "
            "would: "
            + ("the loss will go to its floor with accuracy at chance" if flat else "expect to lose accuracy"),
            f"make it sharper: lower {component}'s temperature or smoothing until the entropy is well under 90 %",
            {"entropy": round(entropy, 4), "true_mass": round(mass, 4), "component": component},
            about=f"{component}, {'flat' if flat else 'dim'}",
            severity="error" if flat else "warning",
        )


def _elsewhere(targets: Tensor) -> Iterator[Finding]:
    best, largest = targets.max(dim=-1)
    rows = (best > targets.diagonal() + MARGIN).nonzero().flatten().tolist()
    if rows:
        pairs = ", ".join(f"{row} → {int(largest[row])}" for row in rows)
        yield Finding(
            f"the target of {len(rows)} of {len(targets)} classes is largest at another class (label → target: "
            f"{pairs}): training teaches the wrong class there",
            "check that the rows of the target follow the labels' order, and that text features are L2-normalised",
            {"classes": rows, "instead": largest[rows].tolist()},
            about="largest elsewhere",
        )
