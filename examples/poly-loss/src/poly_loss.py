"""PolyLoss: cross-entropy is a series in 1 − p, and its first coefficient need not be 1."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class Poly(Component):
    """L = Σ_c q_c (−log p_c + ε (1 − p_c)): Poly-1, linear in the target q; CE at ε = 0.

    −log p = Σ_j (1 − p)^j / j, and ε is added to the coefficient of j = 1.
    """

    name = "poly"
    paper = "Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, ICLR 2022"
    api = 1
    excludes = {"ldl": "with the term in 1 − p the loss is least elsewhere than at p = q, the distribution ldl aims at"}

    @dataclass(frozen=True)
    class Settings:
        epsilon: float = knob(1.0, "ε: what is added to the first coefficient", low=-1)

    def weigh(self, log_p: Tensor, batch: Batch, ctx: Context) -> Tensor:
        sure = log_p > -1e-6  # (1 − p) / (−log p) is 1 there, and 0 / 0 at p = 1
        away = torch.where(sure, torch.full_like(log_p, -1.0), log_p)
        ratio = torch.where(sure, torch.ones_like(log_p), torch.expm1(away) / away)
        return 1 + self.settings.epsilon * ratio
