"""The component my-plugin: to begin with, a penalty that keeps logits from drifting.

Put your own in its place: docstring, paper, settings and hook, and its formula in the tests.
"""

from dataclasses import dataclass

from torch import Tensor

from harness.methods import Batch, Component, Context, Output
from harness.settings import knob


class MyPlugin(Component):
    """L = λ (log Σ_c exp z_c)², averaged over the batch: small where the logits z stay near 0."""

    name = "my-plugin"
    paper = "Chowdhery et al., PaLM: Scaling Language Modeling with Pathways, arXiv 2204.02311, section 5 (z-loss)"
    api = 1

    @dataclass(frozen=True)
    class Settings:
        weight: float = knob(1e-4, "λ of the penalty", low=0)

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        return {"my-plugin": (self.settings.weight, (out.logits.logsumexp(dim=-1) ** 2).mean())}
