"""Parts of the network that the loss does not reach."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from harness.methods.prompt import LearnedText
from harness.model.network import Head
from harness.training import loop
from sentinels.defects import Defect


def _stream_detached(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The context stream is computed under no_grad, left over from a speed-up."""

    def forward(self, face, context):
        with torch.no_grad():
            second = self.context(self.adapt["context"](context))
        return self.fuse(torch.cat([self.face(self.adapt["face"](face)), second], dim=-1))

    patch.setattr(Head, "forward", forward)
    return ()


def _prompts_detached(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The text side is detached, for the target's sake, where the logits use it too."""
    encode = LearnedText.forward
    patch.setattr(LearnedText, "forward", lambda self: encode(self).detach())
    return ()


def _stream_fades(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A gate on the context stream that an update of the code sets to 1e-12 after the first epoch."""
    begin = loop._Loop.epoch

    def epoch(self, *others):
        if self.at == 1:
            patch.setattr(Head, "forward", gated)
        return begin(self, *others)

    def gated(head, face, context):
        second = head.context(head.adapt["context"](context))
        faint = second.detach() + 1e-12 * (second - second.detach())
        return head.fuse(torch.cat([head.face(head.adapt["face"](face)), faint], dim=-1))

    patch.setattr(loop._Loop, "epoch", epoch)
    return ()


DEFECTS = [
    Defect("dead-gradient", "one stream computed without gradients", breaks=_stream_detached),
    Defect("dead-gradient", "prompts detached from the logits", breaks=_prompts_detached),
    Defect("dead-gradient", "a stream's gradient fades", breaks=_stream_fades),
]
