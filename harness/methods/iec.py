"""Instance-enhanced classifier: each clip's text features are first turned towards the clip itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class InstanceEnhanced(Component):
    """logits_c = v · slerp(t_c, v; w) / temperature = cos((1 − w) θ_c) / temperature, θ_c the angle of v and t_c.

    On the sphere, turning t_c towards v by the share w of their angle leaves (1 − w) of it, so no turned feature is
    ever built. It falls with θ_c as the plain cosine does: it never changes which class is nearest, only how
    strongly training pulls, and evaluation sees the plain logits. Without `prompt` the text features are the
    hand-crafted ones, as in the code family.
    """

    name = "iec"
    paper = "Instance-Enhanced Classifier of the RAPT-CLIP-CAER code family; slerp: Shoemake, SIGGRAPH 1985"
    order = -1  # it works on the network's own cosines

    @dataclass(frozen=True)
    class Settings:
        share: float = knob(0.5, "w: share of the angle by which text is turned to the clip; 0: not", low=0, high=0.99)

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        temperature = ctx.model.settings.temperature
        edge = 1 - 1e-6  # at ±1 the angle has no derivative
        angles = torch.acos((logits * temperature).clamp(-edge, edge))
        return torch.cos((1 - self.settings.share) * angles) / temperature
