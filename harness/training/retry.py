"""Which failures are worth a second try, and how it differs from the first.

Out of memory: the same run in micro-batches of half the size. The global batch stays, so it trains the same. A read
that failed: as it was, from the last checkpoint. Everything else would only fail again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness import files
from harness.protocol import Train

FILE = "checkpoint/retry.json"  # in the run's folder, so that it goes with its checkpoints
Again = tuple[dict[str, str], Train]  # why and how to try again, and with which settings
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")  # where it is no type


def of(error: Exception, train: Train) -> Again | None:
    """How to try again; None where that is no use."""
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


def begun(folder: Path, train: Train, say: Callable[[str], None]) -> tuple[dict[str, str] | None, Train]:
    """Why and how a second try is under way in a run's folder since an earlier call, and its settings.

    None, and the settings as they are, where there is none, or where what was noted of it can't be read: that is said.
    """
    try:
        match files.read_json(folder / FILE):
            case {"retried": {"why": str(), "how": str()} as retried, "accumulation": int(micros)} if micros > 0:
                return retried, dataclasses.replace(train, accumulation=micros)
        fault = "does not say how the run was tried again"
    except FileNotFoundError:
        return None, train
    except files.Damaged as error:
        fault = error.what
    say(f"{folder / FILE} {fault}: the run goes on as if it had not been tried again")
    return None, train


def note(retried: dict[str, str], train: Train) -> dict[str, Any]:
    """What is to be kept of a second try, so that it goes on as such when it is cut off."""
    return {"retried": retried, "accumulation": train.accumulation}


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
