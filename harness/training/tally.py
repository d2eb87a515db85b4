"""What an epoch of training adds up to: loss terms, confusion, gradient norm, targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harness import scores
from harness.learner import Loss, row_entropy
from harness.methods import Batch
from harness.snapshot import copied

_KEPT = ("sums", "broken", "weights", "share", "confusion", "targets", "skipped")


class Tally:
    """An epoch's sums so far, on the device until they are read, so that no step waits for it."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self.sums: dict[str, Tensor] = {}
        self.broken = torch.zeros(0, dtype=torch.long, device=device)  # micro-batches since each sum is none
        self.weights: dict[str, float] = {}
        self.share = torch.zeros((), device=device)
        self.confusion = torch.zeros(classes * classes, device=device)
        self.norms: list[Tensor] = []
        self.targets = torch.eye(classes)
        self.skipped = 0  # optimiser steps that a gradient scaler left out
        self.table = np.zeros((classes, classes))  # the confusion of all processes, once `row` has been called
        self.no_numbers = ""  # terms that are none, in words, those that broke first in front: likewise

    def add(self, loss: Loss, batch: Batch, weight: float) -> None:
        """A micro-batch that stands for `weight` of its global batch; of weight 0 it only fills a place."""
        values = {"total": loss.total, **{name: value for name, (_, value) in loss.terms.items()}}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach() * weight
        odd = ~torch.stack(list(self.sums.values())).isfinite()
        self.broken = odd + nn.functional.pad(self.broken, (0, len(odd) - len(self.broken)))
        self.weights = {name: factor for name, (factor, _) in loss.terms.items()}
        self.share += weight
        if weight:
            cells = batch.label * loss.logits.shape[1] + loss.logits.detach().argmax(-1)
            self.confusion.index_add_(0, cells, torch.ones_like(cells, dtype=self.confusion.dtype))
        self.targets = loss.targets.detach()

    def live(self) -> dict[str, str]:
        """The epoch so far, spelled for a progress bar: the loss, and its terms with their λ."""
        share = float(self.share) or 1.0
        means = {name: float(value) / share for name, value in self.sums.items()}
        found = {"loss": f"{means.pop('total'):.3f}"}
        if len(means) > 1:
            found |= {name: f"{self.weights[name]:g}×{value:.3f}" for name, value in means.items()}
        return found

    def norm(self, value: Any) -> None:
        if value is not None:
            self.norms.append(torch.as_tensor(value).detach())

    def state_dict(self) -> dict[str, Any]:
        """This process's part of the epoch so far, for a checkpoint: plain data, copied, with tensors on the CPU."""
        kept = {name: getattr(self, name) for name in _KEPT}
        norms = torch.stack(self.norms) if self.norms else None  # one tensor, not a small one for each step
        return copied({**kept, "norms": norms}, "cpu", "tally")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there, to the last bit."""
        found = copied(state, self.share.device, "tally")
        for name in _KEPT:
            setattr(self, name, found[name])
        self.norms = [] if found["norms"] is None else list(found["norms"])

    def row(self, accelerator: Accelerator) -> dict[str, Any]:
        """The epoch in plain numbers, over all processes."""
        parts = [torch.stack(list(self.sums.values())), self.share[None], self.confusion, self.broken]
        packed = accelerator.reduce(torch.cat(parts), "sum").cpu()
        sums, share, confusion, broken = packed.split([len(part) for part in parts])
        self.no_numbers = _in_order(dict(zip(self.sums, broken.tolist(), strict=True)))
        classes = math.isqrt(len(confusion))
        self.table = table = confusion.reshape(classes, classes).numpy()
        return {
            "losses": dict(zip(self.sums, (sums / share).tolist(), strict=True)),
            "weights": self.weights,
            "gradient_norm": _mean_of_finite(self.norms),
            "train": {"war": float(table.trace() / table.sum()), "uar": float(scores.recalls(table).mean())},
            "target": _target_facts(self.targets.cpu()),
        }


def _in_order(broken: dict[str, float]) -> str:
    """Terms by how long they have been no numbers: in `x, then cls` the second took it over from the first."""
    since = {name: count for name, count in broken.items() if count}
    if len(since) > 1:
        since.pop("total", None)  # it is their sum
    order = sorted(set(since.values()), reverse=True)
    return ", then ".join(", ".join(name for name in since if since[name] == count) for count in order)


def _mean_of_finite(norms: list[Tensor]) -> float | None:
    """Their mean without the steps that a gradient scaler left out, whose gradients are infinite."""
    found = torch.stack(norms) if norms else torch.zeros(0)
    found = found[found.isfinite()]
    return float(found.mean()) if len(found) else None


def _target_facts(targets: Tensor) -> dict[str, float]:
    """Whether M teaches anything: entropy over log K (1: uniform), mass on the label, argmax at the label."""
    classes = len(targets)
    return {
        "entropy": float(row_entropy(targets).mean() / math.log(classes)),
        "true_mass": float(targets.diagonal().mean()),
        "argmax_is_label": float((targets.argmax(-1) == torch.arange(classes)).float().mean()),
    }
