"""The classes' text features fall together, so that nothing tells the classes apart any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Step, Watching
from harness.settings import knob, plain


class TextCollapse(Sentinel):
    """Logits are cosines with the text features: classes whose texts agree get the same logits for every video.

    Spread is the mean of 1 − cosine over all pairs of classes.
    """

    name = "text-collapse"
    severity = "error"
    watches = "the cosines between the classes' text features, at the start and at the end of each epoch"
    reason = (
        "the spread is compared with that of the run's own first step, since near classes stand at cosines of 0.96 to "
        "0.98 from the start. In 20 epochs of healthy training it keeps 60 % or more, with mixup 40 %, with moco 30 %, "
        "with both and ldl at least 19 %; where a flat or an attached target pulls the prompts together, 8 to 1 % is "
        "left. So under 15 % is a warning, under 5 % an error. Two classes are one when no video can have logits "
        "of them that differ by more than 0.1: √(2 (1 − cosine)) / temperature"
    )

    memory = ("_first", "_now")

    @dataclass(frozen=True)
    class Settings(Watching):
        shrunk: float = knob(0.15, "share of the first spread below which is a warning", low=0, high=1)
        collapsed: float = knob(0.05, "share of the first spread below which is an error", low=0, high=1)
        apart: float = knob(0.1, "largest difference of their logits that makes two classes one", low=0)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._first: Tensor | None = None
        self._now: Tensor | None = None

    def on_step(self, step: Step) -> None:
        assert step.ctx.out is not None
        self._now = step.ctx.out.text.detach()
        self._first = self._now if self._first is None else self._first

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        if self._now is None or self._first is None or len(self._now) < 2:
            return
        yield from self._alike(self._now, plain(epoch.learner.model.settings).temperature)
        before, after = _spread(self._first), _spread(self._now)
        if before > 0 and after < before * max(self.settings.shrunk, self.settings.collapsed):
            gone = after < before * self.settings.collapsed
            yield Finding(
                f"the text features of the classes fall together: their mean distance (1 − cosine) is {after:.3f} and "
                f"was {before:.3f} in the first step. What tells the classes apart is being unlearnt",
                "look at the targets first (a flat one, or one that is not detached, pulls the prompts together), then "
                "lower prompt.lr; the component dc pushes the classes apart",
                {"spread": round(after, 5), "first": round(before, 5)},
                about="collapsed" if gone else "shrunk",
                severity="error" if gone else "warning",
            )

    def _alike(self, text: Tensor, temperature: float) -> Iterator[Finding]:
        reach = torch.cdist(text.double(), text.double()) / temperature
        alike = (reach < self.settings.apart).triu(1)
        pairs = alike.nonzero().tolist()
        if pairs:
            named = ", ".join(f"{a} and {b}" for a, b in pairs)
            yield Finding(
                f"the text features of these classes are the same: {named}. No video can tell them apart, and where "
                "their logits are equal the answer is the lower number, so that the other class is never right",
                "give each class a description of its own, and let prompts be per class",
                {"pairs": pairs, "largest_logit_difference": float(reach[alike].max())},
                about="alike",
            )


def _spread(text: Tensor) -> float:
    """Mean of 1 − cosine over the pairs of classes."""
    unit = torch.nn.functional.normalize(text.double(), dim=-1)
    cosines = unit @ unit.T
    classes = len(unit)
    return 1 - float(cosines.sum() - cosines.trace()) / (classes * (classes - 1))
