"""Classes whose texts are one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.methods.dc import Decorrelation
from sentinels.defects import Defect


def _sign_turned(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The decorrelation is maximised: classes are drawn together."""
    loss = Decorrelation.loss

    def turned(self, out, batch, ctx):
        return {name: (weight, 1 - value) for name, (weight, value) in loss(self, out, batch, ctx).items()}

    patch.setattr(Decorrelation, "loss", turned)
    return ()


CUES = {
    "Anger": "a frown and pressed lips",
    "Disgust": "a wrinkled nose",
    "Fear": "wide eyes and raised brows",
    "Happy": "a broad smile",
    "Neutral": "a face at rest",
    "Sad": "drooping corners of the mouth",
    "Surprise": "wide eyes and raised brows",
}
ALIKE = "data.caer.descriptions={" + ", ".join(f'{name}="{cue}"' for name, cue in CUES.items()) + "}"

DEFECTS = [
    Defect("text-collapse", "two classes with the same description", "prompt(per_class=false)", (ALIKE,)),
    Defect("text-collapse", "a decorrelation with the wrong sign", "prompt+dc(weight=100)", breaks=_sign_turned),
]
