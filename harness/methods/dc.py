"""Decorrelation of the learned text features: of the classes, or of the feature channels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.methods import Batch, Component, Context, Output, Weighted
from harness.settings import knob


class Decorrelation(Component):
    """L = Σ_{i≠j} C_ij² / (n (n − 1)), C = cosines among the n rows of T̂ (classes) or of T̂ᵀ (channels).

    `form = "class"`: C is K × K, classes are pushed apart; what the code family computes. `form = "channel"`: C is
    D × D, feature channels are pushed apart; what the post-mortem describes. With K classes, D channels have rank
    K at most, so the channel form can't fall below (D/K − 1) / (D − 1), about 1/K.
    """

    name = "dc"
    paper = "DC loss of the RAPT-CLIP-CAER code family (`class`) and of the post-mortem's text (`channel`)"
    requires = {"prompt": "without learned prompts the text features never change, and the term is constant"}

    @dataclass(frozen=True)
    class Settings(Weighted):
        weight: float = knob(0.1, "λ of this term", low=0)
        form: str = knob("class", "what is decorrelated: classes or feature channels", choices=("class", "channel"))

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        text = F.normalize(out.text, dim=-1)
        rows = text if self.settings.form == "class" else F.normalize(text.T, dim=-1)
        size = len(rows)
        squares = (rows @ rows.T).square().masked_fill(torch.eye(size, dtype=torch.bool, device=rows.device), 0)
        return {"dc": (self.settings.at(ctx.epoch), squares.sum() / max(size * (size - 1), 1))}
