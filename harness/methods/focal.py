"""Focal loss: what the network already knows counts less."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class Focal(Component):
    """L = −Σ_c q_c (1 − p_c)^γ log p_c: linear in the target q, the focal loss for hard labels, CE at γ = 0."""

    name = "focal"
    paper = "Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002)"
    excludes = {"ldl": "weighted by (1 − p)^γ the loss is least elsewhere than at p = q, the distribution ldl aims at"}

    @dataclass(frozen=True)
    class Settings:
        gamma: float = knob(2.0, "γ: 0 is cross-entropy, more looks harder at what is still wrong", low=0)

    def weigh(self, log_p: Tensor, batch: Batch, ctx: Context) -> Tensor:
        missing = -torch.expm1(log_p)  # 1 − p, exact also for p near 1
        return missing.clamp(min=1e-12) ** self.settings.gamma  # below, a γ under 1 has no gradient
