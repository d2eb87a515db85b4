"""What may be remembered of a run that is cut off: plain data, copied.

Checkpoints are read with `torch.load(weights_only=True)`, which knows dicts, lists, tuples, texts, numbers and
tensors, and runs no code of a file. Whoever gathers (sentinels, the tally) therefore keeps what it gathers in these
alone, and one function serves both ways: to the CPU for a checkpoint, and back to the device that a run goes on with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import BadInput

MEND = "remember texts, numbers, tensors, None, and dicts (by text), lists and tuples of them"


def copied(value: Any, device: torch.device | str, where: str) -> Any:
    """A copy that shares nothing with `value`, to the last bit, its tensors on the device.

    Raises `BadInput` for what no checkpoint can hold; `where` says whose it is.
    """
    if isinstance(value, Tensor):
        return value.detach().to(device, copy=True)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return type(value)(copied(one, device, where) for one in value)
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: copied(one, device, where) for key, one in value.items()}
    raise BadInput(where, f"a checkpoint can't hold a {type(value).__name__} like {value!r:.60}", MEND)
