"""What a process makes of what started it, as far as one process shows it; several are in `test_machines`."""

from __future__ import annotations

import pytest
import torch

from harness.errors import BadInput
from harness.schedule import launch


@pytest.fixture
def given(monkeypatch):
    """A job that SLURM gave GPUs, of which torch sees none."""
    monkeypatch.setenv(launch.TASK, "prepare")
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def fails() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system. More of it.")

    monkeypatch.setattr(torch.cuda, "init", fails)
    return monkeypatch


def test_a_job_with_gpus_that_torch_does_not_see_ends_with_the_reason(given):
    told = "slurm.gpus_per_run: torch sees none of the 2 GPUs of this job: Found no NVIDIA driver on your system — load"
    with pytest.raises(BadInput, match=told):
        launch.accelerator(launch.here(), "pair")


def test_a_job_with_gpus_may_be_told_to_use_the_cpu(given):
    given.setenv("ACCELERATE_USE_CPU", "true")
    assert launch.accelerator(launch.here(), "pair").device.type == "cpu"
