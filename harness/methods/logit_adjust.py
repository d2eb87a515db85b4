"""Logit adjustment: the classes' frequencies are put into the logits in training, so that the network needn't."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class LogitAdjustment(Component):
    """p = softmax(logits + τ log π) in training only, π_c = n_c / Σ n; evaluation sees the plain logits.

    With τ = 1 the plain logits aim at the balanced error, that is at UAR.
    """

    name = "logit-adjust"
    paper = "Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021 (arXiv 2007.07314), equation 10"
    excludes = {
        "balanced": "its order already evens the classes out, so adjusting by their counts corrects twice",
        "ldam": "both move the boundary by the classes' counts, so rare classes are favoured twice",
    }

    @dataclass(frozen=True)
    class Settings:
        tau: float = knob(1.0, "τ: 0 is plain training, 1 aims at the balanced error", low=0)

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        counts = ctx.counts_like(logits)
        return logits + self.settings.tau * torch.log(counts / counts.sum())
