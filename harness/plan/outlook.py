"""What a plan comes to: how much of it is done, how long the rest takes, and how much disk its cache needs.

The cache's size is known beforehand, but for what stands around its rows: a row for each clip, view and stream.
Nothing here trains or decodes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.grid import design
from harness.model import architectures
from harness.plan import Copy, Plan, seeds, trains_on
from harness.variables import cache_folder
from harness.words import duration, storage

STREAMS = 2  # face and context


def cache(plan: Plan) -> dict[str, Any]:
    """The cache that training the whole plan fills, by data set and kind of rows, and the free disk below it, in bytes.

    Features are counted in full precision; a launcher that says `mixed_precision` halves them. What of it is there
    already is not known before every clip has been read once.
    """
    model, clips = plan.grid.sections["model"], plan.grid.sections["clips"]
    size, width = architectures.shape(model.name)
    bytes_of = {"features": 4 * width, "frames": 3 * size**2}
    datasets = dict.fromkeys(copy.adapter.name for copy in plan.copies.values())
    counts = {
        name: _rows([c for c in plan.copies.values() if c.adapter.name == name], clips.views) for name in datasets
    }
    rows = [
        {"dataset": name, "kind": kind, "rows": count, "bytes": count * clips.frames * STREAMS * bytes_of[kind]}
        for kind in dict.fromkeys(trains_on(model, arm.method) for arm in plan.grid.arms)
        for name, count in counts.items()
    ]
    folder = cache_folder()
    return {
        "folder": str(folder),
        "rows": rows,
        "bytes": sum(row["bytes"] for row in rows),
        "free": shutil.disk_usage(_there(folder)).free,
    }


def _rows(copies: Sequence[Copy], views: int) -> int:
    """Views of the clips of a data set; its folds share what they have in common."""
    clips = [clip for copy in copies for clip in copy.scan.clips]
    trained, others = ({clip.id for clip in clips if (clip.split == "train") is train} for train in (True, False))
    return len(trained) * views + len(others)


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def as_text(planned: Mapping[str, Any]) -> str:
    """What `harness plan` prints for people."""
    by_set: dict[str, list[dict[str, Any]]] = {}
    for row in planned["runs"]:
        by_set.setdefault(row["dataset"], []).append(row)
    table = [
        [
            name + (" (miniature)" if name in planned["miniatures"] else ""),
            len(rows),
            *(sum(row["status"] == state for row in rows) for state in ("done", "partial", "todo")),
            _left([row["eta_s"] for row in rows]),
        ]
        for name, rows in by_set.items()
    ]
    lines = [f"grid {planned['grid']}: {len(planned['runs'])} runs", ""]
    lines.append(tabulate(table, ["data set", "runs", "done", "partial", "to do", "time left, one worker"]))
    lines += ["", "data:", *(f"  {line}" for line in _places(planned["data"]))]
    lines += ["", "methods:", *(f"  {method}" for method in dict.fromkeys(row["method"] for row in planned["runs"]))]
    lines += ["", "design:", *(f"  {line}" for line in design.in_words(planned["design"]))]
    lines += ["", "cache:", *(f"  {line}" for line in _cache_lines(planned["cache"]))]
    lines += ["", "what the seeds can show:", *(f"  {line}" for line in _shown(planned))]
    if planned["dropped"]:
        lines += ["", "dropped combinations:", *(f"  {d['method']}: {d['why']}" for d in planned["dropped"])]
    return "\n".join(lines)


def _places(data: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in data:
        origin = f" (from {row['from']})" if row["from"] else ""
        yield f"{row['dataset']}: {row['root'] or 'rendered miniature'}{origin}"


def _shown(planned: Mapping[str, Any]) -> list[str]:
    return seeds.as_lines(planned["detectable"], len({row["seed"] for row in planned["runs"]}))


def _left(seconds: list[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    return duration(sum(known)) if len(known) == len(seconds) else "unknown until a run is done"


def _cache_lines(cache: Mapping[str, Any]) -> list[str]:
    sizes = [
        f"{row['dataset']}: {row['rows']:,} rows of {row['kind']}, {storage(row['bytes'])}" for row in cache["rows"]
    ]
    lines = [*sizes, f"about {storage(cache['bytes'])} in {cache['folder']}; {storage(cache['free'])} are free there"]
    if cache["bytes"] > cache["free"]:
        lines.append(
            "where nothing of it is there yet, it does not fit: see `harness cache clear`, or lower clips.views"
        )
    return lines
