"""Half precision out of range."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from harness.methods.dc import Decorrelation
from harness.methods.prompt import LearnedText
from harness.model.text import TextTower
from harness.training import loop
from sentinels.defects import Defect


def _every_step_left_out(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A gradient scaler, and a term with a square root at 0: its value is finite, its gradient is not."""
    build, value = loop._Loop.__init__, Decorrelation.loss

    def init(self, learner, split, settings, metric, seed, accelerator, viewer, watch):
        accelerator.scaler = torch.amp.GradScaler("cpu")
        build(self, learner, split, settings, metric, seed, accelerator, viewer, watch)

    def loss(self, out, batch, ctx):
        ((name, (weight, term)),) = value(self, out, batch, ctx).items()
        return {name: (weight, term + (out.text[0] - out.text[0].detach()).square().sum().sqrt())}

    patch.setattr(loop._Loop, "__init__", init)
    patch.setattr(Decorrelation, "loss", loss)
    return ()


def _tower_in_half(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The text tower in half precision, which multiplies its features by a scale before anybody normalises them."""
    encode, whole = TextTower.forward, LearnedText.forward
    patch.setattr(TextTower, "forward", lambda *inputs: encode(*inputs).half() * 2.0**15)
    patch.setattr(LearnedText, "forward", lambda self: whole(self).float())
    return ()


DEFECTS = [
    Defect("overflow", "every step left out by the gradient scaler", method="prompt+dc", breaks=_every_step_left_out),
    Defect("overflow", "the text tower overflows in half precision", breaks=_tower_in_half),
]
