"""Label smoothing: the target is the label with a little of everything else."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Component, Context
from harness.settings import knob


class LabelSmoothing(Component):
    """M = (1 − ε) I + ε/K, hence L = (1 − ε) CE(p, y) + ε (−1/K Σ_i log p_i) for any batch size."""

    name = "lsr"
    paper = "Szegedy et al., Rethinking the Inception Architecture, CVPR 2016 (arXiv 1512.00567)"

    @dataclass(frozen=True)
    class Settings:
        epsilon: float = knob(0.05, "share of the target spread evenly over all classes", low=0, high=1)

    def kernel(self, targets: Tensor, ctx: Context) -> Tensor:
        epsilon, classes = self.settings.epsilon, targets.shape[0]
        smooth = (1 - epsilon) * torch.eye(classes, dtype=targets.dtype, device=targets.device) + epsilon / classes
        return targets @ smooth
