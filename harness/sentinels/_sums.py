"""What sentinels compare tensors by when keeping copies would cost as much memory as the model itself."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def sums(tensors: Iterable[Tensor]) -> Tensor:
    """Sum and sum of squares of each tensor `[n, 2]`, in double precision: a step that any of its numbers can hold
    shows in at least one of the two."""
    rows = []
    for tensor in tensors:
        numbers = tensor.detach().double()
        rows.append(torch.stack([numbers.sum(), numbers.square().sum()]))
    return torch.stack(rows) if rows else torch.zeros(0, 2)


def moved(before: Tensor, after: Tensor) -> list[bool]:
    """Which tensors differ between two calls of `sums`; one that was no number and still is none does not."""
    after = after.to(before.device)  # no tensors at all have no device in common
    same = (before == after) | (before.isnan() & after.isnan())
    return (~same.all(dim=-1)).tolist()
