"""What each component made of the targets M `[K, K]` in a watched step, for the sentinels that judge them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.learner import row_entropy
from harness.sentinels import Step


@dataclass(frozen=True)
class Kernel:
    """A component's part in M: what it got and what it gave back, both detached and on their device.

    `attached` says that gradients flow into what it made, and not already into what it got. `edits` marks one that
    comes after the others and changes what they made (warm-up): by itself it has no target.
    """

    component: str
    before: Tensor
    after: Tensor
    attached: bool
    edits: bool


def kernels_of(step: Step) -> Iterator[Kernel]:
    """In the order in which they were applied: each begins with what the one before has left."""
    edits = {part.name: part.order > 0 for part in step.learner.parts}
    before = torch.eye(len(step.loss.targets), device=step.loss.targets.device)
    for name, after in step.trace.kernels.items():
        attached = after.requires_grad and not before.requires_grad
        yield Kernel(name, before.detach(), after.detach(), attached, edits[name])
        before = after


def flatness(targets: Tensor) -> float:
    """Mean entropy of the rows over log K: 1 is uniform, 0 the hard label. One class has nothing to tell apart."""
    classes = len(targets)
    return float(row_entropy(targets).mean()) / math.log(classes) if classes > 1 else 0.0


def shifted(before: Tensor, after: Tensor) -> float:
    """Mean total variation of the rows: the share of a row's mass that lies elsewhere afterwards."""
    return float((after - before).abs().sum(-1).mean()) / 2
