"""Pages made of stores, one of which means harm, and a reader of their tags."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import predicted
from predicted import CLIPS
from stored import plan_of

from harness.leaderboard import page
from harness.leaderboard.ablation import ablation
from harness.leaderboard.results import load
from harness.leaderboard.summary import summary
from harness.store import Store

HOSTILE = "</script><b onclick=alert(1)>x</b>"
TURNED = "caer\u202egnp"


def made(*stores: Store) -> bytes:
    board = load(list(stores), "demo")
    found = ablation(board)
    return b"".join(page.document(board, found, summary(board, found)))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


class Tags(HTMLParser):
    """The tags of a document with their attributes, and its text outside of scripts and styles."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = False
        self.feed(document.decode())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def hostile(root: Path) -> Store:
    """A store in which every name that can be chosen is meant to be markup, a formula, or turned around."""
    plan = plan_of([TURNED, "raer"], [0, 1], {HOSTILE: ["", "=cmd|' /C calc'!A0"], "moco": ["", "moco"]})
    for row in plan["runs"]:
        row["method"] = row["method"].replace("=cmd|' /C calc'!A0", "mixup")
        row["run_id"] = row["run_id"].replace("-", "<i>", 1)
        predicted.save(root, row, [f"test/{HOSTILE.replace('/', '_')}{clip}" for clip in range(CLIPS)])
        result = root / row["dataset"] / row["run_id"] / "result.json"
        change(result, classes=[HOSTILE, "=1+1", TURNED], alarms=1, errors=1)
        alarm = {"severity": "error", "sentinel": "x", "epoch": 1, "message": HOSTILE, "mend": "", "evidence": {}}
        result.with_name("alarms.jsonl").write_text(json.dumps(alarm) + "\n")
    made = Store(root)
    made.write_plan("demo", {**plan, "title": HOSTILE})
    return made
