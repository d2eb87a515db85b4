"""`harness verify`: stored runs trained again and compared."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.commands import Add
from harness.commands.arguments import plugin, stores, stores_of
from harness.words import plural, printable

_SHOWN = 20  # lines on what is wrong


def declare(add: Add) -> None:
    parser = add("verify", verify, "train stored runs again and compare: a run, or a sample of a leaderboard's")
    parser.add_argument("what", metavar="RUN|LEADERBOARD", help="a run, as for `show`, or a leaderboard folder")
    parser.add_argument(
        "--sample", type=_count, default=3, metavar="N", help="runs of a leaderboard to train again (default 3)"
    )
    stores(parser)
    plugin(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def verify(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import verify as verifying

    found = verifying.verify(arguments.what, stores_of(arguments), arguments.sample)
    if found is None:
        return 0  # the first of the launched processes tells
    print(json.dumps(found, indent=2) if arguments.json else printable("\n".join(_lines(found))))
    return 0 if found["agrees"] else 1


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    from tabulate import tabulate

    from harness.verify import ANOTHER, EXACT, UNKNOWN, WITHIN

    rows = found["verified"]
    table = [[row["dataset"], row["run_id"], row["verdict"], *_measured(row)] for row in rows]
    titles = ["data set", "run", "verdict", "score off by", "predicted otherwise", "features", "machine"]
    yield tabulate(table, titles, disable_numparse=True)
    told = set(found["wrong"])
    for row in rows:
        why = [line for line in row["why"] if f"{row['run_id']}: {line}" not in told]
        yield from (f"{row['run_id']} {row['verdict']}: {line}" for line in why)
    yield from _environment(rows)
    if any(row["features"] == "cache" for row in rows):
        yield "features came from the cache: an empty folder as HARNESS_CACHE has them made anew"
    if any(row["machine"] in (ANOTHER, UNKNOWN) for row in rows):
        most = found["tolerance"]
        yield (
            f"tolerance between types of machines: {100 * most['flips']:g} % of the clips predicted otherwise, "
            f"probabilities {most['probability']:g} in the mean, losses {100 * most['loss']:g} %"
        )
    yield ""
    yield from (f"wrong: {line}" for line in found["wrong"][:_SHOWN])
    if len(found["wrong"]) > _SHOWN:
        yield f"wrong: and {len(found['wrong']) - _SHOWN} more, see --json"
    if not found["wrong"]:
        board = ", and so does the leaderboard" if found["kind"] == "leaderboard" else ""
        yield f"the store tells the scores of its predictions ({plural(found['runs'], 'run')}){board}"
    good = sum(row["verdict"] in (EXACT, WITHIN) for row in rows)
    exact = sum(row["verdict"] == EXACT for row in rows)
    yield f"harness: {good} of {plural(len(rows), 'run')} trained again agree, {exact} to the last bit"


def _environment(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What differs in the environments, for all runs together."""
    from harness.compare.agreement import ABSENT

    found: dict[tuple[str, str, str], int] = Counter(
        (key, before, now) for row in rows for key, (before, now) in row["environment"].items()
    )
    for (key, before, now), count in found.items():
        of = f" ({count} of {len(rows)} runs)" if count < len(rows) else ""
        yield f"environment: {key} {'not stored' if before == ABSENT else before}, now {now}{of}"


def _measured(row: Mapping[str, Any]) -> list[str]:
    if not row["difference"]:
        return ["–", "–", "–", "–"]
    told = row["difference"]
    score = f"{100 * told['score']:.2f} ({told['which']})" if told["score"] else "0"
    return [score, f"{told['flips']} of {told['clips']}", row["features"], row["machine"]]


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)
