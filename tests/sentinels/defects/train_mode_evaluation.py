"""Evaluations that are training in part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.methods import Component
from harness.methods.moco import MocoRank
from harness.model.network import Head
from harness.training import loop
from sentinels.defects import Defect

VIDEO_QUEUE = "prompt+moco(queue_of=video,positive=video)"


def _no_eval(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    predict = loop.predict

    def in_training_mode(learner, split, accelerator):
        patch.setattr(learner, "eval", lambda: learner.train())
        return predict(learner, split, accelerator)

    patch.setattr(loop, "predict", in_training_mode)
    return ()


def _copy_trains(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    patch.setattr(MocoRank, "train", Component.train)
    return ()


def _copy_follows(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The momentum copy is updated in evaluation as well."""
    predict = loop.predict

    def following(learner, split, accelerator):
        found = predict(learner, split, accelerator)
        for part in learner.parts:
            if isinstance(part, MocoRank):
                part._follow(part.slow_video, learner.model.head)
        return found

    patch.setattr(loop, "predict", following)
    return ()


def _dropout_always(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """`F.dropout` without `training=`."""
    run = Head.forward
    patch.setattr(Head, "forward", lambda self, face, context: F.dropout(run(self, face, context), 0.1))
    return ()


def _prior_on_scores(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The logit adjustment of training, applied to what is scored too."""
    predict = loop.predict

    def adjusted(learner, split, accelerator):
        found = np.log(np.clip(predict(learner, split, accelerator), 1e-12, 1))
        prior = torch.bincount(split.labels, minlength=split.classes).cpu().numpy() + 1.0
        prior[0] *= 3
        return torch.softmax(torch.from_numpy(found + np.log(prior)), dim=-1).numpy()

    patch.setattr(loop, "predict", adjusted)
    return ()


DEFECTS = [
    Defect("train-mode-evaluation", "evaluation without eval()", breaks=_no_eval),
    Defect("train-mode-evaluation", "a momentum copy with dropout", VIDEO_QUEUE, breaks=_copy_trains),
    Defect("train-mode-evaluation", "a momentum copy that follows in evaluation", VIDEO_QUEUE, breaks=_copy_follows),
    Defect("train-mode-evaluation", "dropout that ignores the mode", breaks=_dropout_always),
    Defect("train-mode-evaluation", "a training prior on the scores", breaks=_prior_on_scores),
]
