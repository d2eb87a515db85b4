"""Two runs: what differs in settings and environment, their scores, classes and alarms, and a test on shared clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.compare.agreement import differing
from harness.errors import BadInput
from harness.statistics import mcnemar
from harness.store import Record, predictions

_GROUPS = ("components", "train", "model", "clips", "face", "data")


def compare(first: Record, second: Record) -> dict[str, Any]:
    """The comparison but for its names; `clips` is None where the two can't be tested clip by clip."""
    records = [first, second]
    manifests = [[record.result["manifest"]] if record.result.get("manifest") else [] for record in records]
    same = bool(manifests[0]) and manifests[0] == manifests[1]
    metrics = [record.result.get("metrics", {}).get("test", {}) for record in records]
    rows = [
        {"of": [name], "values": [metrics[0][name], metrics[1][name]], "same_data": same}
        for name in metrics[0]
        if name in metrics[1]
    ]
    names = dict.fromkeys(record.spec["dataset"] for record in records)
    clips, why = _clips(first, second) if same else (None, "not the same copy of the data")
    return {
        "runs": [_facts(record) for record in records],
        "copies": {" against ".join(names): manifests},
        "alarms": [_errors(record) for record in records],
        "settings": differing(*map(_settings, records)),
        "environment": differing(*(record.environment() for record in records)),
        "scores": rows,
        "recalls": _recalls(records),
        "clips": clips,
        "untested": why,
        "alone": [sorted(set(a) - set(b)) for a, b in (metrics, metrics[::-1])],
    }


def _facts(record: Record) -> dict[str, Any]:
    alarms = [{key: alarm[key] for key in ("severity", "sentinel", "message")} for alarm in record.alarms()]
    facts = {key: record.spec[key] for key in ("dataset", "method", "seed")}
    return {"run_id": record.run_id, **facts, "status": record.result.get("status", "unfinished"), "alarms": alarms}


def _errors(record: Record) -> dict[str, list[str]]:
    return {record.spec["dataset"]: errors} if (errors := record.errors()) else {}


def _settings(record: Record) -> Mapping[str, Any]:
    return {key: record.spec[key] for key in ("dataset", "seed", *_GROUPS) if key in record.spec}


def _recalls(records: list[Record]) -> list[dict[str, Any]]:
    """The recall of each class that either has."""
    found = [record.result.get("per_class", {}).get("test", {}) for record in records]
    return [
        {"of": name, "values": [each.get(name) for each in found]} for name in dict.fromkeys([*found[0], *found[1]])
    ]


def _clips(first: Record, second: Record) -> tuple[dict[str, Any] | None, str]:
    """The test clips that only one of two got right, and McNemar's exact p; or None and why not."""
    try:
        right = []
        for record in (first, second):
            test = predictions.read(record.folder).of("test")
            right.append(dict(zip(test.clips.to_pylist(), (test.labels == test.predicted).tolist(), strict=True)))
    except BadInput as error:
        return None, str(error)
    shared = [clip for clip in right[0] if clip in right[1]]
    if not shared:
        return None, "they share no test clip"
    only = [sum(one[clip] and not other[clip] for clip in shared) for one, other in (right, right[::-1])]
    both = sum(right[0][clip] and right[1][clip] for clip in shared)
    return {"shared": len(shared), "both_right": both, "only_right": only, "p": mcnemar(*only)}, ""
