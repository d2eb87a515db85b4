"""What a plan comes to: what its runs share, how much is done, how long the rest takes, and the disk of its cache.

The cache's size is known beforehand, but for what stands around its rows: a row for each clip, view and stream.
Nothing here trains or decodes.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness import protocol
from harness.grid import Grid, design
from harness.model import architectures, pretrained
from harness.plan import Copy, Plan, address, seeds, trains_on
from harness.settings import given, spell
from harness.variables import cache_folder
from harness.words import duration, plural, shortened, storage, wrapped

STREAMS = 2  # face and context


def cache(plan: Plan) -> dict[str, Any]:
    """The cache that the wanted runs fill, by data set and kind of rows, and the free disk below it, in bytes.

    Features are counted in full precision; a launcher that says `mixed_precision` halves them. What of it is there
    already is not known before every clip has been read once.
    """
    model, clips = plan.grid.sections["model"], plan.grid.sections["clips"]
    size, width = architectures.shape(model.name)
    bytes_of = {"features": 4 * width, "frames": 3 * size**2}
    copies, methods = plan.wanted_copies.values(), {str(run.method): run.method for run in plan.runs if run.wanted}
    datasets = dict.fromkeys(copy.adapter.name for copy in copies)
    counts = {name: _rows([copy for copy in copies if copy.adapter.name == name], clips.views) for name in datasets}
    rows = [
        {"dataset": name, "kind": kind, "rows": count, "bytes": count * clips.frames * STREAMS * bytes_of[kind]}
        for kind in dict.fromkeys(trains_on(model, method) for method in methods.values())
        for name, count in counts.items()
    ]
    folder = cache_folder()
    return {
        "folder": str(folder),
        "rows": rows,
        "bytes": sum(row["bytes"] for row in rows),
        "free": shutil.disk_usage(_there(folder)).free,
    }


def shared(grid: Grid) -> dict[str, Any]:
    """The settings that all runs share, which of them a preset gave, and whether the trunk's weights are downloaded."""
    model = grid.sections["model"]
    tag = model.pretrained.lower().replace("-", "_")  # as open_clip reads a tag
    offers = (offer for offer in pretrained.offers(model.name) if offer.tag == tag)
    return {
        "settings": {group: dataclasses.asdict(settings) for group, settings in grid.sections.items()},
        "published": grid.published,
        "download": any(pretrained.downloaded(offer) is False for offer in offers),
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
    lines = [f"grid {planned['grid']}: {plural(len(planned['runs']), 'run')}", ""]
    lines.append(tabulate(table, ["data set", "runs", "done", "partial", "to do", "time left, one worker"]))
    if any(row["eta_s"] for row in planned["runs"]):
        lines.append("judged by stored runs of the same model, trunk, frames and batches, whichever machine they had")
    lines += [f"note: {line}" for line in address.as_lines(planned["outdated"])]
    lines += [f"note: {name}: {doubt}" for name, doubt in planned["doubts"].items()]
    methods = map(shortened, dict.fromkeys(row["method"] for row in planned["runs"]))
    lines += ["", "data:", *(f"  {line}" for line in _places(planned["data"]))]
    lines += ["", "methods:", *(f"  {method}" for method in methods)]
    lines += ["", "settings of all runs:", *_shared_lines(planned["shared"])]
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


def _shared_lines(shared: Mapping[str, Any]) -> Iterator[str]:
    """What decides how long runs take and what they need, then all that differs from the defaults, by who said it."""
    told, published = shared["settings"], shared["published"]
    train, model, clips = told["train"], told["model"], told["clips"]
    trunk = f"{model['name']} {model['pretrained']}".strip()
    counts = f"{plural(train['epochs'], 'epoch')}, batches of {train['batch_size']}, {plural(clips['frames'], 'frame')}"
    yield f"  {trunk}, {model['trunk']} trunk; {counts}, {plural(clips['views'], 'view')}"
    if shared["download"]:
        yield "  these weights are not on this machine: the first run downloads them"
    others: dict[str, list[str]] = {}
    for group, cls in protocol.GROUPS.items():
        for key, value in given(cls(**told[group])).items():
            others.setdefault(published.get(f"{group}.{key}", ""), []).append(f"{group}.{key}={spell(value)}")
    for preset, words in sorted(others.items()):
        head = f"by the preset {preset}, for every method: " if preset else "other than the defaults: "
        yield from wrapped(head + " ".join(words), "  ", "    ")


def _shown(planned: Mapping[str, Any]) -> list[str]:
    return seeds.as_lines(planned["detectable"], len({row["seed"] for row in planned["runs"]}), planned["untold"])


def _left(seconds: list[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    if len(known) == len(seconds):
        return duration(sum(known))
    return f"over {duration(sum(known))}" if any(known) else "unknown until one like them is done"


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
