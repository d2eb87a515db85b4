"""What a run was made with: versions, device, launcher, commit. Written beside each run, never part of its id."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

PACKAGES = ("torch", "accelerate", "open_clip_torch", "datasets", "evaluate", "numpy", "av", "opencv-python-headless")


def describe(accelerator: Accelerator, placement: str) -> dict[str, Any]:
    """Facts of this process for `environment.json`."""
    return {
        "harness": metadata.version("harness"),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "device": _device(accelerator.device),
        "processes": accelerator.num_processes,
        "placement": placement,
        "precision": precision(accelerator),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def precision(accelerator: Accelerator) -> str:
    """The precision that takes effect: on a CPU fp16 is asked for in vain and fp32 is what runs."""
    asked = accelerator.mixed_precision
    if asked == "no" or (asked == "fp16" and accelerator.device.type == "cpu"):
        return "fp32"
    return asked


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.processor() or platform.machine()}, {os.cpu_count()} cores)"


@functools.cache
def _commit() -> str:
    """The commit of the code that runs, with a mark for uncommitted changes; empty outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        run = functools.partial(subprocess.run, cwd=here, capture_output=True, text=True, timeout=10, check=True)
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        return commit + ("+changes" if run(["git", "status", "--porcelain", "--", "."]).stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return ""
