"""A component of one's own: one file, loaded by `--plugin`.

harness run --plugin examples/confidence_penalty.py --datasets raer --methods "prompt,prompt+confidence-penalty"
"""

from dataclasses import dataclass

from torch import Tensor

from harness.methods import Batch, Component, Context, Output, Weighted
from harness.settings import knob


class ConfidencePenalty(Component):
    """L = −H(p) = Σ_c p_c log p_c, averaged over the batch: a network that is sure of itself pays for it."""

    name = "confidence-penalty"
    paper = (
        "Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, arXiv 1701.06548"
    )
    api = 1

    @dataclass(frozen=True)
    class Settings(Weighted):
        weight: float = knob(0.1, "λ of this term", low=0)

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        log_p = out.logits.log_softmax(dim=-1)
        return {"confidence": (self.settings.at(ctx.epoch), (log_p.exp() * log_p).sum(-1).mean())}
