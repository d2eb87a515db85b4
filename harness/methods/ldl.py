"""Semantic label distribution learning: classes whose descriptions are near share the target.

The temperature decides whether the target teaches anything: cosines of CLIP text features lie close together,
so at 1.0 the target is all but uniform and the loss goes to its floor with accuracy at chance. Watch
`target.entropy` in the history: 1 is uniform, 0 is the hard label.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.methods import Batch, Component, Context
from harness.settings import knob


class LabelDistribution(Component):
    """L = KL(q ‖ p), q = softmax(T̂ T̂ᵀ / τ) by rows, p = softmax(logits / τ_p); T̂: text features [K, D].

    T̂ is L2-normalised, or dot products saturate the softmax and the target is silently one-hot, and detached,
    or the loss falls by moving the target instead of the model. Both can be switched off to repeat what was
    published; switched off together, the entropy of a saturated target has no gradient and training ends in NaN.
    """

    name = "ldl"
    paper = "semantic LDL of the RAPT-CLIP-CAER code family; LDL: Geng, TKDE 2016 (arXiv 1408.6027)"
    divergence = "kl"

    @dataclass(frozen=True)
    class Settings:
        temperature: float = knob(0.02, "τ of the target: lower is closer to the hard label", above=0)
        prediction_temperature: float = knob(1.0, "τ_p that divides the logits in this loss", above=0)
        normalise: bool = knob(True, "text features are L2-normalised; off the beaten track: false repeats a mistake")
        detach: bool = knob(True, "the target is held still; off the beaten track: false lets it chase the model")

    def kernel(self, targets: Tensor, ctx: Context) -> Tensor:
        assert ctx.out is not None
        text = F.normalize(ctx.out.text, dim=-1) if self.settings.normalise else ctx.out.text_raw
        text = (text.detach() if self.settings.detach else text).to(targets.dtype)
        return targets @ torch.softmax(text @ text.T / self.settings.temperature, dim=-1)

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        return logits / self.settings.prediction_temperature
