"""Every form of the command enters by the same door and does the same thing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stored import plan_of, settle, store_of

from harness.store import index

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SELECT = ["--datasets", "raer", "--methods", "prompt+ldl,prompt+moco+mixup", "--seeds", "3", "--tiny"]

FORMS = {
    "console script": [BIN / "harness"],
    "python -m": [sys.executable, "-m", "harness"],
    "folder": [BIN / "accelerate", "launch", "harness"],
    "folder with config": [BIN / "accelerate", "launch", "--config_file", "accelerate_config.yaml", "harness"],
    "module": [BIN / "accelerate", "launch", "-m", "harness"],
    "module with config": [BIN / "accelerate", "launch", "--config_file", "accelerate_config.yaml", "-m", "harness"],
    "torchrun": [BIN / "torchrun", "--nproc_per_node", "2", "-m", "harness"],
    "torchrun data": [BIN / "torchrun", "--nproc_per_node", "2", "-m", "harness"],
}


def call(command, *arguments, cwd=ROOT, **environment):
    words = [str(word) for word in (*command, *arguments)]
    return subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=600, env={**os.environ, **environment}
    )


def results(runs: Path) -> dict:
    found = [json.loads(file.read_text()) for file in runs.glob("*/*/result.json")]
    return {result["run_id"]: result for result in found}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    runs = tmp_path_factory.mktemp("expected")
    done = call(FORMS["python -m"], "run", *SELECT, "--runs", runs / "runs", "--out", runs / "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return results(runs / "runs")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains_the_same_runs_to_the_same_numbers(form, expected, tmp_path):
    placement = ["--placement", "data"] if form == "torchrun data" else []
    done = call(FORMS[form], "run", *SELECT, "--runs", tmp_path / "runs", "--out", tmp_path / "out", *placement)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "harness: 2 of 2 runs done, 0 failed, 0 with errors"
    assert (tmp_path / "out" / "README.md").exists()
    found = results(tmp_path / "runs")
    assert found.keys() == expected.keys()
    if form != "torchrun data":  # two processes draw other dropout masks
        for run_id, result in found.items():
            assert result["metrics"] == expected[run_id]["metrics"]


def test_the_folder_form_works_by_absolute_path_from_elsewhere(tmp_path):
    done = call([BIN / "accelerate", "launch", ROOT / "harness"], "list", "datasets", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in json.loads(done.stdout)} >= {"caer", "daisee", "raer"}


def test_fewer_processes_than_asked_for_are_named(tmp_path):
    launch = [BIN / "accelerate", "launch", "--cpu", "--num_processes", "2", "harness"]
    done = call(launch, "run", *SELECT, "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    assert "asked for 2 processes, given 1" in done.stderr


READING = {"torch", "accelerate", "open_clip", "torchvision", "datasets"}
PLANNING = READING - {"torch"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """Runs that have been at rest for a while, with their index: what reading commands usually meet."""
    runs = tmp_path_factory.mktemp("stored") / "runs"
    store = store_of(runs, plan_of(["caer", "daisee"], [0, 1]))
    settle(runs)
    index.entries(store)
    return runs


@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        (["--help"], READING | {"pandas", "numpy", "pyarrow", "filelock"}),
        (["report", "--out", "{out}", "--runs", "{stored}"], READING),
        (["report", "--out", "{out}", "--runs", "{stored}", "--grid", "demo.toml"], READING),
        (["show", "000-s0-caer", "--runs", "{stored}"], READING | {"pyarrow", "numpy"}),
        (["compare", "000-s0-caer", "000-s1-caer", "--runs", "{stored}"], READING),
        (["cache", "list"], READING | {"pyarrow", "numpy"}),
        (["cache", "clear", "--keep", "1TB"], READING | {"pyarrow", "numpy"}),
        (["list", "datasets"], PLANNING),
        (["list", "methods"], PLANNING),
        (["list", "sentinels"], PLANNING),
        (["list", "models"], READING),
        (["plan", *SELECT, "--runs", "{runs}"], PLANNING),
    ],
)
def test_light_commands_load_nothing_heavy(arguments, never, stored, tmp_path):
    places = {"{out}": str(tmp_path / "out"), "{runs}": str(tmp_path / "runs"), "{stored}": str(stored)}
    words = [places.get(word, word) for word in arguments]
    code = (
        "import sys\nfrom harness.cli import main\n"
        f"try: code = main({words!r})\nexcept SystemExit as end: code = end.code\n"
        "print(code or 0, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = call([sys.executable, "-c", code])
    code, *loaded = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert not set(loaded) & never


def test_ctrl_c_while_an_import_runs_is_an_interruption_and_no_death_by_a_signal(tmp_path):
    plugin = tmp_path / "slow.py"
    text = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    plugin.write_text(f"exec({text!r})\n")  # as a dataclass in the making meets it
    words = ["list", "methods", "--plugin", str(plugin)]
    told = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, cwd=tmp_path)
    assert (told.returncode, "interrupted" in told.stderr) == (3, True), told
