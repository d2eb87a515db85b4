"""Balancing logit variation: rare classes' logits are perturbed more, so that they claim more of the space."""

from dataclasses import dataclass

from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class BalancingLogitVariation(Component):
    """z_c ← z_c + scale · |δ| · f_c / max f, f_c = log Σ n − log n_c, δ ~ clip(N(0, σ), −1, 1) for each clip and class.

    As the authors' code has it after their fix of f (grantword8/BLV, `blv_loss.py`; their first release had
    f_c = log max n − log n_c, which is 0/0 for equal counts). The shift is at most `scale` in units of logits.
    """

    name = "blv"
    paper = "Wang et al., Balancing Logit Variation for Long-tailed Semantic Segmentation, CVPR 2023 (arXiv 2306.02061)"

    @dataclass(frozen=True)
    class Settings:
        sigma: float = knob(4.0, "σ of the Gaussian, which is clipped to ±1", low=0)
        scale: float = knob(1.0, "largest shift of a logit; the paper's is 1", low=0)

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        counts = ctx.counts_like(logits)
        rarity = counts.sum().log() - counts.log()
        noise = (ctx.noise("blv", logits) * self.settings.sigma).clamp(-1, 1).abs()
        return logits + self.settings.scale * noise * (rarity / rarity.max().clamp(min=1e-12))
