"""What the doctor looks at, gathered from this machine in one go and as plain values, so that checks can be tested with
any machine's. Gathering never raises: what can't be asked is a fact as well.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from harness import variables
from harness.doctor.findings import Trouble, trouble

MODULES = ("torchvision", "av", "cv2", "open_clip", "datasets", "evaluate")  # whose own parts may not fit each other
PRESENT = (("/proc/driver/nvidia/gpus", "*"), ("/dev", "nvidia[0-9]*"))  # one entry a GPU, where there is a driver
SHOWN = ("torch", "torchvision", "accelerate", "open_clip_torch", "datasets", "evaluate", "numpy", "av")


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use; `capability` as in (9, 0), memory in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True)
class Cuda:
    """The driver's side and torch's. `present` counts what the driver has, visible or not; versions are "12.4"."""

    gpus: tuple[Gpu, ...] = ()
    present: int = 0
    driver: str = ""  # the version that its CUDA is, empty without a driver
    built_for: str = ""  # torch's CUDA, empty for a CPU build
    architectures: tuple[str, ...] = ()  # that torch has code for: sm_90, compute_90
    said: str = ""  # what torch warned of when it looked for GPUs
    visible: str | None = None  # CUDA_VISIBLE_DEVICES


@dataclass(frozen=True)
class Launcher:
    """Who started this process, what it was asked for, and what came of it."""

    name: str = "none"
    processes: int = 1
    precision: str = "no"
    shortfall: str = ""


@dataclass(frozen=True)
class LauncherFile:
    """The configuration that `accelerate launch` takes unless told another; `error` where it refuses the file."""

    path: str
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Place:
    """A folder that is written to. `seconds` is what a locked write took there (the median), None where not tried."""

    role: str
    path: str
    free: int = 0
    files_left: int = 10**9
    seconds: float | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Copy:
    """A data set that has a root: where from, and how many clips it has or why it can't be read."""

    dataset: str
    root: str
    origin: str
    clips: int = 0
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Weights:
    """The trunk that a grid asks for. `downloaded` is None for what does not come from the hub."""

    model: str
    source: str
    downloaded: bool | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Facts:
    """This machine, this environment, and the grid that was named."""

    versions: dict[str, str] = field(default_factory=dict)
    unmet: dict[str, str] = field(default_factory=dict)  # requirement -> installed version, empty for none
    broken: dict[str, str] = field(default_factory=dict)  # module -> error
    cuda: Cuda = Cuda()
    launcher: Launcher = Launcher()
    launcher_file: LauncherFile | None = None
    variables: dict[str, str] = field(default_factory=dict)
    open_files: int = 1024
    places: tuple[Place, ...] = ()
    cached: int = 0  # bytes
    needed: int = 0  # bytes that the grid's cache takes
    copies: tuple[Copy, ...] = ()
    weights: Weights | None = None
    sbatch: str = ""  # SLURM's command, where there is one
    for_jobs: tuple[str, ...] = ()  # what the grid says of its jobs
    plugins: dict[str, Trouble] = field(default_factory=dict)
    refused: tuple[Trouble, ...] = ()  # by the user file, or the grid


def of_the_machine() -> dict[str, Any]:
    """The facts that no data set and no store is needed for."""
    return {
        "versions": {"harness": _version("harness"), "python": platform.python_version()}
        | {name: _version(name) for name in SHOWN},
        "unmet": dict(_unmet()),
        "broken": dict(_broken()),
        "cuda": _cuda(),
        "launcher": _launcher(),
        "launcher_file": _launcher_file(),
        "variables": {**variables.in_effect(), **{k: v for k, v in os.environ.items() if k.startswith("HARNESS_")}},
        "sbatch": shutil.which("sbatch") or "",
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "plugins": dict(_broken_plugins()),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _unmet() -> Iterator[tuple[str, str]]:
    """What `harness` requires and is not there, or older than it must be."""
    from packaging.requirements import Requirement

    for line in metadata.requires("harness") or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            found = _version(wanted.name)
            if not found or not wanted.specifier.contains(found, prereleases=True):
                yield f"{wanted.name}{wanted.specifier}", found


def _broken() -> Iterator[tuple[str, str]]:
    for name in MODULES:
        try:
            import_module(name)
        except Exception as error:  # libraries that don't fit fail in ways of their own
            yield name, f"{type(error).__name__}: {error}"


def _cuda() -> Cuda:
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
        gpus = tuple(_gpu(torch.cuda.get_device_properties(number)) for number in there)
    return Cuda(
        gpus=gpus,
        present=max(len(list(Path(folder).glob(names))) for folder, names in PRESENT),
        driver=_driver(),
        built_for=torch.version.cuda or "",
        architectures=tuple(torch.cuda.get_arch_list()) if gpus else (),
        said=" ".join(str(warning.message) for warning in said),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def _gpu(found: Any) -> Gpu:
    return Gpu(found.name, (found.major, found.minor), found.total_memory)


def _driver() -> str:
    """The CUDA version of NVIDIA's driver, asked of its own library."""
    number = ctypes.c_int()
    with suppress(OSError, AttributeError):
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)) == 0:
            return f"{number.value // 1000}.{number.value % 1000 // 10}"
    return ""


def _launcher() -> Launcher:
    from harness.schedule import launch
    from harness.training import environment

    here = launch.here()
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    return Launcher(environment.launcher(), here.world, precision, launch.shortfall(here))


def _launcher_file() -> LauncherFile | None:
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    if not os.path.isfile(default_config_file):
        return None
    try:
        found = load_config_from_file(None).to_dict()
    except Exception as error:  # YAML's, or the launcher's own for unknown keys
        return LauncherFile(default_config_file, error=f"{type(error).__name__}: {error}")
    return LauncherFile(default_config_file, {key: value for key, value in found.items() if value not in ({}, None)})


def _broken_plugins() -> Iterator[tuple[str, Trouble]]:
    from harness import plugins

    for kind in plugins.BASES:
        for name in plugins.names(kind):
            try:
                plugins.get(kind, name)
            except Exception as error:
                yield f"{kind}: {name}", trouble(error, "mend or uninstall the package that brings it")
