"""The CLIP model itself, by open_clip name and weights: image tower (trunk), text tower, tokenizer.

Everything that open_clip or the hub can refuse ends here in one `BadInput`. The trunk takes pixels as uint8 and
normalises on its own device, so that frames travel and are kept at a quarter of the size of floats.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import BadInput
from harness.model import architectures, weights
from harness.protocol import Model


@dataclass
class Loaded:
    """A loaded CLIP model: its open_clip module, tokenizer, picture size and feature width.

    `missing` names its tensors that a weights file did not have, `unexpected` those of the file that it has no
    place for. Loading refuses both, so there are some only where somebody loads less strictly.
    """

    model: Any
    tokenizer: Any
    size: int
    width: int
    trunk: Trunk
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


class Trunk(nn.Module):
    """The image tower with CLIP's normalisation: uint8 `[..., S, S, 3]` to features `[..., D]`."""

    mean: Tensor
    std: Tensor

    def __init__(self, visual: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        flat = pixels.flatten(0, -4).movedim(-1, -3).float()
        features = self.visual((flat - self.mean) / self.std)
        return features.view(*pixels.shape[:-3], -1)


@contextlib.contextmanager
def _told_from(level: int) -> Iterator[None]:
    """Meanwhile open_clip, which logs to the root, is heard from this level on; the host's own is put back."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(max(level, before))
    try:
        yield
    finally:
        root.setLevel(before)


@_told_from(logging.WARNING)
def load(model: Model) -> Loaded:
    """Loads the CLIP model that the settings name.

    Raises `BadInput` for an unknown name or tag, a file that does not fit, or weights that are not on this
    machine and can't be downloaded.
    """
    import open_clip

    architectures.shape(model.name)  # refuses a name that there is not
    name = f"local-dir:{weights.TINY}" if model.name == "tiny" else model.name
    source = weights.source(model)
    if weights.is_file(source):
        _refuse_code(source)
    try:
        if weights.is_file(source):
            with _told_from(logging.ERROR):  # not of random weights: others are loaded in the next line
                clip = open_clip.create_model(name, load_weights=False, pretrained_text=False)
            fit = open_clip.load_checkpoint(clip, source, strict=True, weights_only=True)
        else:
            clip, fit = open_clip.create_model(name, pretrained=source, weights_only=True), None
    except Exception as error:
        raise BadInput(
            "model.pretrained", f"can't load {source!r} for {model.name}: {_first_line(error)}", _mend(source)
        ) from error
    visual = clip.visual
    mean = getattr(visual, "image_mean", None) or open_clip.OPENAI_DATASET_MEAN
    std = getattr(visual, "image_std", None) or open_clip.OPENAI_DATASET_STD
    size = visual.image_size[0] if isinstance(visual.image_size, tuple | list) else visual.image_size
    trunk = Trunk(visual, tuple(mean), tuple(std))
    with torch.no_grad():
        width = trunk(torch.zeros(1, size, size, 3, dtype=torch.uint8)).shape[-1]
    missing, unexpected = (tuple(getattr(fit, kind, ())) for kind in ("missing_keys", "unexpected_keys"))
    return Loaded(clip.float().eval(), open_clip.get_tokenizer(name), size, width, trunk, missing, unexpected)


def _refuse_code(file: str) -> None:
    """Refuses a weights file that holds anything but tensors: unpickled, it could run whatever it likes.

    It is read here once more, since open_clip reads a file again without this guard where the first reading failed.
    """
    if file.endswith((".safetensors", ".npz", ".npy")):  # these formats can hold tensors only
        return
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        what = f"{file!r} is damaged, or holds more than tensors, which could run code ({type(error).__name__})"
        mend = "save its state_dict as .safetensors where you trust the file, and give that"
        raise BadInput("model.pretrained", what, mend) from error


def _mend(source: str) -> str:
    if Path(source).exists():
        return "give weights of the same architecture as model.name"
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"a tag is downloaded from the hub on first use{offline}: run once on a machine with a network, copy its "
        "HF_HOME here, or give model.pretrained the path of a weights file"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
