"""One process or two, the same training: same batches, same losses, the same queue, every clip once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate import Accelerator
from processes import records

from harness import plugins
from harness.grid import grammar

HERE = Path(__file__).parent


def method_of(component: str) -> str:
    """The component beside a prompt and what it needs."""
    return str(
        grammar.resolve("+".join(dict.fromkeys(["prompt", *plugins.get("methods", component).requires, component])))
    )


METHODS = sorted({method_of(name) for name in plugins.names("methods")})
METHODS += [
    "moco(queue=16)+prompt",
    "moco(positive=video,queue=16,queue_of=video)+prompt",
    "ldl+mixup+moco+prompt+warmup",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    out = tmp_path_factory.mktemp("processes") / "two.json"
    torchrun = [Path(sys.executable).parent / "torchrun", "--nproc_per_node", "2"]
    return records(METHODS, Accelerator(cpu=True)), elsewhere(torchrun, out, METHODS)


def elsewhere(command: list, out: Path, methods: list[str], **environment: str) -> dict:
    """The records of other processes."""
    words = [str(word) for word in (*command, HERE / "processes.py", out, *methods)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=600, cwd=HERE, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr[:3000]
    return json.loads(out.read_text())


def close(one, two):
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        return all(close(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(close, one, two))
    return one == pytest.approx(two, abs=1e-5, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_one_process_or_two_train_the_same(method, both):
    one, two = both[0][method], both[1][method]
    for first, second in zip(one["rows"], two["rows"], strict=True):
        for part in first:
            assert close(first[part], second[part]), f"{part}: {first[part]} and {second[part]}"
    assert close(one["test"], two["test"])
    queue = [name for name in one["state"] if name.endswith((".queue", ".labels", ".next"))]
    assert close({name: one["state"][name] for name in queue}, {name: two["state"][name] for name in queue})


@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_add_up_to_one_batch(method, both):
    """Gradient accumulation of 3 micro-batches trains what one batch trains, the queue included."""
    whole, parts = both[0][method], records([method], Accelerator(cpu=True), accumulation=3)[method]
    for first, second in zip(whole["rows"], parts["rows"], strict=True):
        assert close(first["losses"], second["losses"]), f"{first['losses']} and {second['losses']}"
    assert close(whole["test"], parts["test"])


def test_bfloat16_trains_to_the_same_metric_within_noise(both, tmp_path):
    methods = ["prompt", "ldl+mixup+moco+prompt+warmup"]
    half = elsewhere([sys.executable], tmp_path / "half.json", methods, ACCELERATE_MIXED_PRECISION="bf16")
    for method in methods:
        whole = both[0][method]
        assert half[method]["rows"] != whole["rows"], "the precision that was asked for took no effect"
        for name in ("war", "uar"):
            ends = [found["rows"][-1]["val"][name] for found in (whole, half[method])]
            assert abs(ends[0] - ends[1]) <= 2 / 9, "nine clips: two of them are noise"
        first, last = (found["rows"][-1]["losses"]["cls"] for found in (whole, half[method]))
        assert last == pytest.approx(first, rel=0.15)
