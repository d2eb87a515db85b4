"""A model card of one stored run, for the Hugging Face hub: what was trained, what it scored, and what to mind.

The header is the hub's `model-index` (huggingface.co/docs/hub/model-cards): its values are written as JSON, which is
YAML too, so that nothing from a run can be read as markup of the header. The hub's `accuracy`, and its `recall` and
`f1` with macro average, are what the field calls WAR, UAR and F1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import BadInput
from harness.leaderboard.markdown import escape, how_chosen, table
from harness.store import Record
from harness.store.wording import MEANING, percent, smoke_test
from harness.words import plural

_METRICS: dict[str, dict[str, Any]] = {
    "war": {"type": "accuracy"},
    "uar": {"type": "recall", "args": {"average": "macro"}},
    "f1": {"type": "f1", "args": {"average": "macro"}},
}
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def card(record: Record) -> str:
    """Markdown of a finished run. Raises `BadInput` for one that isn't: it has no scores to tell."""
    if not record.done:
        raise BadInput(record.run_id, "is not done, so it has no scores", "train it first: harness run")
    parts = [_header(record), f"# {escape(_name(record))}", *_warnings(record), *_said(record)]
    return "\n\n".join(parts) + "\n"


def _name(record: Record) -> str:
    return f"{record.spec['method']} on {record.spec['dataset']}{_fold(record.spec)}, seed {record.spec['seed']}"


def _fold(spec: Mapping[str, Any]) -> str:
    fold = spec.get("data", {}).get("fold", "")
    return f" fold {fold}" if fold else ""


def _header(record: Record) -> str:
    """The YAML: a key a line, its value as JSON."""
    spec, scores = record.spec, record.result.get("metrics", {}).get("test", {})
    small = " (rendered miniature)" if _is_miniature(spec) else ""
    dataset = {
        "name": f"{spec['dataset']}{_fold(spec)}{small}",
        "type": spec["dataset"],
        "split": "test",
        "args": dict(_copy(record)),
    }
    metrics = [
        {"name": f"{name.upper()} ({MEANING[name]})", **facts, "value": scores[name], "verified": False}
        for name, facts in _METRICS.items()
        if name in scores
    ]
    result = {
        "task": {"type": "video-classification", "name": "Emotion recognition on video"},
        "dataset": dataset,
        "metrics": metrics,
    }
    facts = {
        "pipeline_tag": "video-classification",
        "tags": ["emotion-recognition", spec["dataset"]],
        "source_run": record.run_id,
        "model-index": [{"name": record.run_id, "results": [result]}],
    }
    lines = (f"{key}: {_as_yaml(value)}" for key, value in facts.items())
    return "\n".join(["---", *lines, "---"])


def _copy(record: Record) -> Iterator[tuple[str, str]]:
    """What tells the copy of the data that the run saw."""
    yield "fingerprint", record.spec.get("data", {}).get("fingerprint", "")
    yield "manifest", record.result.get("manifest") or "not stored"


def _as_yaml(value: Any) -> str:
    """JSON that YAML reads alike: what only YAML takes for the end of a line, or refuses, is escaped; letters and
    emoji are not, since YAML takes the two halves of JSON's escape of an emoji for two signs.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _is_miniature(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("data", {}).get("miniature"))


def _warnings(record: Record) -> Iterator[str]:
    """What nobody may overlook who reads a score."""
    if _is_miniature(record.spec):
        yield (
            f"> **A rendered miniature of {escape(record.spec['dataset'])}.** Its clips are drawn by a program: the "
            "scores say nothing about the real data set."
        )
    if told := smoke_test([record.spec]):
        yield f"> **{told[0]}** {told[1]}"
    if errors := record.errors():
        yield f"> **The run raised errors ({escape(', '.join(errors))}): its scores don't mean what they say.**"


def _said(record: Record) -> Iterator[str]:
    spec, result = record.spec, record.result
    epoch = f"Epoch {result.get('epoch', 0) + 1} of {spec.get('train', {}).get('epochs', '?')}."
    yield f"{epoch} {how_chosen(result.get('selection', 'val'))} One run, one seed."
    yield "## Scores"
    splits = [split for split in ("val", "test") if split in result.get("metrics", {})]
    names = list(dict.fromkeys(name for split in splits for name in result["metrics"][split]))
    cells = [[name.upper(), *(percent(result["metrics"][split].get(name)) for split in splits)] for name in names]
    yield table(["%", *splits], cells, range(1, 1 + len(splits)))
    recalls = result.get("per_class", {}).get("test", {})
    if recalls:
        yield table(["recall on test", "%"], [[escape(name), percent(value)] for name, value in recalls.items()], [1])
    yield "## Training"
    yield table(["", ""], [[escape(name), escape(value)] for name, value in _facts(record)])
    yield "## Alarms"
    alarms = record.alarms()
    yield f"{plural(len(alarms), 'alarm')}:" if alarms else "None: the sentinels had nothing to say."
    if alarms:
        header = ["severity", "sentinel", "message"]
        yield table(header, [[escape(alarm[key]) for key in header] for alarm in alarms])


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """What it was trained with, a line a group of settings."""
    spec = record.spec
    yield "run", record.run_id
    yield "method", spec["method"]
    yield "protocol", str(spec.get("protocol", ""))
    for group in ("model", "train", "clips", "face"):
        yield group, _settings({key: value for key, value in spec.get(group, {}).items() if key != "pretrained"})
    for component, settings in sorted(spec.get("components", {}).items()):
        yield component, _settings(settings) or "as it is"
    yield "data", ", ".join(f"{key} {value}" for key, value in _copy(record))
    environment = record.environment()
    told = [f"{key} {environment[key]}" for key in ("harness", "commit", "device", "precision") if environment.get(key)]
    yield "made with", ", ".join(told) or "not stored"


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in sorted(values.items()))
