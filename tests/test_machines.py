"""Several machines: what `accelerate launch` starts on two of them, and runs that were trained on another."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from faults.lab import stored, wait_for

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


@pytest.fixture
def template(tmp_path):
    """Runs the template for two nodes as its head says, with a `srun` of a test's; gives its exit code and what SLURM
    was asked.
    """
    folder = tmp_path / "grid"
    folder.mkdir()
    for name in ("2x8_gpus.sbatch", "2x8_gpus.yaml"):
        shutil.copy(EXAMPLES / name, folder)
    (head,) = re.findall(r"^#   sbatch (.*)", (folder / "2x8_gpus.sbatch").read_text(), re.MULTILINE)
    words = [word for word in head.split() if not word.startswith("--partition")]

    def run(srun: str) -> tuple[int, list[str]]:
        asked = tmp_path / "asked"
        commands = {
            "srun": srun,
            "scontrol": f'[ "$1" = show ] && echo node1 || echo "scontrol $@" >> "{asked}"',
            "scancel": f'echo "scancel $@" >> "{asked}"',
        }
        for name, text in commands.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-2]"}
        done = subprocess.run(["bash", *words], cwd=folder, env={**os.environ, **told}, timeout=60)
        return done.returncode, asked.read_text().splitlines() if asked.exists() else []

    return run


def test_the_template_finds_the_launchers_configuration_where_its_head_puts_it_and_says_so_where_it_does_not(
    template, tmp_path, capfd
):
    asked = f'[ -f "$4" ] && shift 6 && echo "$@" >> "{tmp_path}/asked"'
    assert template(asked) == (0, ["--grid mine.toml --runs /shared/runs"])
    (tmp_path / "asked").unlink()
    (tmp_path / "grid/2x8_gpus.yaml").unlink()
    assert template(asked) == (2, []) and "has no 2x8_gpus.yaml" in capfd.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_a_job_of_the_template_ends_as_its_training_does(template, code):
    assert template(f"exit {code}") == (code, [])


def test_a_job_of_the_template_that_was_told_to_leave_queues_again_once_its_training_has_saved(template, tmp_path):
    told = ["scancel --signal=TERM 7.0", "scontrol requeue 7"]
    saving = f'kill -USR1 $PPID; until [ -s "{tmp_path}/asked" ]; do sleep 0.05; done'
    assert template(f"{saving}; exit 3") == (3, told)
    (tmp_path / "asked").unlink()
    assert template(f"{saving}; exit 0") == (0, told[:1]), "what is done is not done again"


WAITING = '''
import os, time
from pathlib import Path
from harness.methods import Component

class Waiting(Component):
    """Makes processes that train together wait for good."""
    name, paper = "waiting", "none"
    def after_step(self, ctx): ...

if "RANK" in os.environ:
    Path(f"rank-{os.environ['RANK']}").write_text(str(os.getpid()))
    time.sleep(600)
'''
CONFORMANCE = """
from harness import plugins
from harness.conformance import processes
plugins.add_file("waiting.py")
processes.two_processes("waiting")
"""


def test_two_processes_of_a_check_that_is_interrupted_do_not_outlive_it(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    check = subprocess.Popen([sys.executable, "-c", CONFORMANCE], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    files = [tmp_path / "rank-0", tmp_path / "rank-1"]
    wait_for(lambda: check.poll() is not None or all(file.exists() and file.read_text() for file in files))
    ranks = [int(file.read_text()) for file in files]
    check.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in check.communicate(timeout=60)[1]
    try:
        assert not any(map(alive, ranks))
    finally:
        for rank in filter(alive, ranks):
            os.kill(rank, signal.SIGKILL)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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
