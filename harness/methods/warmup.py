"""Target warm-up: hard labels first, the method's own targets after n epochs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Component, Context, ramp
from harness.settings import knob


class Warmup(Component):
    """M ← (1 − a) I + a M with a = 0 before epoch n, rising to 1 over `ramp` epochs after it (0: at once)."""

    name = "warmup"
    paper = "the post-mortem's schedule: hard labels for n epochs, then label distributions"
    requires = {"ldl": "there is no other target to warm up to"}
    order = 1

    @dataclass(frozen=True)
    class Settings:
        epochs: int = knob(5, "epochs with hard labels", low=0, unit="epochs")
        ramp: int = knob(0, "epochs of linear change from hard labels to the method's targets", low=0, unit="epochs")

    def kernel(self, targets: Tensor, ctx: Context) -> Tensor:
        amount = ramp(ctx.epoch, self.settings.epochs, self.settings.ramp)
        hard = torch.eye(targets.shape[0], dtype=targets.dtype, device=targets.device)
        return (1 - amount) * hard + amount * targets
