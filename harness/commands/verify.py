"""`harness verify`: stored runs trained again and compared."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.commands import Add
from harness.commands.arguments import plugin, runs
from harness.words import plural, printable


def declare(add: Add) -> None:
    parser = add("verify", verify, "train stored runs again and compare: a run, or a sample of a leaderboard's")
    parser.add_argument("what", metavar="RUN|LEADERBOARD", help="a run, as for `show`, or a leaderboard folder")
    parser.add_argument(
        "--sample", type=_count, default=3, metavar="N", help="runs of a leaderboard to train again (default 3)"
    )
    runs(parser)
    plugin(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def verify(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import verify as verifying
    from harness.store import Store

    found = verifying.verify(arguments.what, Store(arguments.runs), arguments.sample)
    if found is None:
        return 0  # the first of the launched processes tells
    print(json.dumps(found, indent=2) if arguments.json else printable("\n".join(_lines(found))))
    return 0 if found["agrees"] else 1


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    from tabulate import tabulate

    rows = found["verified"]
    table = [[row["dataset"], row["run_id"], row["verdict"], *_measured(row), _machine(row)] for row in rows]
    titles = ["data set", "run", "verdict", "score off by", "predicted otherwise", "features", "machine"]
    yield tabulate(table, titles, disable_numparse=True)
    for row in rows:
        yield from (f"{row['run_id']}: {line}" for line in row["why"])
        for key, (before, after) in row["environment"].items():
            yield f"{row['run_id']}: {key} {before}, now {after}"
    if any(row["features"] == "cache" for row in rows):
        yield "features came from the cache: an empty folder as HARNESS_CACHE makes them anew from the data as well"
    if any(row["same_machine"] is False for row in rows):
        score, flips = (f"{100 * found['tolerance'][name]:g}" for name in ("score", "flips"))
        yield f"tolerance between types of machines: scores {score} points, {flips} % of the clips predicted otherwise"
    yield ""
    yield from (f"wrong: {line}" for line in found["wrong"])
    if not found["wrong"]:
        board = ", and the leaderboard's" if found["kind"] == "leaderboard" else ""
        yield f"the scores of {plural(found['runs'], 'run')}{board} are those of their stored predictions"
    good = sum(row["verdict"] in ("exact", "within tolerance") for row in rows)
    exact = sum(row["verdict"] == "exact" for row in rows)
    yield f"harness: {good} of {plural(len(rows), 'run')} trained again agree, {exact} to the last bit"


def _measured(row: Mapping[str, Any]) -> list[str]:
    if not row["difference"]:
        return ["–", "–", "–"]
    told = row["difference"]
    score = f"{100 * told['score']:.2f} ({told['which']})" if told["score"] else "0"
    return [score, f"{told['flips']} of {told['clips']}", row["features"]]


def _machine(row: Mapping[str, Any]) -> str:
    return {True: "same type", False: "another type", None: "–"}[row["same_machine"]]


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)
