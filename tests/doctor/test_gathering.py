"""What the doctor sees of a real machine: this one, with troubles laid out on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from layouts import build

from harness import doctor, grid
from harness.cli import main
from harness.doctor import around
from harness.doctor.facts import of_the_machine
from harness.protocol import Model


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user file of this test, in a folder that is there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "harness").mkdir(parents=True)
    return tmp_path / "home" / "harness" / "config.toml"


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_written_to_under_a_lock_and_left_as_it_was(tmp_path: Path) -> None:
    store, cache, hub = around.of_the_places(str(tmp_path / "not" / "there" / "runs"))["places"]
    assert (store.role, cache.role, hub.role) == ("store", "cache", "hub")
    assert store.trouble is None and 0 < store.seconds < 60 and store.free > 0 and hub.seconds is None
    assert not list(tmp_path.iterdir())


def test_a_store_that_can_not_be_made_is_a_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = around.of_the_places(str(tmp_path / "file" / "runs"))["places"][0]
    assert store.trouble is not None and store.trouble.mend


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_roots_of_the_user_file_are_read_as_a_plan_reads_them(file: Path, tmp_path: Path) -> None:
    root = build("caer", tmp_path / "CAER")
    file.write_text(f'[data.caer]\nroot = "{root}"\n[data.raer]\nroot = "{tmp_path}/nowhere"\n')
    caer, raer = around.of_the_data(None, None)["copies"]
    assert (caer.dataset, caer.root, caer.origin, caer.trouble) == ("caer", str(root), str(file), None)
    assert caer.clips > 0
    assert raer.trouble.what == f"no folder {tmp_path}/nowhere" and "data.raer.root" in raer.trouble.where


def test_a_grid_s_own_root_is_read_in_the_place_of_the_users(file: Path, tmp_path: Path) -> None:
    file.write_text('[data.caer]\nroot = "/nowhere"\n[data.raer]\nroot = "/nowhere/either"\n')
    root = build("caer", tmp_path / "CAER")
    raw = {"datasets": ["caer"], "methods": ["prompt"], "data": {"caer": {"root": str(root)}}}
    caer, raer = around.of_the_data(grid.build("g", raw), None)["copies"]
    assert (caer.root, caer.origin, caer.trouble) == (str(root), "grid file", None)
    assert raer.dataset == "raer" and raer.trouble is not None


def test_a_root_one_folder_too_high_is_a_trouble(file: Path, tmp_path: Path) -> None:
    build("caer", tmp_path / "sets" / "CAER")
    file.write_text(f'[data.caer]\nroot = "{tmp_path}/sets"\n')
    (caer,) = around.of_the_data(None, None)["copies"]
    assert caer.trouble is not None and caer.trouble.mend


def test_a_user_file_that_is_refused_is_one_trouble(file: Path) -> None:
    file.write_text("[train]\nlr = 1\n")
    found = around.of_the_data(None, None)
    assert found["copies"] == () and len(found["refused"]) == 1
    assert found["refused"][0].where == f"{file}: train"


# ── weights ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_embedded_weights_are_there() -> None:
    assert around.of_the_model(Model()).trouble is None


@pytest.mark.parametrize(
    ("settings", "what", "mend"),
    [
        ({"name": "ViT-B-32"}, "has no weights", "give model.pretrained"),
        ({"name": "ViT-B-32", "pretrained": "openia"}, "no weights 'openia' for ViT-B-32", "openai"),
        ({"name": "ViT-B-32", "pretrained": "/nowhere/w.safetensors"}, "no weights file", "give the path"),
    ],
)
def test_weights_that_there_are_not_are_a_trouble(settings: dict[str, Any], what: str, mend: str) -> None:
    found = around.of_the_model(Model(**settings)).trouble
    assert found is not None and what in found.what and mend in found.mend


def test_weights_of_the_hub_are_looked_for_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert around.of_the_model(Model(name="ViT-B-32", pretrained="laion2b_s34b_b79k")).downloaded is False
    assert around.of_the_model(Model(name="ViT-B-32", pretrained="laion2b-S34B-b79k")).trouble is None  # as open_clip


# ── the machine, and the whole ──────────────────────────────────────────────────────────────────────────────


def test_this_machine_has_what_harness_requires() -> None:
    facts = of_the_machine()
    assert facts["unmet"] == {} and facts["broken"] == {} and facts["plugins"] == {}
    assert facts["versions"]["torch"] and facts["open_files"] > 0
    import torch

    assert len(facts["cuda"].gpus) == torch.cuda.device_count()


def plugin_package(folder: Path) -> Path:
    """An installed package whose plugin can't be imported."""
    info = folder / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.methods]\nbroken-loss = broken:Loss\n")
    (folder / "broken.py").write_text("import nothing_that_is_there\n")
    return folder


def test_troubles_of_a_real_machine_are_found_by_the_command(file: Path, tmp_path: Path) -> None:
    file.write_text('[data.caer]\nroot = "/nowhere/CAER"\n')
    default = tmp_path / "hub" / "accelerate" / "default_config.yaml"
    default.parent.mkdir(parents=True)
    default.write_text("distributed_type: 'NO'\nmixed_precision: fp16\nnum_processes: 1\n")
    told = {
        "HF_HOME": str(tmp_path / "hub"),
        "HARNESS_CACHES": "/typo",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(plugin_package(tmp_path / "site")),
    }
    command = [sys.executable, "-m", "harness", "doctor", "--json", "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **told})
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    wrong = {finding["what"]: finding for finding in report["findings"] if finding["mend"]}
    for expected in (
        "caer can't be read: no folder /nowhere/CAER",
        "fp16 on a CPU has no effect: fp32 runs",
        "no variable HARNESS_CACHES is known",
        "methods: broken-loss can't be used: the plugin can't be imported: ModuleNotFoundError: No module named "
        "'nothing_that_is_there'",
    ):
        assert expected in wrong, wrong.keys()
    assert str(default) in wrong["fp16 on a CPU has no effect: fp32 runs"]["evidence"]
    assert report["facts"]["launcher_file"]["path"] == str(default)


def test_a_user_file_that_is_refused_is_a_finding_among_others(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.write_text("runs = /a\n")
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    (told,) = (each for each in report["findings"] if each["check"] == "settings" and "is not TOML" in each["what"])
    assert told["evidence"] == str(file) and report["facts"]["places"][0]["path"] == "runs"


def test_the_store_is_the_user_files_unless_told(
    file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file.write_text(f'runs = "{tmp_path}/mine"\n')
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["facts"]["places"][0]["path"] == f"{tmp_path}/mine"


def test_a_grid_that_is_refused_is_a_finding_among_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "doctor", "--grid", str(tmp_path / "none.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 1 and "✗ no such grid file" in done.stdout, done.stderr


def test_a_grid_s_needs_are_part_of_the_facts(cache: Path, tmp_path: Path) -> None:
    made = grid.build("g", {"datasets": ["raer"], "methods": ["prompt"]}, tiny=True)
    facts = doctor.gather(str(tmp_path / "runs"), made)
    assert facts.needed > 0 and facts.weights is not None and facts.weights.model == "tiny"
    assert not [finding for finding in doctor.examine(facts) if finding.check in ("room", "weights", "data")]
