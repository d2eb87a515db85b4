"""One run as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored import SPEC

from harness.files import write_json, write_lines
from harness.store import Record, Store
from harness.store.repeat import command
from harness.store.show import as_json, sparkline, text

METHOD = "'ldl(temperature=0.1)+prompt'"
SCORES = {"war": 0.625, "uar": 0.5, "f1": 0.48, "ece": 0.1}
DONE: dict[str, Any] = {
    "status": "done",
    "selection": "val",
    "epoch": 1,
    "metrics": {"val": {**SCORES, "war": 0.7}, "test": SCORES},
    "per_class": {"test": {"Anger": 0.75, "Sad": 0.0}},
    "confusion": {"test": [[3, 1], [4, 0]]},
    "classes": ["Anger", "Sad"],
    "primary": "war",
    "alarms": 1,
    "duration_s": 92.0,
    "counts": {"faces": {"test": {"found": 7, "missing": 1}}, "boxes": {"frame": 7, "center-crop": 1}},
}
HISTORY = [
    {"epoch": e, "losses": {"ldl": 2.0 - e}, "val": {"war": 0.5 + 0.1 * e}, "target": {"entropy": 0.4}}
    for e in range(3)
]
ALARM = {
    "sentinel": "flat-target",
    "severity": "error",
    "epoch": 1,
    "message": "aims at nothing",
    "mend": "cool it",
}


def saved(root: Path, result: dict[str, Any], spec: dict[str, Any] = SPEC) -> Record:
    folder = root / "caer" / "ldl-prompt-s2-0123456789"
    write_json(folder / "spec.json", spec)
    if result:
        write_json(folder / "result.json", {"run_id": folder.name, **result})
    write_lines(folder / "history.jsonl", HISTORY)
    write_lines(folder / "alarms.jsonl", [ALARM])
    write_json(folder / "environment.json", {"torch": "2.15", "device": {"kind": "cpu", "cores": 2}})
    return Store(root).find("ldl-prompt-s2")


def test_a_finished_run_is_told_on_one_page(tmp_path):
    page = text(saved(tmp_path, DONE))
    assert page.startswith("caer (rendered miniature) · ldl(temperature=0.1)+prompt · seed 2\n")
    assert "done · epoch 2 of 3, best on val · 1 min 32 s" in page
    assert "WAR          70.0    62.5  primary" in page
    assert "4 of 4 taken for Anger" in page
    assert "loss ldl        █▅▁  2 → 0" in page
    assert "target entropy  ▁▁▁  0.4 → 0.4" in page
    assert "error flat-target, epoch 2: aims at nothing" in page and "mend: cool it" in page
    assert "test: 7 face boxes, 1 missing" in page
    assert "device  cores 2, kind cpu" in page


def test_a_failed_run_shows_its_error(tmp_path):
    error = {"type": "ValueError", "message": "no labels", "traceback": "Traceback\n  line 3"}
    page = text(saved(tmp_path, {"status": "failed", "error": error}))
    assert "failed: ValueError: no labels" in page and "  line 3" in page


def test_an_unfinished_run_says_how_far_it_came(tmp_path):
    assert "unfinished, 3 epochs stored" in text(saved(tmp_path, {}))


def test_an_unfinished_run_is_drawn_by_the_metric_that_chooses_its_epoch(tmp_path):
    record = saved(tmp_path, {})
    write_lines(record.folder / "history.jsonl", [{"epoch": 0, "val": {"war": 0.5, "uar": 0.25}}])
    page = text(record)
    assert "curves over 1 epoch (" in page and "val war  ▁  0.5 → 0.5" in page  # CAER's own
    write_json(record.folder / "spec.json", {**SPEC, "train": {**SPEC["train"], "metric": "uar"}})
    record = Store(tmp_path).find(record.run_id)
    assert "val uar  ▁  0.25 → 0.25" in text(record)


@pytest.mark.parametrize("damaged", [{}, {"severity": "error"}, {**ALARM, "message": 5}, {**ALARM, "epoch": "two"}])
def test_an_alarm_that_lacks_what_alarms_have_is_told_as_one(tmp_path, damaged):
    record = saved(tmp_path, {**DONE, "errors": 1})
    write_lines(record.folder / "alarms.jsonl", [ALARM, damaged])
    page = text(record)
    assert "alarms: 2" in page and "error flat-target, epoch 2" in page
    assert "error alarms.jsonl, before training: alarm 2 lacks" in page
    assert record.errors() == ["flat-target", "alarms.jsonl"]
    assert json.loads(json.dumps(as_json(record)))["alarms"][0] == ALARM


def test_the_page_repeats_and_verifies_the_run_from_the_store_that_it_is_in(tmp_path, monkeypatch):
    record = saved(tmp_path / "my runs", DONE)
    page = text(record)
    assert f"harness run --datasets caer --methods {METHOD} --seeds 2 --runs '{tmp_path}/my runs'\n" in page
    assert f"harness verify {record.run_id} --runs '{tmp_path}/my runs'" in page
    assert as_json(record)["verify"] == f"harness verify {record.run_id} --runs '{tmp_path}/my runs'"
    monkeypatch.chdir(tmp_path)
    assert "--runs" not in text(saved(tmp_path / "runs", DONE))
    assert "harness verify" not in text(saved(tmp_path / "other", {}))


def test_a_long_line_of_the_environment_is_wrapped_and_not_cut(tmp_path):
    record = saved(tmp_path, DONE)
    packages = {f"package{n}": f"{n}.0" for n in range(40)}
    write_json(record.folder / "environment.json", {"packages": packages, "gpu": {}})
    page = text(record)
    assert all(f"package{n} {n}.0" in " ".join(page.split()) for n in range(40))
    assert max(len(line) for line in page.splitlines() if "package" in line) <= 120 and "gpu" not in page


def test_json_holds_all_that_is_stored(tmp_path):
    whole = as_json(saved(tmp_path, DONE))
    assert json.loads(json.dumps(whole)) == whole
    assert whole["history"] == HISTORY and whole["alarms"] == [ALARM] and whole["spec"]["seed"] == 2
    assert whole["command"] == command(SPEC, str(tmp_path))


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 7], "▁█"), ([1, 1], "▁▁"), ([None, 1, 2], " ▁█"), ([], ""), ([None], " ")],
)
def test_a_sparkline_runs_from_its_lowest_to_its_highest(values, drawn):
    assert sparkline(values) == drawn


def test_a_long_sparkline_is_thinned_and_keeps_both_ends():
    drawn = sparkline(list(range(500)))
    assert len(drawn) <= 60 and drawn[0] == "▁" and drawn[-1] == "█"
