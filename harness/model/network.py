"""The network: two streams of frames through a shared trunk, a temporal head, and cosines with text features.

The seam between trunk and head is `Batch.level`: with a frozen trunk the batch arrives as cached features and
the network holds no trunk at all. Components add to it at named points: `text` (the text side) and `adapt`
(per stream, on per-frame features).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import BadInput
from harness.model.text import FixedText, TextTower, class_features
from harness.model.trunk import Loaded, Trunk
from harness.protocol import Model


@dataclass
class Batch:
    """Clips on their way through the learner.

    `face` and `context` are pixels `[B, T, S, S, 3]` (uint8) or, behind the trunk, features `[B, T, D]`;
    `level` says which. `target` `[B, K]` is the label mixture q: one-hot until a component mixes it.
    """

    face: Tensor
    context: Tensor
    label: Tensor
    target: Tensor
    level: str = "features"


@dataclass
class Output:
    """What the network says of a batch: `logits [B, K]`, and the features that they are cosines of.

    `video [B, D]` and `text [K, D]` are L2-normalised; `text_raw [K, D]` is the text side before that. With
    several prompts a class, `text` is the mean of their normalised features, so that logits are mean cosines.
    """

    logits: Tensor
    video: Tensor
    text: Tensor
    text_raw: Tensor


LONGEST = 64  # frames of a clip that have a learned position; `clips.frames` can't be higher


def undecayed(values: Tensor) -> nn.Parameter:
    """A parameter that weight decay must not touch (prompts, tokens, positions): the mark travels with it."""
    parameter = nn.Parameter(values)
    parameter.no_decay = True  # type: ignore[attr-defined]
    return parameter


class VideoModel(nn.Module):
    """Trunk (None where features are cached), head and text side of one data set's classifier."""

    def __init__(self, clip: Loaded, settings: Model, descriptions: tuple[str, ...], *, pixels: bool) -> None:
        super().__init__()
        self.settings, self.descriptions, self.width = settings, descriptions, clip.width
        self.missing, self.unexpected = clip.missing, clip.unexpected  # of its weights, for who watches
        self.trunk: Trunk | None = clip.trunk if pixels else None
        if self.trunk is not None:
            self.trunk.requires_grad_(settings.trunk == "trainable")
        self.tower = TextTower(clip)
        self.head = Head(clip.width, settings)
        self.text: nn.Module = FixedText(self.tower, descriptions)

    @property
    def classes(self) -> int:
        return len(self.descriptions)

    def frozen(self) -> tuple[nn.Module, ...]:
        """The towers of the CLIP model that no training changes."""
        trains = self.trunk is None or self.settings.trunk == "trainable"
        return (self.tower,) if trains else (self.tower, self.trunk)  # type: ignore[return-value]

    def train(self, mode: bool = True) -> VideoModel:
        super().train(mode)
        if self.trunk is not None and self.settings.trunk == "frozen":
            self.trunk.eval()
        return self

    def features(self, batch: Batch) -> Batch:
        """The batch behind the trunk; a batch of features passes through."""
        if batch.level == "features":
            return batch
        assert self.trunk is not None, "pixels arrived at a model that was built for features"
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.settings.trunk == "trainable"):
            face, context = self.trunk(batch.face), self.trunk(batch.context)
        return dataclasses.replace(batch, face=face, context=context, level="features")

    def forward(self, batch: Batch) -> Output:
        video = F.normalize(self.head(batch.face, batch.context).float(), dim=-1)
        with torch.autocast(video.device.type, enabled=False):  # cosines / 0.01 in half precision are off by 0.4
            text_raw = self.text()
            text = class_features(text_raw)
            logits = video @ text.T / self.settings.temperature
        return Output(logits, video, text, text_raw if text_raw.ndim == 2 else text_raw.mean(dim=1))


class Head(nn.Module):
    """Per-frame features of both streams to one video feature: `[B, T, D]`, `[B, T, D]` -> `[B, D]`."""

    def __init__(self, width: int, settings: Model) -> None:
        super().__init__()
        if width % settings.heads:
            mend = "give a number that divides it"
            raise BadInput("model.heads", f"{settings.heads} heads do not divide the feature width {width}", mend)
        self.adapt = nn.ModuleDict({"face": nn.Identity(), "context": nn.Identity()})
        self.face = Temporal(width, settings)
        self.context = Temporal(width, settings)
        self.fuse = nn.Linear(2 * width, width)

    def forward(self, face: Tensor, context: Tensor) -> Tensor:
        streams = self.face(self.adapt["face"](face)), self.context(self.adapt["context"](context))
        return self.fuse(torch.cat(streams, dim=-1))


class Temporal(nn.Module):
    """A class token and learned positions before a transformer over time; reads the token: `[B, T, D]` -> `[B, D]`."""

    def __init__(self, width: int, settings: Model) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, settings.heads, settings.mlp * width, settings.dropout, F.gelu, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)
        self.token = undecayed(torch.randn(1, 1, width) * 0.02)
        self.positions = undecayed(torch.randn(1, LONGEST + 1, width) * 0.02)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        rows = torch.cat([self.token.expand(len(frames), -1, -1), frames], dim=1)
        return self.norm(self.layers(rows + self.positions[:, : rows.shape[1]])[:, 0])
