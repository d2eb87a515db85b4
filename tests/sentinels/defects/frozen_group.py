"""Parameters that should train and do not, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from harness.learner import Learner
from harness.model.network import Head, VideoModel
from harness.training import loop, optimisation
from sentinels.defects import Defect


def _names_by_substring(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The trainable list goes by names; the fusing layer has been renamed since."""
    whole = Learner.groups

    def groups(self, train):
        wanted = {
            id(p) for name, p in self.named_parameters() if "temporal" in name or "prompt" in name or "face" in name
        }
        found = [{**group, "params": [p for p in group["params"] if id(p) in wanted]} for group in whole(self, train)]
        return [group for group in found if group["params"]]

    patch.setattr(Learner, "groups", groups)
    return ()


def _frozen_by_name(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The same list, by requires_grad."""
    build = Head.__init__

    def init(self, width, settings):
        build(self, width, settings)
        self.fuse.requires_grad_(False)

    patch.setattr(Head, "__init__", init)
    return ()


def _rate_of_zero(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A warm-up of the learning rate that begins at 0 and is stepped by the epoch."""
    factor = optimisation.rate
    patch.setattr(optimisation, "rate", lambda settings, epoch: 0.0 if epoch == 0 else factor(settings, epoch))
    return ()


def _tower_moves(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Somebody regularises the frozen text tower a little at each step."""
    step = loop._Loop.step

    def nudged(self, micros, batches, tally):
        step(self, micros, batches, tally)
        with torch.no_grad():
            self.learner.model.tower.ln_final.weight.mul_(0.999)

    patch.setattr(loop._Loop, "step", nudged)
    return ()


def _trunk_trains(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The trunk is said to be frozen and is not."""
    build = VideoModel.__init__

    def init(self, clip, settings, descriptions, *, pixels):
        build(self, clip, settings, descriptions, pixels=pixels)
        self.trunk.requires_grad_(True)

    patch.setattr(VideoModel, "__init__", init)
    return ()


def _decay_everywhere(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """One weight decay for all parameters alike."""
    whole = Learner.groups
    patch.setattr(
        Learner, "groups", lambda self, train: [{**group, "weight_decay": 0.1} for group in whole(self, train)]
    )
    return ()


PIXELS = {"method": "prompt+mixup(level=input)", "sets": ("train.limit=2", "clips.frames=4"), "epochs": 1}

DEFECTS = [
    Defect("frozen-group", "parameters collected by substring of their names", breaks=_names_by_substring),
    Defect("frozen-group", "a layer frozen by substring of its name", breaks=_frozen_by_name),
    Defect("frozen-group", "a rate whose steps no float32 can hold", method="prompt(lr=1e-20)"),
    Defect("frozen-group", "a learning rate of 0 in the first epoch", breaks=_rate_of_zero),
    Defect("frozen-group", "the frozen text tower moves", breaks=_tower_moves),
    Defect("frozen-group", "the frozen trunk trains", breaks=_trunk_trains, **PIXELS),
    Defect("frozen-group", "weight decay on prompts and norms", breaks=_decay_everywhere),
]
