"""What a run was made with, as far as it can explain other numbers. Written beside each run, never part of its id.

It goes into stores and leaderboards that are passed on, so it names kinds of machines and no machine: no host, no
user, no path.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

PACKAGES = (
    *("torch", "torchvision", "accelerate", "open_clip_torch", "datasets", "evaluate"),
    *("numpy", "av", "opencv-python-headless", "pillow"),
)
VARIABLES = (  # that change numbers, and hold no path
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_NUM_THREADS"),
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("NCCL_ALGO", "NCCL_PROTO", "ACCELERATE_DYNAMO_BACKEND"),
)


def describe(accelerator: Accelerator, placement: str) -> dict[str, Any]:
    """Facts of this process for `environment.json`."""
    return {
        "harness": metadata.version("harness"),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "device": _device(accelerator.device),
        "machine": _machine(),
        "gpu": _gpu(accelerator.device),
        "processes": accelerator.num_processes,
        "placement": placement,
        "launcher": {  # what it asked for: `precision` and `processes` are what takes effect
            "name": launcher(),
            "mixed_precision": accelerator.mixed_precision,
            "workers_at_most": int(os.environ.get("HARNESS_WORKERS", 1)),  # on a GPU fewer may be worth it
        },
        "precision": precision(accelerator),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "determinism": {
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
        },
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
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
def _machine() -> dict[str, Any]:
    """The CPU, and what torch and the C library make of it: each set of instructions rounds in its own way."""
    model = ""
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found.group(1).strip() if found else ""
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "libc": " ".join(platform.libc_ver()).strip(),
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    """The GPU that a process trains on; empty where it trains on none."""
    if device.type != "cuda":
        return {}
    return {
        "model": torch.cuda.get_device_name(device),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str:
    """The version of NVIDIA's kernel driver, where it can be read."""
    with suppress(OSError):
        found = re.search(r"Kernel Module.*?\s(\d+\.\d[\d.]*)", Path("/proc/driver/nvidia/version").read_text())
        return found.group(1) if found else ""
    return ""


def launcher() -> str:
    """Who started this process: `accelerate`, `torchrun` or `none`."""
    if "ACCELERATE_MIXED_PRECISION" in os.environ:  # its launcher sets it, also to "no", and calls torchrun's
        return "accelerate"
    return "torchrun" if "TORCHELASTIC_RUN_ID" in os.environ else "none"


@functools.cache
def _commit() -> str:
    """The commit of the code that runs, with a mark for uncommitted changes; empty outside a checkout."""
    here = Path(__file__).resolve().parents[1]
    try:
        run = functools.partial(subprocess.run, cwd=here, capture_output=True, text=True, timeout=10, check=True)
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        return commit + ("+changes" if run(["git", "status", "--porcelain", "--", "."]).stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return ""
