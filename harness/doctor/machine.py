"""Checks of the machine and of what is installed: packages, GPUs, launcher, precision, limits."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.doctor.facts import Facts, LauncherFile
from harness.doctor.findings import Finding

OPEN_FILES = 1024  # that a process may have open: a cache is mapped shard by shard
BF16 = (8, 0)  # the first capability with bfloat16 units


def packages(facts: Facts) -> Iterator[Finding]:
    for wanted, found in facts.unmet.items():
        mend = f'pip install "{wanted}"'
        yield Finding("packages", f"{wanted} is needed", f"installed: {found or 'none'}", mend)
    for module, error in facts.broken.items():
        mend = "install releases that belong together: pip install --force-reinstall torch torchvision"
        if module not in ("torchvision", "open_clip"):
            mend = f"install {module} again, for this Python"
        yield Finding("packages", f"{module} can't be imported", error, mend)


def driver(facts: Facts) -> Iterator[Finding]:
    """GPUs that are there and that torch does not use."""
    cuda = facts.cuda
    there = f"{cuda.present} GPUs, driver for CUDA {cuda.driver or 'unknown'}"
    if cuda.gpus or not cuda.present:
        return
    if cuda.visible is not None and cuda.visible.strip() in ("", "-1"):
        mend = "unset CUDA_VISIBLE_DEVICES to train on them"
        yield Finding("driver", "GPUs are hidden from this process", f"CUDA_VISIBLE_DEVICES={cuda.visible!r}", mend)
    elif not cuda.built_for:
        mend = "install a torch that is built for CUDA (pip install torch, without the CPU index)"
        yield Finding("driver", "this torch is built without CUDA, and there are GPUs", there, mend)
    elif cuda.driver and _older(cuda.driver, cuda.built_for):
        mend = f"update the driver, or install a torch that is built for CUDA {cuda.driver} or before"
        evidence = f"{there}; torch is built for CUDA {cuda.built_for}"
        yield Finding("driver", "the driver is too old for this torch, so it trains on the CPU", evidence, mend)
    else:
        mend = "see whether nvidia-smi works here, and whether this process may use /dev/nvidia*"
        evidence = "; ".join(filter(None, (there, f"torch is built for CUDA {cuda.built_for}", cuda.said)))
        yield Finding("driver", "torch finds no GPU, and there are some", evidence, mend)


def architecture(facts: Facts) -> Iterator[Finding]:
    """GPUs that this build of torch has no code for."""
    known = facts.cuda.architectures
    for gpu in facts.cuda.gpus if known else ():
        major, minor = gpu.capability
        built = [_capability(each) for each in known if each.startswith("sm_")]
        forward = [_capability(each) for each in known if each.startswith("compute_")]
        if not any(m == major and n <= minor for m, n in built) and not any(each <= gpu.capability for each in forward):
            mend = "install a torch that is built for it"
            what = f"this torch has no code for {gpu.name}"
            yield Finding("architecture", what, f"capability {major}.{minor}; built for {', '.join(known)}", mend)


def launcher(facts: Facts) -> Iterator[Finding]:
    """Fewer processes than asked for, or one where there are several GPUs."""
    started, gpus = facts.launcher, len(facts.cuda.gpus)
    if started.shortfall:
        what, _, mend = started.shortfall.partition(": ")
        yield Finding("launcher", what, f"started by {started.name}", mend)
    elif gpus > 1 and started.processes == 1:
        mend = f"accelerate launch --config_file accelerate_config.yaml --num_processes {gpus} -m harness run …"
        what, evidence = f"one process on {gpus} GPUs trains on one of them", f"started by {started.name}"
        if started.name == "none":  # nobody was asked to use them: to know it is enough
            yield Finding("launcher", what, f"no launcher; with one: {mend}")
        else:
            yield Finding("launcher", what, evidence, mend)


def cluster(facts: Facts) -> Iterator[Finding]:
    """Whether `harness submit` finds a cluster here."""
    if facts.sbatch:
        yield Finding("cluster", "SLURM is here, so `harness submit` can send a grid to it", facts.sbatch)
    elif facts.for_jobs:
        what, mend = "the grid has settings for SLURM, and there is none here", "run `harness submit` on a login node"
        yield Finding("cluster", what, ", ".join(facts.for_jobs), mend)


def launcher_file(facts: Facts) -> Iterator[Finding]:
    """The file that `accelerate launch` picks up in silence."""
    file, gpus = facts.launcher_file, len(facts.cuda.gpus)
    if file is None:
        return
    told = "give --config_file accelerate_config.yaml, or change the file"
    if file.error:
        yield Finding("launcher-file", "`accelerate launch` refuses its own default file", _said(file), told)
        return
    yield Finding("launcher-file", "`accelerate launch` takes this file unless told another", _said(file))
    kind = str(file.values.get("distributed_type"))
    if file.values.get("use_cpu") or kind == "MULTI_CPU":
        if gpus:
            yield Finding("launcher-file", "it trains on the CPU, and there are GPUs", _said(file), told)
        return
    machines = int(file.values.get("num_machines") or 1)
    processes = math.ceil(int(file.values.get("num_processes") or 1) / machines)  # the file counts those of all
    if processes > max(gpus, 1):
        each = " on each machine" if machines > 1 else ""
        what = f"it asks for {processes} processes{each}, and there are {gpus} GPUs"
        yield Finding("launcher-file", what, _said(file), told)
    elif gpus > 1 and (kind == "NO" or processes == 1):
        what = f"it starts one process, and there are {gpus} GPUs"
        yield Finding("launcher-file", what, _said(file), f"{told}; --num_processes {gpus} uses all")


def precision(facts: Facts) -> Iterator[Finding]:
    """A precision that is asked for and can't take effect."""
    asked = {f"started by {facts.launcher.name}": facts.launcher.precision}
    if facts.launcher.name == "none" and facts.launcher_file is not None:
        asked[_said(facts.launcher_file)] = str(facts.launcher_file.values.get("mixed_precision") or "no")
    mend = "ask for 'no', which is what runs: --mixed_precision no, or mixed_precision in the launcher's file"
    for evidence, wanted in asked.items():
        if wanted == "fp16" and not facts.cuda.gpus:
            yield Finding("precision", "fp16 on a CPU has no effect: fp32 runs", evidence, mend)
        elif wanted == "bf16" and any(gpu.capability < BF16 for gpu in facts.cuda.gpus):
            what = "bf16 is slow here: these GPUs have no units for it"
            names = ", ".join(sorted({gpu.name for gpu in facts.cuda.gpus}))
            yield Finding("precision", what, f"{names}; {evidence}", "ask for fp16")


def open_files(facts: Facts) -> Iterator[Finding]:
    if facts.open_files < OPEN_FILES:
        what = f"a process may have only {facts.open_files} files open"
        yield Finding("open-files", what, f"ulimit -n: {facts.open_files}", f"ulimit -n {4 * OPEN_FILES}")


def _said(file: LauncherFile) -> str:
    told = file.error or ", ".join(
        f"{key} {file.values[key]}"
        for key in ("distributed_type", "num_machines", "num_processes", "mixed_precision")
        if key in file.values
    )
    return f"{file.path}: {told}"


def _older(driver: str, built_for: str) -> bool:
    """A driver of the same major version runs what is built for a later minor one."""
    return int(driver.split(".")[0]) < int(built_for.split(".")[0])


def _capability(name: str) -> tuple[int, int]:
    """Of `sm_90` or `compute_120`; a letter behind it (`sm_90a`) is a variant of the same."""
    digits = "".join(sign for sign in name.partition("_")[2] if sign.isdigit())
    return int(digits[:-1]), int(digits[-1])
