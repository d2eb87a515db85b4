"""The command that trains a stored run again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from stored import SPEC

from harness.store.repeat import command, store_of, stored_in


def test_the_command_holds_only_what_is_not_default():
    words = shlex.split(command(SPEC))
    assert words[:2] == ["harness", "run"]
    assert words[2:] == ["--datasets", "caer", "--methods", "ldl(temperature=0.1)+prompt", "--seeds", "2"]


def test_the_command_repeats_every_changed_setting():
    train = {**SPEC["train"], "epochs": 5, "milestones": [3], "lr": 1e-4}
    data = {"root": "/data/my caer", "fingerprint": "f00", "miniature": False, "first_label": "1"}
    words = shlex.split(command({**SPEC, "train": train, "data": data}))
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert settings == [
        *("train.epochs=5", "train.lr=0.0001", "train.milestones=3|"),
        *("data.caer.root=/data/my caer", "data.caer.first_label=1"),
    ]


def test_a_stored_spec_reads_back_without_false_differences():
    """JSON turns tuples into lists; that is no change of a setting."""
    assert "--set" not in command(json.loads(json.dumps(SPEC)))


def test_settings_of_a_data_set_whose_plugin_is_not_loaded_are_all_given():
    plugins = {"mine": {"file": "/home/me/mine.py", "hash": "00"}}
    data = {"root": "", "fingerprint": "f00", "miniature": True, "take": 3}
    words = shlex.split(command({**SPEC, "dataset": "mine", "data": data, "plugins": plugins}))
    assert words[2:4] == ["--plugin", "/home/me/mine.py"]
    assert words[-2:] == ["--set", "data.mine.take=3"]


def test_the_command_names_the_store():
    assert command(SPEC, "/somewhere/my runs").endswith("--runs '/somewhere/my runs'")


def test_the_store_is_left_out_only_where_a_command_uses_it_untold(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    here, other = Path("runs/caer/run"), tmp_path / "other" / "caer" / "run"
    assert stored_in(store_of(here)) == stored_in("") == []
    assert stored_in(store_of(other)) == ["--runs", str(tmp_path / "other")]
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "config.toml").write_text(f'runs = "{tmp_path}/other"\n')
    assert stored_in(store_of(here)) == ["--runs", "runs"]
    assert stored_in(store_of(other)) == stored_in("") == []
