"""index.html: what is in it before any script runs, and that the same runs give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import predicted
import pytest
from paged import HOSTILE, Tags, change, hostile, made
from predicted import CLASSES, CLIPS, demo
from stored import plan_of

from harness.leaderboard import page
from harness.leaderboard.ablation import ablation
from harness.leaderboard.page import runs as page_runs
from harness.leaderboard.results import load
from harness.leaderboard.summary import summary
from harness.store import Store


def block(document: bytes, name: str) -> str:
    found = re.search(f'<script type="application/json" id="data-{name}">(.*?)</script>', document.decode(), re.DOTALL)
    assert found, name
    return found[1]


def details(document: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in block(document, "details").split("\n")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return demo(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def document(store: Store) -> bytes:
    return made(store)


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_answer_and_each_effect_with_its_interval_can_be_read_without_a_script(store, document):
    text = Tags(document).text
    board = load([store], "demo")
    rows = [row for row in ablation(board).rows if row.kind == "factor" and row.metric == "war"]
    assert re.search(r"Of \d+ effects on WAR \(share of clips that are right\)", text)
    for row in rows:
        low, high = (f"{100 * end:+.1f}".replace("-", "−") for end in (row.effect.low, row.effect.high))
        assert f"[{low} to {high}]" in text
        assert row.said in text


def test_a_planted_effect_is_told_in_words_with_a_link_to_its_runs(tmp_path):
    plan = plan_of(["caer"], list(range(6)))
    for row in plan["runs"]:
        predicted.save(tmp_path, {**row, "levels": {**row["levels"], "moco": 12 * row["levels"]["moco"]}})
    store = Store(tmp_path)
    store.write_plan("demo", plan)
    tags = Tags(made(store))
    assert re.search(r"moco hurts on caer by \d+\.\d points", re.sub(r" +", " ", tags.text))
    assert "#behind=moco&dataset=caer" in [attributes.get("href") for _, attributes in tags.tags]


def test_miniatures_are_named_as_such_wherever_their_numbers_stand(tmp_path):
    store = demo(tmp_path, ["caer", "raer"], [0, 1])
    for path in (tmp_path / "caer").glob("*/spec.json"):
        change(path, data={"fingerprint": "x", "miniature": True})
    document = made(store)
    tags = Tags(document)
    assert "Rendered miniatures: caer." in tags.text
    heads = {attributes["data-label"] for tag, attributes in tags.tags if tag == "td" and "class" in attributes}
    assert "caer (miniature)" in heads and "all (with miniatures)" in heads and "caer" not in heads
    headings = [told["heading"] for told in json.loads(block(document, "board"))["datasets"]]
    assert headings == ["caer (miniature)", "raer"]


def test_runs_that_are_missing_failed_or_unread_are_told(tmp_path):
    store = demo(tmp_path, ["caer"], [0, 1])
    first, second, third, *_ = sorted((tmp_path / "caer").iterdir())
    change(first / "result.json", status="failed", error={"type": "ValueError", "message": "at /home/me/clip.avi"})
    (second / "result.json").unlink()
    (third / "predictions.parquet").write_bytes(b"no parquet")
    document = made(store)
    text = Tags(document).text
    assert "1 run failed" in text and "1 run not finished yet" in text
    assert "1 run without predictions that can be read: the intervals of effects that use them carry" in text
    told = {
        row[0]: line for row, line in zip(json.loads(block(document, "board"))["rows"], details(document), strict=True)
    }
    assert told[first.name]["error"] == "ValueError: at …/clip.avi"
    assert "reliability" not in told[third.name]
    assert json.loads(block(document, "clips"))["caer"]["left_out"] == 1


def test_a_file_of_a_run_that_can_not_be_read_is_told_with_the_run(tmp_path):
    store = demo(tmp_path, ["caer"], [0])
    (sorted((tmp_path / "caer").iterdir())[0] / "history.jsonl").mkdir()
    assert ["history.jsonl: Is a directory"] in [run.get("unread") for run in details(made(store))]


# ── what is looked up ───────────────────────────────────────────────────────────────────────────────────────


def test_a_run_has_its_curves_its_confusion_its_bins_and_the_line_that_repeats_it(tmp_path):
    store = demo(tmp_path, ["caer"], [0])
    folder = next((tmp_path / "caer").iterdir())
    history = [
        {"epoch": e, "losses": {"cls": 1 / (e + 3), "moco": 2.0}, "lr": {"head": 1e-3 / (e + 1)}} for e in range(5)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
    change(folder / "result.json", confusion={"test": [[9, 1, 0], [0, 5, 5], [0, 0, 20]]})
    document = made(store)
    place = [row[0] for row in json.loads(block(document, "board"))["rows"]].index(folder.name)
    told = details(document)[place]
    assert told["curves"]["losses cls"] == [0.3333, 0.25, 0.2, 0.1667, 0.1429]
    assert told["curves"]["losses moco"] == 2  # never changes: given once
    assert told["confusion"] == [[9, 1, 0], [0, 5, 5], [0, 0, 20]]
    assert sum(bin[1] for bin in told["reliability"]) == CLIPS
    assert told["repeat"].startswith("harness run --datasets caer --methods")
    shared = json.loads(block(document, "shared"))
    assert shared[told["classes"]] == list(CLASSES)
    assert shared[told["settings"]]["data.fingerprint"] == "print-caer"


def test_a_long_curve_is_thinned_and_keeps_both_ends():
    history = [{"losses": {"cls": float(epoch)}} for epoch in range(1000)]
    told = page_runs.curves(history)
    assert len(told["shown"]) == page_runs.MOST_POINTS == len(told["curves"]["losses cls"])
    assert told["shown"][0] == 0 and told["shown"][-1] == 999
    assert told["curves"]["losses cls"][-1] == 999


def test_the_runs_behind_an_effect_are_those_that_carry_its_weight(document):
    board = json.loads(block(document, "board"))
    bits = base64.b64decode(board["behind"]["warmup"])
    behind = [
        row for place, row in enumerate(board["rows"]) if place // 8 < len(bits) and bits[place // 8] >> place % 8 & 1
    ]
    assert behind and all(row[10][0] == 1 for row in behind)  # warm-up exists only where LDL is on
    assert {row[10][1] for row in behind} == {0, 1}


def test_clips_count_the_runs_and_methods_that_got_them_wrong(tmp_path):
    store = demo(tmp_path, ["caer"], [0, 1, 2])
    found = json.loads(block(made(store), "clips"))["caer"]
    wrong: dict[tuple[str, int], list[bool]] = {}
    for row in plan_of(["caer"], [0, 1, 2])["runs"]:
        labels, probabilities = predicted.of(row)
        for clip, is_wrong in enumerate(probabilities.astype("float32").argmax(1) != labels):
            wrong.setdefault((row["method"], clip), []).append(bool(is_wrong))
    methods = {method for method, _ in wrong}
    for place, (clip, label, runs_wrong, runs, mostly, of, taken, times) in enumerate(found["rows"]):
        assert clip == f"test/{place:03}" and label == place % 3
        assert (runs_wrong, runs) == (sum(sum(wrong[m, place]) for m in methods), 3 * len(methods))
        assert (mostly, of) == (sum(2 * sum(wrong[m, place]) > 3 for m in methods), len(methods))
        assert times <= runs_wrong and taken != label


def test_curves_are_left_out_of_a_page_of_too_many_runs_and_that_is_said(store, monkeypatch):
    monkeypatch.setattr(page_runs, "MOST_DETAILED", 5)
    document = made(store)
    assert not json.loads(block(document, "board"))["detailed"]
    assert b'id="data-details"' not in document
    assert b"too many runs to hold what belongs to single ones" in document


@pytest.mark.parametrize("miniature", [True, False])
def test_thumbnails_are_in_the_page_for_miniatures_only(tmp_path, miniature):
    store = demo(tmp_path, ["caer"], [0])
    for path in (tmp_path / "caer").glob("*/spec.json"):
        change(path, data={"fingerprint": "x", "miniature": miniature})
    folder = tmp_path / ".thumbnails" / "caer"
    folder.mkdir(parents=True)
    for clip in range(CLIPS):
        name = hashlib.sha256(f"test/{clip:03}".encode()).hexdigest()[:16]
        large = clip % 2 * 10_000
        (folder / f"{name}.jpg").write_bytes(b"\xff\xd8\xff" + b"." * large)
    told = json.loads(block(made(store), "clips"))["caer"]
    if miniature:
        assert 0 < len(told["pictures"]) < 24 and "not shown" in told["pictured"]
        assert all(int(place) % 2 == 0 for place in told["pictures"])
    else:
        assert not told["pictures"] and "licensed" in told["pictured"]


# ── what it must not do ─────────────────────────────────────────────────────────────────────────────────────


def test_no_name_becomes_markup_or_turns_the_line_around(tmp_path):
    document = made(hostile(tmp_path))
    tags = Tags(document)
    assert not [attributes for tag, attributes in tags.tags if tag in ("b", "i") or "onclick" in attributes]
    assert [a.get("type") for tag, a in tags.tags if tag == "script"] == ["application/json"] * 4 + [None]
    assert "\u202e" not in document.decode() and "\\u202e" not in document.decode()
    assert HOSTILE in tags.text  # it is shown as it is


def test_the_page_allows_its_own_style_and_script_and_loads_nothing(document):
    tags = Tags(document)
    policy = next(a["content"] for tag, a in tags.tags if a.get("http-equiv") == "Content-Security-Policy")
    text = document.decode()
    for name in ("script", "style"):
        inside = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        assert len(inside) == 1
        assert f"sha256-{base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()}" in str(policy)
    assert str(policy).startswith("default-src 'none'")
    assert not [a for tag, a in tags.tags if tag in ("img", "iframe") or "src" in a or "style" in a]
    assert {a["href"] for tag, a in tags.tags if tag == "link"} == {"data:,"}


def test_no_folder_of_this_machine_is_in_the_page(tmp_path):
    store = demo(tmp_path, ["caer"], [0])
    for path in (tmp_path / "caer").glob("*/spec.json"):
        plugin = {"caer": {"file": "/home/somebody/plugins/mine.py", "hash": "0a1b"}}
        change(path, data={"root": "/home/somebody/CAER", "fingerprint": "x"}, plugins=plugin)
    document = made(store)
    assert b"/home/" not in document and str(tmp_path).encode() not in document
    assert "data.caer.root=/path/to/CAER" in details(document)[0]["repeat"]
    assert "--plugin /path/to/mine.py" in details(document)[0]["repeat"]


def test_the_same_runs_give_the_same_page_in_whatever_order_they_were_made(tmp_path):
    def shuffled(root: Path, order: int) -> Store:
        plan = plan_of(["caer", "raer"], [0, 1])
        rows = random.Random(order).sample(plan["runs"], len(plan["runs"]))
        for row in rows:
            predicted.save(root, row)
        store = Store(root)
        store.write_plan("demo", plan)
        return store

    assert made(shuffled(tmp_path / "a", 1)) == made(shuffled(tmp_path / "elsewhere" / "b", 2))


def test_the_page_depends_on_no_locale_and_no_hash_seed_and_needs_no_torch(store, document):
    code = f"""import sys, hashlib, locale
locale.setlocale(locale.LC_ALL, "")
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]}
from harness.store import Store; from paged import made
print(hashlib.sha256(made(Store({str(store.root)!r}))).hexdigest(), "torch" in sys.modules)"""
    for locale, seed in (("C", "1"), ("C.UTF-8", "2")):
        environment = {**os.environ, "LC_ALL": locale, "PYTHONHASHSEED": seed}
        told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
        assert told.stdout.split() == [hashlib.sha256(document).hexdigest(), "False"]


def test_a_table_names_its_rows_and_columns_to_who_can_not_see_it(document):
    tags = Tags(document).tags
    assert all(a.get("scope") in ("row", "col") for tag, a in tags if tag == "th")
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags)
    assert ("html", {"lang": "en"}) in tags


def _pieces(store: Store) -> Iterator[bytes]:
    board = load([store], "demo")
    found = ablation(board)
    return page.document(board, found, summary(board, found))


def test_runs_are_written_piece_by_piece(store):
    assert max(map(len, _pieces(store))) < len(made(store)) / 2
