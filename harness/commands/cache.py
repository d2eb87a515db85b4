"""`harness cache …`: what is kept to be used again."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.commands import Add
from harness.data import cupboard
from harness.variables import cache_folder
from harness.words import storage

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def declare(add: Add) -> None:
    parser = add("list", show, "what is kept, how large it is and when it was last used")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser = add("clear", empty, "remove what is not in use; it is made again when it is needed")
    parser.add_argument("--kind", choices=cupboard.KINDS, default="", help="only of this kind (default: of every kind)")
    parser.add_argument(
        "--keep", type=_bytes, default=0, metavar="SIZE", help="only the least recently used, until the rest fits: 20GB"
    )
    parser.add_argument("--older-than", type=_days, default=0.0, metavar="DAYS", help="only what was not used since")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def show(arguments: argparse.Namespace, argv: list[str]) -> int:
    found, folder = cupboard.holdings(), cache_folder()
    total = sum(each.bytes for each in found)
    if arguments.json:
        rows = [{**asdict(each), "used": _when(each).isoformat()} for each in found]
        print(json.dumps({"folder": str(folder), "bytes": total, "holdings": rows}, indent=2))
        return 0
    if found:
        print(_table(found), end="\n\n")
    print(f"{storage(total)} in {folder}")
    return 0


def empty(arguments: argparse.Namespace, argv: list[str]) -> int:
    gone = cupboard.clear(arguments.kind, arguments.keep, arguments.older_than, dry_run=arguments.dry_run)
    if gone:
        print(_table(gone), end="\n\n")
    verb = "would be freed" if arguments.dry_run else "freed"
    print(f"{storage(sum(each.bytes for each in gone))} {verb} in {cache_folder()}")
    return 0


def _table(rows: Sequence[cupboard.Holding]) -> str:
    from tabulate import tabulate

    cells = []
    for each in rows:
        name = Path(each.folder).name if each.kind in cupboard.SHELVES else ""
        used = _when(each).strftime("%Y-%m-%d %H:%M")
        cells.append([each.kind, name, storage(each.bytes), used, _said(each.about)])
    return tabulate(cells, ["kind", "shelf", "size", "last used (UTC)", "of"], disable_numparse=True)


def _when(each: cupboard.Holding) -> datetime:
    return datetime.fromtimestamp(round(each.used), UTC)


def _said(about: Mapping[str, Any]) -> str:
    """What a shelf says of itself, on a line: `caer, frames 16, context full, …`."""
    words = [str(about["dataset"])] if "dataset" in about else []
    for name, value in about.items():
        if isinstance(value, Mapping):
            words += [f"{key} {part}" for key, part in value.items()]
        elif name not in ("dataset", "kind"):
            words.append(f"{name} {value}")
    return ", ".join(words)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?b)?", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 20GB or 500MB")
    return int(float(match[1]) * _UNITS[match[2] or "b"])


def _days(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 0")
    return float(text)
