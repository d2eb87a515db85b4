"""Mixup: pairs of clips and their labels are blended with one λ."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods import Batch, Component, Context
from harness.settings import knob


class Mixup(Component):
    """x = λ x_a + (1 − λ) x_b, q = λ q_a + (1 − λ) q_b, λ ~ Beta(α, α), one λ a step, both streams alike.

    Partners are neighbours in the shuffled batch (0↔1, 2↔3, …): as random as a permutation, and they stay on
    one process when a batch is shared out. The odd clip at the end of an uneven batch stays itself.
    """

    name = "mixup"
    paper = "Zhang et al., mixup, ICLR 2018 (arXiv 1710.09412); features: Verma et al., ICML 2019"

    @dataclass(frozen=True)
    class Settings:
        alpha: float = knob(0.2, "α of the Beta distribution that λ is drawn from", above=0)
        level: str = knob(
            "feature",
            "what is mixed: the trunk's features, or pixels (then features can't be cached)",
            choices=("feature", "input"),
        )
        connected: bool = knob(True, "off the beaten track: false repeats a mixup that was parsed and never passed on")

    @property
    def needs_pixels(self) -> bool:
        return self.settings.level == "input"

    def on_batch(self, batch: Batch, ctx: Context) -> Batch:
        if (
            not self.settings.connected
            or batch.level != {"feature": "features", "input": "pixels"}[self.settings.level]
        ):
            return batch
        share = float(ctx.rng("mixup").beta(self.settings.alpha, self.settings.alpha))
        partner = _neighbours(len(batch.label), batch.label.device)

        def mix(rows: Tensor) -> Tensor:
            rows = rows.float() if rows.dtype == torch.uint8 else rows
            return share * rows + (1 - share) * rows[partner]

        return dataclasses.replace(batch, face=mix(batch.face), context=mix(batch.context), target=mix(batch.target))


def _neighbours(size: int, device: torch.device) -> Tensor:
    """Positions of the partners: 1, 0, 3, 2, …"""
    positions = torch.arange(size, device=device)
    partner = positions ^ 1
    return torch.where(partner < size, partner, positions)
