"""LDAM: a margin on the true class's cosine, the larger the rarer the class."""

from dataclasses import dataclass

from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class LabelDistributionMargin(Component):
    """p = softmax(s (cos − Δ ∘ q)), Δ_c = C / n_c^¼ with C such that the largest is `max_margin`.

    The paper's margin lives on cosines, so the logits' own scale 1/temperature is replaced by s in training:
    on our logits (cosine / 0.01) a margin of 0.5 would mean nothing. q is the label, or mixup's mixture of
    labels: each class then has its share of its margin. Evaluation sees the plain logits.
    """

    name = "ldam"
    paper = "Cao et al., Label-Distribution-Aware Margin Loss, NeurIPS 2019 (arXiv 1906.07413)"
    order = -1  # it works on the network's own cosines and sets the scale that others' edits build on
    excludes = {"logit-adjust": "both move the boundary by the classes' counts, so rare classes are favoured twice"}

    @dataclass(frozen=True)
    class Settings:
        max_margin: float = knob(0.5, "margin of the rarest class, in cosines", low=0, high=2)
        scale: float = knob(30.0, "s that multiplies the cosines in training instead of 1/temperature", above=0)

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        cosines = logits * ctx.model.settings.temperature
        margins = ctx.counts_like(logits) ** -0.25
        margins = margins * (self.settings.max_margin / margins.max())
        return self.settings.scale * (cosines - margins * batch.target)
