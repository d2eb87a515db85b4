"""Components that are asked for and do nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.methods.adapter import Adapter, Bottleneck
from harness.methods.balanced import BalancedOrder
from harness.methods.mi import MutualInformation
from sentinels.defects import Defect


def _term_detached(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The term is added to the loss as a number."""
    loss = MutualInformation.loss

    def detached(self, out, batch, ctx):
        return {name: (weight, value.detach()) for name, (weight, value) in loss(self, out, batch, ctx).items()}

    patch.setattr(MutualInformation, "loss", detached)
    return ()


def _order_lost(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The sampler computes its order and does not return it."""
    sampler = BalancedOrder.sampler

    def lost(self, label, rng):
        sampler(self, label, rng)

    patch.setattr(BalancedOrder, "sampler", lost)
    return ()


def _built_and_not_called(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The adapter is a part of the network, with a group of its own, and no feature passes through it."""

    def extend(self, model):
        model.head.spare = Bottleneck(model.width, self.settings)

    def parameter_groups(self, model):
        yield "adapter", self.settings.lr, list(model.head.spare.parameters())

    patch.setattr(Adapter, "extend", extend)
    patch.setattr(Adapter, "parameter_groups", parameter_groups)
    return ()


DEFECTS = [
    Defect("inactive-component", "a mixup that was parsed and never passed on", "prompt+mixup(connected=false)"),
    Defect("inactive-component", "a term whose weight is 0", "prompt+dc(weight=0)"),
    Defect("inactive-component", "a term whose delay outlasts the run", "prompt+mi(delay=2)"),
    Defect("inactive-component", "a term without a gradient", "prompt+mi", breaks=_term_detached),
    Defect("inactive-component", "a sampler whose order is lost", "prompt+balanced", breaks=_order_lost),
    Defect("inactive-component", "an adapter that is never called", "prompt+adapter", breaks=_built_and_not_called),
]
