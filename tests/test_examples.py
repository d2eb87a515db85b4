"""The examples run as their own docstrings and pages say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import miniature, plugins
from harness.cli import main

pytest_plugins = ["packages"]
EXAMPLES = Path(__file__).parents[1] / "examples"
PACKAGES = ("poly-loss", "lecture-moods")


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch):
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})


def run(tmp_path, *words: str) -> int:
    return main(["run", *words, "--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out", "--workers", "1", "--tiny"])


def test_a_component_in_one_file_is_a_factor_like_any_other(tmp_path):
    plugin = ["--plugin", str(EXAMPLES / "confidence_penalty.py")]
    assert run(tmp_path, *plugin, "--datasets", "raer", "--methods", "prompt,prompt+confidence-penalty") == 0
    assert "confidence-penalty" in (tmp_path / "out/README.md").read_text()


def test_a_data_set_in_one_file_trains_on_class_folders(tmp_path):
    source = miniature.ensure(tmp_path / "mini", limit=6) / "CAER"
    for split, name in (("train", "train"), ("validation", "validation"), ("test", "test")):
        for mood in ("Happy", "Sad"):
            shutil.copytree(source / split / mood, tmp_path / "TwoMoods" / name / mood)
    words = ["--datasets", "two-moods", "--methods", "prompt", "--set", f"data.two-moods.root={tmp_path / 'TwoMoods'}"]
    assert run(tmp_path, "--plugin", str(EXAMPLES / "two_moods.py"), *words) == 0
    page = (tmp_path / "out/README.md").read_text()
    assert "two-moods" in page
    assert "miniature" not in page


def test_a_component_and_a_data_set_from_packages_train_together(tmp_path, install):
    for package in PACKAGES:
        install(EXAMPLES / package)
    assert main(["check", "lecture-moods"]) == 0
    plugins.get("datasets", "lecture-moods").sample(tmp_path / "copy")
    words = ["--datasets", "lecture-moods", "--methods", "prompt,prompt+poly(epsilon=2)"]
    assert run(tmp_path, *words, "--set", f"data.lecture-moods.root={tmp_path / 'copy'}") == 0
    page = (tmp_path / "out/README.md").read_text()
    assert "lecture-moods" in page and "poly(epsilon=2)" in page


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_computes_and_reads_as_its_own_tests_say(package, tmp_path, install):
    """That it keeps its contract as well is tested where it is truly installed, in `test_new.py`."""
    install(EXAMPLES / package)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not contract"]
    tests = str(EXAMPLES / package / "tests")
    done = subprocess.run([*command, tests], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
