"""Model cards: what the hub reads of a run, and what people must not overlook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import example, given, strategies
from stored import save_run, write

from harness.errors import BadInput
from harness.leaderboard.card import card
from harness.store import Record, Store

ROW: dict[str, Any] = {"run_id": "mixup-prompt-s0-abc", "dataset": "caer", "method": "mixup+prompt", "seed": 0}


def record(root: Path, row: dict[str, Any] = ROW, spec: dict | None = None, result: dict | None = None) -> Record:
    save_run(root, row, 0.6, spec, result)
    return Store(root).find(row["run_id"])


def test_the_hub_reads_its_scores(tmp_path: Path) -> None:
    text = card(record(tmp_path, result={"manifest": "0123abcd"}))
    found = {result.metric_type: result for result in ModelCard(text).data.eval_results}
    assert {name: result.metric_value for name, result in found.items()} == {
        "accuracy": 0.6,
        "recall": pytest.approx(0.5),
        "f1": pytest.approx(0.55),
    }
    for result in found.values():
        assert (result.task_type, result.dataset_type, result.dataset_split) == ("video-classification", "caer", "test")
        assert not result.verified
        assert result.dataset_args == {"manifest": "0123abcd", "fingerprint": "print-caer"}
    assert found["recall"].metric_args == {"average": "macro"}


def test_the_run_it_comes_from_and_its_settings_are_told(tmp_path: Path) -> None:
    text = card(record(tmp_path))
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["source_run"] == ROW["run_id"] == header["model-index"][0]["name"]
    assert "epochs 20" in text and "Epoch 8 of 20" in text and "One run, one seed." in text
    assert "/home/" not in text  # where the weights or the data lay is nobody's business


def test_miniatures_alarms_and_smoke_tests_are_not_overlooked(tmp_path: Path) -> None:
    spec = {"data": {"miniature": True, "fingerprint": "x"}, "train": {"limit": 4, "epochs": 1}}
    found = record(tmp_path, spec=spec, result={"alarms": 1, "errors": 1, "selection": "oracle"})
    alarm = {"sentinel": "flat-target", "severity": "error", "epoch": 3, "message": "99 % of | log K"}
    write(found.folder / "alarms.jsonl", alarm)
    text = card(found)
    assert "> **A rendered miniature of caer.**" in text and '"caer (rendered miniature)"' in text
    assert "**Smoke test: trained on at most 4 clips a class.**" in text
    assert "**The run raised errors (flat-target): its scores don't mean what they say.**" in text
    assert r"99 % of \| log K" in text and "chosen on the test clips themselves" in text


def test_nothing_of_a_run_can_end_the_header_or_be_markup(tmp_path: Path) -> None:
    odd = {**ROW, "method": 'a\n---\n# b: "c" <script>'}
    text = card(record(tmp_path, odd))
    assert text.count("\n---\n") == 1 and "<script>" not in text.split("\n---\n", 1)[1]
    assert yaml.safe_load(text.split("---\n")[1])["pipeline_tag"] == "video-classification"


def test_a_run_that_is_not_done_has_no_card(tmp_path: Path) -> None:
    error = {"type": "OSError", "message": "no room"}
    with pytest.raises(BadInput, match="harness run"):
        card(record(tmp_path, result={"status": "failed", "error": error, "metrics": {}}))


@given(strategies.text(strategies.characters(exclude_categories=["Cs"])))
@example("😀 \u2028\u0085\x7f\ufeff\uffff é 表情")
def test_whatever_a_method_is_called_the_header_reads_back(name: str) -> None:
    spec = {"dataset": name, "method": "prompt", "seed": 0}
    text = card(Record(Path("run"), spec, {"status": "done", "metrics": {"test": {"war": 0.5}}}))
    assert yaml.safe_load(text[4:].split("\n---\n")[0])["tags"] == ["emotion-recognition", name]
