"""Weights that come back in part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import open_clip
import pytest
from safetensors.torch import load_file, save_file

from harness.model import weights
from harness.training import states
from sentinels.defects import Defect


def _half_of_the_file(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A weights file with every other tensor of the embedded model, loaded with strict=False."""
    tensors = sorted(load_file(weights.TINY / "model.safetensors").items())
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors[::2]), folder / "half.safetensors")
    _loosely(patch)
    return [f"model.pretrained={folder / 'half.safetensors'}"]


def _renamed(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A file saved from a wrapped model: each name begins with `model.`, so nothing at all is loaded."""
    tensors = load_file(weights.TINY / "model.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"model.{name}": value for name, value in tensors.items()}, folder / "wrapped.safetensors")
    _loosely(patch)
    return [f"model.pretrained={folder / 'wrapped.safetensors'}"]


def _loosely(patch: pytest.MonkeyPatch) -> None:
    load = open_clip.load_checkpoint
    patch.setattr(open_clip, "load_checkpoint", lambda *where, **how: load(*where, **{**how, "strict": False}))


def _prompts_forgotten(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The best epoch's weights are kept without the learned prompts."""
    keep = states.restore

    def restore(learner, kept):
        return keep(learner, {name: value for name, value in kept.items() if not name.startswith("text.")})

    patch.setattr(states, "restore", restore)
    return ()


FEW = ("train.limit=3", "clips.frames=2", "clips.views=1")  # these weights have no cached features

DEFECTS = [
    Defect("partial-checkpoint", "half of the tensors missing, strict=False", sets=FEW, breaks=_half_of_the_file),
    Defect("partial-checkpoint", "names with a prefix, strict=False", sets=FEW, breaks=_renamed),
    Defect("partial-checkpoint", "prompts not restored with the best epoch", breaks=_prompts_forgotten),
]
