"""Rotation, flip and grey of a training view, on the device where the trunk is.

They are drawn once for a clip's view and are the same for all its frames and both streams. Cached features and a
trainable trunk are augmented here alike, so both see the same picture of the same view, to the last bit. They change
the crops; for a flip that equals flipping the picture and its box.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.protocol import Clips

LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, as pictures are usually made grey


@dataclass(frozen=True)
class Change:
    """What happens to a view; the angle is in degrees."""

    angle: float
    flip: bool
    grey: bool


def drawn(clip: str, view: int | None, clips: Clips) -> Change | None:
    """The change of a clip's view, given the clip's id; None is the evaluation view, which nothing changes.

    All three numbers are always drawn, so that one setting does not change another's luck.
    """
    if view is None:
        return None
    rng = np.random.default_rng([zlib.crc32(clip.encode()), view, 1])
    return Change(rng.uniform(-1, 1) * clips.rotation, bool(rng.random() < clips.flip), bool(rng.random() < clips.grey))


def changed(pixels: Tensor, change: Change | None) -> Tensor:
    """A clip's frames `[..., S, S, 3]` (uint8) after the change, of the same shape and type."""
    if change is None:
        return pixels
    if change.angle:
        pixels = _rotated(pixels, math.radians(change.angle))
    if change.flip:
        pixels = pixels.flip(-2)
    if change.grey:
        red, green, blue = pixels.float().unbind(-1)
        luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        pixels = luma.round_().to(torch.uint8)[..., None].expand_as(pixels)
    return pixels


def _rotated(pixels: Tensor, angle: float) -> Tensor:
    """About the centre, bilinear, black behind the edges; all frames turn alike, as the channels of one picture.

    The turn is made on the device, of plain numbers: a small tensor from the host would make a GPU's host wait.
    """
    frames = pixels.reshape(-1, *pixels.shape[-3:]).movedim(-1, -3).float()
    cos, sin = math.cos(angle), math.sin(angle)
    y, x = torch.meshgrid(
        *[torch.linspace(-1, 1, side, device=frames.device) for side in frames.shape[-2:]], indexing="ij"
    )
    grid = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)[None]
    turned = F.grid_sample(frames.flatten(0, 1)[None], grid, align_corners=True).view(frames.shape)
    return turned.round_().to(torch.uint8).movedim(-3, -1).reshape(pixels.shape)
