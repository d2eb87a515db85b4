"""What a run was made with: enough to explain other numbers, and nothing that names a machine or its user."""

from __future__ import annotations

import getpass
import json
import os
import socket
from pathlib import Path

import torch
from accelerate import Accelerator

from harness.training import environment


def told() -> dict:
    return environment.describe(Accelerator(cpu=True), "pair")


def test_it_tells_what_decides_the_last_bit():
    facts = told()
    assert facts["machine"]["cpu"] and facts["machine"]["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert facts["packages"]["torch"] in torch.__version__ and facts["threads"] == torch.get_num_threads()
    assert facts["determinism"]["float32_matmul_precision"] == "highest" and facts["gpu"] == {}
    assert json.loads(json.dumps(facts)) == facts


def test_flags_and_variables_show(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    facts = told()
    assert facts["variables"]["OMP_NUM_THREADS"] == "3" and facts["variables"]["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert "MKL_CBWR" not in facts["variables"] and facts["determinism"]["cudnn_benchmark"] is True


def test_the_launcher_shows_with_what_it_asked_for(monkeypatch):
    for name in ("ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    assert told()["launcher"]["name"] == "none"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert told()["launcher"]["name"] == "torchrun"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("HARNESS_WORKERS", "2")
    assert told()["launcher"] == {"name": "accelerate", "mixed_precision": "no", "workers_at_most": 2}


def test_it_names_no_host_no_user_and_no_path():
    values = json.dumps(told())
    assert socket.gethostname() not in values and str(Path.home()) not in values and os.getcwd() not in values
    assert f'"{getpass.getuser()}"' not in values
