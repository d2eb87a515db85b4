"""One stored run, for people and for programs: what it scored, how it got there, and how to repeat it.

Reads a record and makes text; it draws its curves from block characters so that they work over ssh.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from harness.store import Record, repeat
from harness.store.flat import thinned
from harness.store.wording import BRIEFLY, percent
from harness.words import duration, plural

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 48  # columns of the longest curve
_PAGE = 116  # columns of the longest line of facts


def text(record: Record) -> str:
    """The run as a page of plain text."""
    history = record.history()
    sections = [
        _header(record, history),
        _error(record),
        _metrics(record),
        _classes(record),
        _curves(record, history),
        _alarms(record),
        _counts(record),
        _environment(record),
        _repeat(record),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def as_json(record: Record) -> dict[str, Any]:
    """The run as `harness show --json` prints it: the stored files under their names, and the commands."""
    return {
        "run_id": record.run_id,
        "folder": str(record.folder),
        "spec": record.spec,
        "result": record.result,
        "history": record.history(),
        "alarms": record.alarms(),
        "environment": record.environment(),
        "command": repeat.command(record.spec, repeat.store_of(record.folder)),
        "verify": _verify(record),
    }


def _header(record: Record, history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    spec, result = record.spec, record.result
    small = " (rendered miniature)" if spec.get("data", {}).get("miniature") else ""
    yield f"{spec['dataset']}{small} · {spec['method'] or 'plain'} · seed {spec['seed']}"
    begun = f"unfinished, {plural(len(history), 'epoch')} stored; the command that trains it goes on with it"
    facts = [record.run_id, result.get("status", begun)]
    if record.done:
        selection = result.get("selection", "val")
        facts.append(f"epoch {result.get('epoch', 0) + 1} of {len(history)}, {BRIEFLY.get(selection, selection)}")
    if "duration_s" in result:
        facts.append(duration(result["duration_s"]))
    yield " · ".join(facts)
    if again := result.get("retried"):
        yield f"{again['why']}; {again['how']}"
    if result.get("resumed"):
        yield f"cut off, and gone on with from a checkpoint {plural(result['resumed'], 'time')}"
    if result.get("unsaved"):
        yield f"{plural(result['unsaved'], 'checkpoint')} could not be written"
    for tracker, why in result.get("untracked", {}).items():
        yield f"not tracked by {tracker} to its end: {why}"


def _error(record: Record) -> Iterator[str]:
    error = record.result.get("error")
    if not error:
        return
    yield f"failed: {error.get('type', 'Error')}: {error.get('message', '')}"
    if error.get("type") == "Alarmed":  # no fault of the code: the user asked for it
        return
    yield from _indented(str(error.get("traceback", "")).strip().splitlines())


def _metrics(record: Record) -> Iterator[str]:
    metrics = record.result.get("metrics", {})
    splits = [split for split in ("val", "test") if split in metrics]
    if not splits:
        return
    yield "scores, %  " + "".join(f"{split:>8}" for split in splits)
    primary = record.result.get("primary")
    for name in dict.fromkeys(name for split in splits for name in metrics[split]):
        values = [metrics[split].get(name) for split in splits]
        mark = "  primary" if name == primary else ""
        yield f"  {name.upper():<9}" + "".join(f"{percent(value):>8}" for value in values) + mark


def _classes(record: Record) -> Iterator[str]:
    recalls = record.result.get("per_class", {}).get("test", {})
    if not recalls:
        return
    yield "recall on test, %"
    names = record.result.get("classes", list(recalls))
    rows = record.result.get("confusion", {}).get("test", [[]] * len(names))
    width = max(map(len, names))
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        recall = recalls.get(name)
        bar = "█" * round(20 * (recall or 0.0))
        yield f"  {name:<{width}}{percent(recall):>7}  {bar:<20}  {_taken_for(place, row, names)}".rstrip()


def _taken_for(place: int, row: Sequence[int], names: Sequence[str]) -> str:
    """The class that clips of this one are most often mistaken for."""
    wrong = [(count, -other) for other, count in enumerate(row) if other != place and count]
    if not wrong:
        return ""
    count, other = max(wrong)
    return f"{count} of {sum(row)} taken for {names[-other]}"


def _curves(record: Record, history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not history:
        return
    yield f"curves over {plural(len(history), 'epoch')} (each from its own lowest to its highest)"
    curves: dict[str, list[float | None]] = {}
    for group in ("losses", "target"):
        for name in sorted({name for line in history for name in line.get(group) or ()}):
            label = f"{group.removesuffix('es')} {name}"
            curves[label] = [(line.get(group) or {}).get(name) for line in history]
    for split in ("train", "val"):
        curves[f"{split} {record.metric}"] = [(line.get(split) or {}).get(record.metric) for line in history]
    curves = {name: values for name, values in curves.items() if any(v is not None for v in values)}
    width = max(map(len, curves), default=0)
    for name, values in curves.items():
        known = [value for value in values if value is not None]
        yield f"  {name:<{width}}  {sparkline(values)}  {known[0]:.3g} → {known[-1]:.3g}"


def sparkline(values: Sequence[float | None]) -> str:
    """A curve of block characters, the lowest value the lowest block; a blank where there is no number.

    A long curve is thinned to evenly spaced epochs, of which the last is always one.
    """
    values = [values[place] for place in thinned(len(values), _WIDTH)]
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, reach = min(known), max(known) - min(known)
    steps = [None if v is None else (v - low) / reach if reach else 0.0 for v in values]
    return "".join(" " if step is None else _BLOCKS[round(step * (len(_BLOCKS) - 1))] for step in steps)


def _alarms(record: Record) -> Iterator[str]:
    alarms = record.alarms()
    if not alarms:
        return
    yield f"alarms: {len(alarms)}"
    for alarm in alarms:
        when = "before training" if alarm.get("epoch") is None else f"epoch {alarm['epoch'] + 1}"
        yield f"  {alarm['severity']} {alarm['sentinel']}, {when}: {alarm['message']}"
        if alarm.get("evidence"):
            yield f"    evidence: {_short(alarm['evidence'])}"
        if alarm.get("mend"):
            yield f"    mend: {alarm['mend']}"


def _counts(record: Record) -> Iterator[str]:
    counts = record.result.get("counts")
    if not counts:
        return
    yield "data as read"
    for split, faces in counts.get("faces", {}).items():
        yield f"  {split}: {faces['found']:,} face boxes, {faces['missing']:,} missing"
    used = [f"{kind} {n:,}" for kind, n in counts.get("boxes", {}).items() if n]
    if used:
        yield "  boxes used: " + ", ".join(used)
    if counts.get("unreadable"):
        yield f"  unreadable clips: {counts['unreadable']:,}"
    yield from _indented(note["message"] for note in counts.get("notes", ()))


def _environment(record: Record) -> Iterator[str]:
    facts = {name: value for name, value in record.environment().items() if value != {}}
    if not facts:
        return
    yield "environment"
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = textwrap.wrap(_line(value), _PAGE - width) or [""]
        yield from (f"  {label:<{width}}  {line}" for label, line in zip_longest([name], lines, fillvalue=""))


def _repeat(record: Record) -> Iterator[str]:
    yield "repeat"
    yield f"  {repeat.command(record.spec, repeat.store_of(record.folder))}"
    if record.done:
        yield f"  {_verify(record)}  # trains it again elsewhere and compares"


def _verify(record: Record) -> str:
    return shlex.join(["harness", "verify", record.run_id, *repeat.stored_in(repeat.store_of(record.folder))])


def _short(value: Any) -> str:
    """A value on one line, long ones cut."""
    line = _line(value)
    return line if len(line) <= 200 else line[:199] + "…"


def _line(value: Any) -> str:
    """A value on one line: mappings as `key value, …`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_line(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    return value if isinstance(value, str) else json.dumps(value)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
