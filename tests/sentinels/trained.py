"""Trains on the small synthetic splits, without a command or files, and gives one sentinel's alarms."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from conftest import Silent, make_splits, make_watch, small_learner

from harness import plugins
from harness.protocol import Train
from harness.training import loop
from harness.training.watch import Alarm


def alarms_of(sentinel: str, method: str, told: dict[str, Any] | None = None, **train: Any) -> list[Alarm]:
    """What the sentinel, with the settings that it is `told`, says of a run of the method."""
    cls, found, splits = plugins.get("sentinels", sentinel), [], make_splits()
    watch = make_watch(splits, found.append, {sentinel: cls.Settings(**(told or {}))})
    watch.sentinels = [one for one in watch.sentinels if one.name == sentinel]
    torch.manual_seed(0)
    settings = Train(**{"epochs": 2, "batch_size": 8, **train})
    accelerator = Accelerator(cpu=True)
    loop.train(small_learner(method), splits, settings, "war", 0, accelerator, Silent(), [], watch)
    return [alarm for alarm in found if alarm.sentinel == sentinel]


def severities(found: list[Alarm]) -> set[str]:
    return {alarm.severity for alarm in found}
