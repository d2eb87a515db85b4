"""Mutual information of learned and hand-crafted text: learned prompts may not drift off their descriptions."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.methods import Batch, Component, Context, Output, VideoModel, Weighted
from harness.model.text import FixedText
from harness.settings import knob


class MutualInformation(Component):
    """L = ½ [CE(A, diagonal) + CE(Aᵀ, diagonal)], A = T̂ Ĥᵀ / T: symmetric InfoNCE over the K classes.

    T̂ are the learned text features, Ĥ those of the class descriptions, encoded once by the frozen tower; both
    L2-normalised `[K, D]`. A class's own pair is the positive, the other classes are the negatives.
    """

    name = "mi"
    paper = "MI loss of the RAPT-CLIP-CAER code family; InfoNCE: van den Oord et al., 2018 (arXiv 1807.03748)"
    requires = {"prompt": "without learned prompts both sides are the class descriptions, and the term is constant"}
    written: Tensor

    @dataclass(frozen=True)
    class Settings(Weighted):
        weight: float = knob(0.5, "λ of this term", low=0)
        temperature: float = knob(0.07, "T that divides the cosines", above=0)

    def extend(self, model: VideoModel) -> None:
        self.register_buffer("written", FixedText(model.tower, model.descriptions).encoded)

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        learned, written = F.normalize(out.text, dim=-1), F.normalize(self.written.to(out.text), dim=-1)
        scores = learned @ written.T / self.settings.temperature
        own = torch.arange(len(scores), device=scores.device)
        value = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        return {"mi": (self.settings.at(ctx.epoch), value)}
