"""Several machines: what `accelerate launch` starts on two of them, and runs that were trained on another."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from faults.lab import stored

from harness.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples" / "launch"
ACCELERATE, TORCHRUN = (Path(sys.executable).parent / name for name in ("accelerate", "torchrun"))
WORDS = ("run", "--datasets", "caer", "--methods", "prompt+lsr", "--tiny", "--placement", "data")


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_accelerate_understands_the_examples(name):
    config = load_config_from_file(str(EXAMPLES / name))
    machines, gpus = {"cpu": (1, 1), "gpu": (1, 1), "8_gpus": (1, 8), "2x8_gpus": (2, 16)}[name.removesuffix(".yaml")]
    assert (config.num_machines, config.num_processes, config.use_cpu) == (machines, gpus, name == "cpu.yaml")


def test_two_machines_train_a_run_as_two_processes_of_one_do(cache, tmp_path):
    """Two launchers on this machine, a process and a rank each, which meet at an address."""
    cache.mkdir(exist_ok=True)
    words = (EXAMPLES / "2x8_gpus.yaml").read_text().replace("num_processes: 16", "num_processes: 2")
    (tmp_path / "two.yaml").write_text(words.replace("mixed_precision: bf16", "mixed_precision: 'no'"))
    meeting = ["--main_process_ip", "127.0.0.1", "--main_process_port", str(free_port())]
    launcher = [ACCELERATE, "launch", "--config_file", tmp_path / "two.yaml", *meeting, "--machine_rank"]
    machines = [[*launcher, rank, "-m", "harness", *WORDS, "--runs", tmp_path / "two"] for rank in ("0", "1")]
    one = [TORCHRUN, "--nproc_per_node", "2", "-m", "harness", *WORDS, "--runs", tmp_path / "one"]
    said = together(machines, tmp_path)[0]
    assert "placement data" in said and "1 of 1 runs done" in said
    together([one], tmp_path)
    assert stored(tmp_path / "two") == stored(tmp_path / "one") != {}


def test_runs_from_another_machine_are_done_here_once_their_folders_are_copied(cache, tmp_path, monkeypatch, capsys):
    cache.mkdir(exist_ok=True)
    (tmp_path / "grid.toml").write_text('datasets = ["caer"]\nseeds = [0]\nmethods = ["prompt", "prompt+lsr"]\n')
    monkeypatch.chdir(tmp_path)

    def trained(store: str, *words: str) -> str:
        places = ("--runs", store, "--out", f"{store}-board", "--workers", "1")
        assert main(["run", "--grid", "grid.toml", "--tiny", *places, *words]) == 0
        return capsys.readouterr().err

    trained("whole")
    trained("laptop", "--methods", "prompt")
    assert "1 of 1 run to train" in trained("cluster", "--methods", "prompt+lsr")
    shutil.copytree("laptop/caer", "cluster/caer", dirs_exist_ok=True)
    assert "to train" not in trained("cluster")
    assert Path("cluster-board/results.csv").read_bytes() == Path("whole-board/results.csv").read_bytes()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def together(commands: list[list[Any]], folder: Path) -> list[str]:
    """Runs commands at the same time, and returns what each said once all have ended well."""
    told = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen([*map(str, words)], cwd=folder, env=told, **pipes) for words in commands]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    return said
