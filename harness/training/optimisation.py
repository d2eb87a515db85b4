"""The optimiser of a run: built from the learner's groups, read as it is, and its learning rate over the epochs."""

from __future__ import annotations

import math
from typing import Any

import torch

from harness.learner import Learner
from harness.protocol import Train
from harness.sentinels import Group


def built(learner: Learner, settings: Train, *, fused: bool | None) -> torch.optim.Optimizer:
    """Not `fused` with a gradient scaler: it would leave out steps that overflow by itself, uncounted."""
    groups = learner.groups(settings)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, fused=fused)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999), fused=fused)


def groups(learner: Learner, optimizer: Any) -> tuple[Group, ...]:
    """The optimiser's groups as they are, not as they were asked for, by the parameters' names in the learner."""
    names = {id(parameter): name for name, parameter in learner.named_parameters()}
    members: dict[str, dict[str, torch.nn.Parameter]] = {}
    decays: dict[str, dict[str, float]] = {}
    rates: dict[str, float] = {}
    for group in optimizer.param_groups:
        name, found = group["name"], {names[id(p)]: p for p in group["params"] if id(p) in names}
        rates[name] = group.get("initial_lr", group["lr"])
        members.setdefault(name, {}).update(found)
        decays.setdefault(name, {}).update(dict.fromkeys(found, group["weight_decay"]))
    return tuple(Group(name, rates[name], found, decays[name]) for name, found in members.items())


def rate(settings: Train, epoch: int) -> float:
    """What every group's learning rate is multiplied by in an epoch; steps are epochs, never batches."""
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    if settings.schedule == "steps":
        return 0.1 ** sum(epoch >= milestone for milestone in settings.milestones)
    return 1.0
