"""Processes that train one run together: what is gathered of all, and what when one of them is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.distributed
from torch import Tensor

from harness.errors import Deserted

if TYPE_CHECKING:
    from accelerate import Accelerator


@contextmanager
def relied_on() -> Iterator[None]:
    """Inside, processes need each other. Raises `Deserted` in those that are left when one of them went away."""
    try:
        yield
    except Exception as error:
        if not gone(error):
            raise
        words = str(error).partition("] ")[2] or str(error)  # behind the place in the C++ code
        raise Deserted(f"another process that trains along went away ({words.partition('. ')[0]})") from error


def gone(error: Exception) -> bool:
    """Whether a collective failed because another process does not answer any more."""
    return isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def gather(accelerator: Accelerator, rows: Tensor, *, real: bool = True) -> Tensor:
    """Rows of all processes in the order of the global batch, without the fillers of empty shares."""
    rows = rows if real else rows[:0]
    if accelerator.num_processes == 1:
        return rows
    counts = accelerator.gather(torch.tensor([len(rows)], device=rows.device)).tolist()
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = accelerator.gather(padded).split(max(counts))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
