"""Half precision runs out of range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Setup, Watching
from harness.settings import knob

LARGEST = torch.finfo(torch.float16).max  # 65,504
FIRST = 16  # halvings from a scaler's usual start, 2¹⁶, to 1: those it may need to find its factor


class Overflow(Sentinel):
    """float16 ends at 65,504. What lies beyond becomes infinite: the gradient scaler then leaves steps out, or the
    text tower gives features that are no numbers."""

    name = "overflow"
    severity = "error"
    watches = "steps that a gradient scaler left out, its factor, and the largest output of towers and head in float16"
    reason = (
        "a scaler tries a larger factor every 2,000 steps, so it leaves out one step in 2,000 once it has found its "
        "factor, for which 16 halvings are enough; 1 % is far above that. Half the range of float16 is one doubling "
        "away from infinity"
    )
    failures = (20,)
    memory = ("_peaks", "_skipped")

    @dataclass(frozen=True)
    class Settings(Watching):
        skipped: float = knob(0.01, "largest share of an epoch's steps that may be left out", low=0, high=1)
        range: float = knob(0.5, "largest share of float16's range that an output may reach", above=0, high=1)

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._peaks: dict[str, Tensor] = {}
        self._skipped = 0
        model = setup.learner.model  # the trunk may be shared with other runs: the head sees what it gives
        model.tower.register_forward_hook(lambda _, inputs, output: self._follow("text tower", output))
        model.head.register_forward_hook(lambda _, inputs, output: self._follow("head", output))
        model.head.register_forward_pre_hook(lambda _, inputs: self._follow("trunk", *inputs))
        yield from ()

    def _follow(self, name: str, *outputs: Tensor) -> None:
        """Keeps the largest number among outputs in float16, without reading it."""
        for output in outputs:
            if output.dtype == torch.float16 and output.numel():
                peak = output.detach().abs().amax()
                self._peaks[name] = torch.maximum(self._peaks[name], peak) if name in self._peaks else peak

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        peaks, self._peaks = {name: float(peak) for name, peak in self._peaks.items()}, {}
        for name, peak in peaks.items():
            if not math.isfinite(peak):
                yield Finding(
                    f"the output of the {name} left the range of float16 (±{LARGEST:,.0f}): it is no number any more",
                    f"run the {name} in float32 or bfloat16",
                    {"module": name, "largest": str(peak)},
                    about=name,
                )
            elif peak > self.settings.range * LARGEST:
                yield Finding(
                    f"the output of the {name} reaches {peak:,.0f} in float16, which ends at {LARGEST:,.0f}: soon it "
                    "will be infinite",
                    f"run the {name} in float32 or bfloat16, or normalise before scaling",
                    {"module": name, "largest": peak, "limit": LARGEST},
                    about=name,
                    severity="warning",
                )
        yield from self._left_out(epoch)

    def _left_out(self, epoch: Epoch) -> Iterator[Finding]:
        self._skipped += epoch.skipped
        facts = {"skipped": epoch.skipped, "steps": epoch.steps, "scale": epoch.scale}
        allowed = max(FIRST, math.ceil(self.settings.skipped * epoch.steps * (epoch.number + 1)))
        searching = self._skipped <= FIRST
        if epoch.steps and epoch.skipped == epoch.steps:
            why = "; the scaler may still be looking for its factor" if searching else ""
            yield Finding(
                f"the gradient scaler left out all {epoch.steps} steps of the epoch: nothing was trained{why}",
                "train in bfloat16 or float32; if in float16, train for more steps, and look for the term whose "
                "gradients are infinite",
                facts,
                about="search" if searching else "all",
                severity="warning" if searching else "error",
            )
        elif self._skipped > allowed:
            yield Finding(
                f"the gradient scaler has left out {self._skipped} steps by now, more than it needs to find its "
                "factor: gradients keep leaving the range of float16",
                "train in bfloat16 or float32, or look for the term whose gradients are that large",
                facts | {"allowed": allowed},
                about="steps",
                severity="warning",
            )
        if epoch.scale is not None and epoch.scale < 1:
            yield Finding(
                f"the gradient scaler has fallen to {epoch.scale:g}: gradients overflow float16 even unscaled",
                "train in bfloat16 or float32, or look for the term whose gradients are that large",
                facts,
                about="scale",
            )
