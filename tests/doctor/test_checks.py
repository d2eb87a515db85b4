"""Each common trouble of a machine is found, with what shows it and the mend; a machine in order has none."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from harness import doctor
from harness.doctor import machine, places
from harness.doctor.facts import Copy, Cuda, Facts, Gpu, Launcher, LauncherFile, Place, Weights
from harness.doctor.findings import Finding, Trouble

H100 = Gpu("NVIDIA H100", (9, 0), 80 * 10**9)
V100 = Gpu("Tesla V100", (7, 0), 16 * 10**9)
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "compute_90")
ONE = Cuda((H100,), 1, "12.8", "12.8", ARCHITECTURES)
EIGHT = dataclasses.replace(ONE, gpus=(H100,) * 8, present=8)
GONE = dataclasses.replace(ONE, gpus=(), architectures=())
FINE = (
    Place("store", "runs", 10**12, seconds=0.002),
    Place("cache", "/cache", 10**12, seconds=0.002),
    Place("hub", "/hub", 10**12),
)
DEFAULT_FILE = "/home/me/.cache/huggingface/accelerate/default_config.yaml"


def default_file(**values: Any) -> LauncherFile:
    return LauncherFile(DEFAULT_FILE, values)


def wrong(**facts: Any) -> list[Finding]:
    """What should be mended where a machine in order is changed in these facts."""
    found = doctor.examine(Facts(**{"places": FINE, **facts}))
    return [finding for finding in found if finding.mend]


@pytest.mark.parametrize("cuda", [Cuda(), ONE, Cuda(built_for="13.0"), Cuda(driver="12.4", built_for="13.0")])
def test_nothing_is_wrong_with_a_machine_in_order(cuda: Cuda) -> None:
    assert wrong(cuda=cuda) == []
    text = doctor.text(Facts(places=FINE, cuda=cuda), doctor.examine(Facts(places=FINE, cuda=cuda)))
    assert "nothing wrong was found" in text


TROUBLES: dict[str, tuple[dict[str, Any], str, str, str]] = {  # facts; what is said, what is seen, what to do
    "a package is too old": (
        {"unmet": {"torch>=2.6": "2.1.0"}},
        "torch>=2.6 is needed",
        "installed: 2.1.0",
        'pip install "torch>=2.6"',
    ),
    "a package is missing": ({"unmet": {"av>=14": ""}}, "av>=14 is needed", "none", "pip install"),
    "torch and torchvision do not fit": (
        {"broken": {"torchvision": "RuntimeError: operator torchvision::nms does not exist"}},
        "torchvision can't be imported",
        "nms does not exist",
        "that belong together",
    ),
    "the driver is too old": (
        {"cuda": dataclasses.replace(GONE, built_for="13.0", driver="12.2")},
        "the driver is too old for this torch",
        "driver for CUDA 12.2; torch is built for CUDA 13.0",
        "update the driver, or install a torch that is built for CUDA 12.2",
    ),
    "torch is built for the CPU": (
        {"cuda": dataclasses.replace(GONE, built_for="")},
        "built without CUDA",
        "1 GPUs",
        "install a torch that is built for CUDA",
    ),
    "GPUs are hidden": (
        {"cuda": dataclasses.replace(GONE, visible="")},
        "hidden from this process",
        "CUDA_VISIBLE_DEVICES=''",
        "unset",
    ),
    "GPUs are there and can not be used": (
        {"cuda": dataclasses.replace(GONE, said="CUDA unknown error")},
        "torch finds no GPU, and there are some",
        "CUDA unknown error",
        "nvidia-smi",
    ),
    "a GPU that torch has no code for": (
        {"cuda": dataclasses.replace(ONE, gpus=(V100,))},
        "no code for Tesla V100",
        "capability 7.0; built for sm_75",
        "install a torch",
    ),
    "one process where two were asked for": (
        {"launcher": Launcher("accelerate", shortfall="asked for 2 processes, given 1: use torchrun")},
        "asked for 2 processes, given 1",
        "accelerate",
        "use torchrun",
    ),
    "a launcher with one process on eight GPUs": (
        {"cuda": EIGHT, "launcher": Launcher("accelerate")},
        "one process on 8 GPUs",
        "started by accelerate",
        "--num_processes 8",
    ),
    "a default file that starts one process": (
        {"cuda": EIGHT, "launcher_file": default_file(distributed_type="NO", num_processes=8)},
        "it starts one process, and there are 8 GPUs",
        DEFAULT_FILE,
        "--config_file accelerate_config.yaml",
    ),
    "a default file that asks for more than there is": (
        {"cuda": ONE, "launcher_file": default_file(distributed_type="MULTI_GPU", num_processes=4)},
        "asks for 4 processes, and there are 1 GPUs",
        "num_processes 4",
        "--config_file",
    ),
    "a default file of several machines that asks for more than this one has": (
        {"cuda": EIGHT, "launcher_file": default_file(num_processes=17, num_machines=2)},
        "asks for 9 processes on each machine, and there are 8 GPUs",
        "num_machines 2, num_processes 17",
        "--config_file",
    ),
    "a default file that trains on the CPU": (
        {"cuda": ONE, "launcher_file": default_file(distributed_type="NO", use_cpu=True)},
        "it trains on the CPU, and there are GPUs",
        DEFAULT_FILE,
        "--config_file",
    ),
    "a default file that is refused": (
        {"launcher_file": LauncherFile(DEFAULT_FILE, error="ValueError: unknown keys (['fast'])")},
        "refuses its own default file",
        "unknown keys (['fast'])",
        "change the file",
    ),
    "fp16 on a CPU": (
        {"launcher": Launcher("accelerate", precision="fp16")},
        "fp16 on a CPU has no effect",
        "started by accelerate",
        "--mixed_precision no",
    ),
    "fp16 on a CPU, from the default file": (
        {"launcher_file": default_file(distributed_type="NO", mixed_precision="fp16")},
        "fp16 on a CPU has no effect",
        "mixed_precision fp16",
        "the launcher's file",
    ),
    "bf16 on old GPUs": (
        {
            "cuda": dataclasses.replace(ONE, gpus=(V100,), architectures=()),
            "launcher": Launcher("accelerate", precision="bf16"),
        },
        "bf16 is slow here",
        "Tesla V100",
        "fp16",
    ),
    "too few open files": ({"open_files": 256}, "only 256 files open", "256", "ulimit -n 4096"),
    "a store without locks": (
        {
            "places": (
                Place("store", "/nfs/runs", trouble=Trouble("/nfs", "its file system locks no files", "mount it")),
            )
        },
        "the run store can't be used: its file system locks no files",
        "/nfs/runs",
        "mount it",
    ),
    "a slow store": (
        {"places": (Place("store", "/far/runs", 10**12, seconds=1.5),)},
        "the run store is on a slow disk",
        "a locked write takes 1.50 s",
        "harness config set runs",
    ),
    "no room for the cache": (
        {"places": (Place("cache", "/cache", 10**8),)},
        "the cache has little room",
        "100 MB free",
        "harness cache clear",
    ),
    "a disk full of files": (
        {"places": (Place("store", "runs", 10**12, 20),)},
        "takes hardly any more files",
        "room for 20 files",
        "another disk",
    ),
    "a cache that does not fit": (
        {"needed": 5 * 10**12, "cached": 10**9},
        "the grid's cache does not fit",
        "5 TB needed, 1 TB free, 1 GB kept",
        "lower clips.views",
    ),
    "a wrong data root": (
        {
            "copies": (
                Copy("caer", "/data", "/me/config.toml", trouble=Trouble("data.caer.root", "no folder", "give it")),
            )
        },
        "caer can't be read: no folder",
        "/data (root from /me/config.toml); data.caer.root",
        "give it",
    ),
    "weights that there are not": (
        {"weights": Weights("ViT-B-32", "openia", trouble=Trouble("model.pretrained", "no weights", "openai?"))},
        "no weights",
        "model.pretrained openia",
        "openai?",
    ),
    "weights that can't be fetched": (
        {"weights": Weights("ViT-B-32", "openai", False), "variables": {"HF_HUB_OFFLINE": "1"}},
        "the weights are not here, and nothing is downloaded",
        "ViT-B-32",
        "copy HF_HOME here",
    ),
    "a variable that nobody reads": (
        {"variables": {"HARNESS_CACHES": "/a"}},
        "no variable HARNESS_CACHES is known",
        "HARNESS_CACHES=/a",
        "did you mean HARNESS_CACHE?",
    ),
    "a variable of our own": (
        {"variables": {"HARNESS_WORKER": "1"}},
        "for harness's own processes to set",
        "HARNESS_WORKER=1",
        "unset HARNESS_WORKER",
    ),
    "a user file that is refused": (
        {"refused": (Trouble("/me/config.toml: train", "is no place", "write it in the grid file"),)},
        "is no place",
        "/me/config.toml: train",
        "write it in the grid file",
    ),
    "settings for a cluster where there is none": (
        {"for_jobs": ("slurm.partition", "slurm.time")},
        "has settings for SLURM, and there is none here",
        "slurm.partition, slurm.time",
        "login node",
    ),
    "a plugin that is broken": (
        {"plugins": {"methods: mine": Trouble("mine", "can't be imported: ImportError", "uninstall it")}},
        "methods: mine can't be used: can't be imported",
        "mine",
        "uninstall it",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_found_with_evidence_and_mend(name: str) -> None:
    facts, what, evidence, mend = TROUBLES[name]
    (finding,) = wrong(**facts)
    assert what in finding.what and evidence in finding.evidence and mend in finding.mend


def test_every_check_finds_one_of_them() -> None:
    found = {finding.check for facts, *_ in TROUBLES.values() for finding in wrong(**facts)}
    assert found == {check.__name__.replace("_", "-") for check in doctor.CHECKS}


@pytest.mark.parametrize(
    ("cuda", "told"),
    [
        (EIGHT, {"distributed_type": "MULTI_GPU", "num_processes": 16, "num_machines": 2}),
        (Cuda(), {"distributed_type": "MULTI_CPU", "num_processes": 4}),
        (Cuda(), {"distributed_type": "MULTI_CPU", "num_processes": 4, "use_cpu": True}),
    ],
)
def test_a_default_file_that_fits_its_machines_is_no_trouble(cuda: Cuda, told: dict[str, Any]) -> None:
    assert wrong(cuda=cuda, launcher_file=default_file(**told)) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"cuda": EIGHT}, "one process on 8 GPUs"),
        ({"launcher_file": default_file(distributed_type="NO")}, "takes this file unless told another"),
        ({"weights": Weights("ViT-B-32", "openai", False)}, "downloaded when the first run begins"),
        ({"variables": {"HARNESS_CACHE": "/a"}}, "HARNESS_CACHE is in effect"),
    ],
)
def test_what_is_only_to_be_known_is_no_trouble(facts: dict[str, Any], said: str) -> None:
    found = doctor.examine(Facts(places=FINE, **facts))
    assert [said in finding.what for finding in found] == [True] and not found[0].mend


@pytest.mark.parametrize(
    ("capability", "known", "fits"),
    [
        ((9, 0), ("sm_90",), True),
        ((8, 9), ("sm_86",), True),  # a later minor one runs what is built for an earlier
        ((8, 0), ("sm_86",), False),
        ((12, 0), ("sm_90",), False),
        ((12, 0), ("sm_90", "compute_90"), True),  # compiled when it is loaded
        ((9, 0), ("sm_90a",), True),
        ((10, 0), ("sm_100", "compute_120"), True),
    ],
)
def test_code_for_a_gpu_is_told_by_its_capability(
    capability: tuple[int, int], known: tuple[str, ...], fits: bool
) -> None:
    cuda = dataclasses.replace(ONE, gpus=(Gpu("a GPU", capability, 1),), architectures=known)
    assert (not list(machine.architecture(Facts(cuda=cuda)))) is fits


def test_a_driver_runs_what_is_built_for_a_later_minor_version() -> None:
    (finding,) = machine.driver(Facts(cuda=dataclasses.replace(GONE, driver="12.2", built_for="12.8")))
    assert "too old" not in finding.what


def test_a_check_that_fails_is_a_finding_and_stops_no_other() -> None:
    def broken(facts: Facts) -> Any:
        raise KeyError("unforeseen")

    first, second = doctor.examine(Facts(open_files=1), (broken, machine.open_files))
    assert first.what == "the check broken failed" and "KeyError: 'unforeseen'" in first.evidence
    assert second.check == "open-files"


def test_text_names_each_trouble_and_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    facts = Facts(
        places=FINE, open_files=256, variables={"HARNESS_CACHE": "/a"}, broken={"av": "ImportError: \x1b[31m"}
    )
    lines = doctor.text(facts, doctor.examine(facts)).splitlines()
    assert max(map(len, lines)) <= 80 and not any("\x1b" in line for line in lines)
    assert lines.index("2 things to mend") < lines.index("to be known")
    assert "✗ a process may have only 256 files open" in lines and "  mend: ulimit -n 4096" in lines


def test_json_holds_facts_and_findings() -> None:
    facts = Facts(places=FINE, cuda=ONE, open_files=256)
    told = json.loads(json.dumps(doctor.as_json(facts, doctor.examine(facts))))
    assert told["findings"] == [dataclasses.asdict(finding) for finding in wrong(cuda=ONE, open_files=256)]
    assert told["facts"]["cuda"]["gpus"][0]["name"] == "NVIDIA H100"


def test_room_counts_what_is_kept_already() -> None:
    tight = (Place("cache", "/cache", 2 * 10**9),)
    assert not list(places.room(Facts(places=tight, needed=3 * 10**9, cached=10**9)))
    assert list(places.room(Facts(places=tight, needed=3 * 10**9)))


def test_a_cluster_that_is_here_is_a_remark() -> None:
    assert not wrong(sbatch="/usr/bin/sbatch", for_jobs=("slurm.partition",))
    (told,) = doctor.examine(Facts(places=FINE, sbatch="/usr/bin/sbatch"))
    assert told.check == "cluster" and not told.mend
