"""What a run's checkpoint and its best epoch hold: the weights that training changes, and the random generators."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.learner import Learner


def trained(learner: Learner) -> dict[str, Any]:
    """The learner's state without the towers of the CLIP model that never change: they come from its weights."""
    towers = [tower.state_dict(keep_vars=True).values() for tower in learner.model.frozen()]
    fixed = {
        id(tensor) for values in towers for tensor in values if not tensor.requires_grad
    }  # a component may open one
    kept = {name: value for name, value in learner.state_dict(keep_vars=True).items() if id(value) not in fixed}
    return {name: value.detach() if isinstance(value, Tensor) else value for name, value in kept.items()}


def seed_all(seed: int) -> None:
    """All generators that a component may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of the generators from which dropout, and whatever a component draws, comes."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": (kind, np.asarray(keys).tolist(), *rest),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Goes on with the numbers that would have come next when `random_state` was called."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    random.setstate(state["python"])


def weights(learner: Learner) -> dict[str, Tensor]:
    """A copy of all that training changes and evaluation reads."""
    state = learner.model.state_dict()
    return {name: state[name].detach().clone() for name in _changing(learner)}


def _changing(learner: Learner) -> set[str]:
    names = {name for name, parameter in learner.model.named_parameters() if parameter.requires_grad}
    names |= {name for name, _ in learner.model.named_buffers()}
    return names & set(learner.model.state_dict())


def restore(learner: Learner, kept: dict[str, Tensor]) -> tuple[str, ...]:
    """Puts kept weights back, and names those that should have come back and did not."""
    state = learner.model.state_dict()
    with torch.no_grad():
        for name, value in kept.items():
            if name in state:
                state[name].copy_(value)
    return tuple(sorted(_changing(learner) ^ set(kept)))
