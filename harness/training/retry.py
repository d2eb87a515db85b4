"""Which failures are worth a second try, and how it differs from the first.

Out of memory: the same run in micro-batches of half the size. The global batch stays, so it trains the same. A read
that failed: as it was, from the last checkpoint. Everything else would only fail again.
"""

from __future__ import annotations

import dataclasses
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from harness import files
from harness.protocol import Train

FILE = "retry.json"  # beside the checkpoints
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")  # where it is no type


def of(error: Exception, train: Train) -> tuple[dict[str, str], Train] | None:
    """Why and how to try again, and with which settings; None where that is no use."""
    if _no_memory(error):
        micro = math.ceil(train.batch_size / train.accumulation)
        if micro < 2:
            return None
        smaller = dataclasses.replace(train, accumulation=math.ceil(train.batch_size / (micro // 2)))
        why = f"out of memory with micro-batches of {micro} clips" + (f" ({error})" if str(error) else "")
        how = f"tried again with micro-batches of {micro // 2} (train.accumulation={smaller.accumulation})"
        return {"why": why, "how": how}, smaller
    if isinstance(error, OSError):
        return {"why": f"a file could not be read or written ({error})", "how": "tried again"}, train
    return None


def begun(folder: Path, train: Train) -> tuple[dict[str, Any] | None, Train]:
    """The second try that is under way since an earlier call, whose checkpoints lie in `folder`, and its settings."""
    with suppress(FileNotFoundError, files.Damaged):
        told = files.read_json(folder / FILE)
        return told["retried"], dataclasses.replace(train, accumulation=told["accumulation"])
    return None, train


def begin(folder: Path, retried: dict[str, Any], train: Train) -> None:
    """Notes a second try, so that it goes on as such when it is cut off."""
    files.write_json(folder / FILE, {"retried": retried, "accumulation": train.accumulation})


def advice(error: Exception, train: Train) -> str:
    """What to set where there was too little memory; empty where something else failed."""
    if not _no_memory(error):
        return ""
    micro = math.ceil(train.batch_size / train.accumulation)
    if micro < 2:
        return "too little memory even for one clip at a time: lower clips.frames, or take a device with more"
    smaller = math.ceil(train.batch_size / (micro // 2))
    mend = f"set train.accumulation={smaller}, with which all runs are others and train anew"
    return f"too little memory even for micro-batches of {micro} clips; {mend}"


def _no_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
