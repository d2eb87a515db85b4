"""The examples run as their own docstrings say."""

import shutil
from pathlib import Path

import pytest

from harness import miniature, plugins
from harness.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch):
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})


def run(tmp_path, plugin: str, *words: str) -> int:
    places = ["--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out", "--workers", "1", "--tiny"]
    return main(["run", "--plugin", str(EXAMPLES / plugin), *words, *places])


def test_a_component_in_one_file_is_a_factor_like_any_other(tmp_path):
    assert (
        run(tmp_path, "confidence_penalty.py", "--datasets", "raer", "--methods", "prompt,prompt+confidence-penalty")
        == 0
    )
    assert "confidence-penalty" in (tmp_path / "out/README.md").read_text()


def test_a_data_set_in_one_file_trains_on_class_folders(tmp_path):
    source = miniature.ensure(tmp_path / "mini", limit=6) / "CAER"
    for split, name in (("train", "train"), ("validation", "validation"), ("test", "test")):
        for mood in ("Happy", "Sad"):
            shutil.copytree(source / split / mood, tmp_path / "TwoMoods" / name / mood)
    words = ["--datasets", "two-moods", "--methods", "prompt", "--set", f"data.two-moods.root={tmp_path / 'TwoMoods'}"]
    assert run(tmp_path, "two_moods.py", *words) == 0
    page = (tmp_path / "out/README.md").read_text()
    assert "two-moods" in page
    assert "miniature" not in page
