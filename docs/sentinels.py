"""Writes docs/sentinels.md: what the sentinels are, from the code, and what they did, from runs made now.

`make sentinels` does both, in about half an hour on one core; `python docs/sentinels.py --static` brings the first
part up to date with the code and leaves the measured one.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from tables import table

from harness import plugins
from harness.settings import describe, spell

HOME = Path(__file__).parents[1]
MEASURED = "## What they did"
PLANTED = "sentinels/test_defects.py::test_a_planted_defect_is_named_within_two_epochs"

INTRODUCTION = """\
# Sentinels

A sentinel watches every run for one kind of failure that nobody would see: the loss falls, the table fills, and the
number means something else. Each alarm says what was seen, what it means and what to do; alarms stand in the run's
`alarms.jsonl`, on the progress board, in `harness show RUN` and on leaderboards. An *error* makes the run's numbers
doubtful: the command ends with code 1, and with `--on-alarm stop` the run ends there. A *warning* is something that a
reader of the numbers should know. `--set sentinels.NAME.severity=off` (or `error`, `warning`) changes that for one, and
other settings in the same way; in a grid file they are `[sentinels.NAME]`.

This page is written by `make sentinels`: {count} sentinels.
"""

TOLD = tomllib.loads((HOME / "docs/sentinels.toml").read_text(encoding="utf-8"))
TO_DO: dict[str, str] = TOLD["do"]
FAILURES = {int(number): failure for number, failure in TOLD["failures"].items()}


# ── from the code ───────────────────────────────────────────────────────────────────────────────────────────────


def static() -> str:
    """The part of the page that follows from the code alone."""
    names = plugins.names("sentinels")
    parts = [INTRODUCTION.format(count=len(names)), *map(_section, names), _failures(names)]
    return "\n".join(parts) + "\n"


def sentinels_of(failure: int) -> list[str]:
    return [name for name in plugins.names("sentinels") if failure in plugins.get("sentinels", name).failures]


def _section(name: str) -> str:
    cls = plugins.get("sentinels", name)
    numbers = ", ".join(f"[{number}](#silent-failures)" for number in cls.failures)
    knobs = [
        [f"`{name}.{row['name']}`", spell(row["default"]), row["range"] or "–", row["help"]]
        for row in describe(cls.Settings)
        if row["name"] != "severity"  # all have it: see the introduction
    ]
    lines = [
        f"## {name}",
        "",
        inspect.cleandoc(cls.__doc__ or ""),
        "",
        f"- **Watches** {cls.watches}.",
        f"- **Rule** {cls.reason}.",
        f"- **Severity** {cls.severity}, unless an alarm says otherwise.",
        f"- **What to do** {TO_DO[name]}",
        *([f"- **Failures** {numbers}"] if numbers else []),
        "",
        *([table(knobs, ["setting", "default", "range", ""]), ""] if knobs else []),
    ]
    return "\n".join(lines)


def _failures(names: list[str]) -> str:
    rows = []
    for number, failure in FAILURES.items():
        watched = ", ".join(f"[{name}](#{name})" for name in sentinels_of(number))
        tests = [*([PLANTED] if watched else []), *failure["tests"]]
        shown = "<br>".join(f"`{test.split('::')[0]}`: {test.split('::test_')[1].replace('_', ' ')}" for test in tests)
        rows.append([str(number), failure["what"], failure.get("here", "–"), watched or "–", shown])
    heads = ["", "failure", "here", "sentinel", "shown by (`tests/…`)"]
    return (
        "## Silent failures\n\n"
        "Failures that were seen in code of this field. *Here*: what the design does about each; *sentinel*: who says "
        "so if it happens all the same, in a component or an adapter of your own, or in ours.\n\n"
        + table(rows, heads)
        + "\n"
    )


# ── measured ────────────────────────────────────────────────────────────────────────────────────────────────────


def measured(folder: Path) -> str:
    return f"{MEASURED}\n\n{_planted(folder)}\n{_healthy(folder)}"


def _planted(folder: Path) -> str:
    from sentinels.lab import alarms_of, every_defect

    rows, named = [], 0
    for number, defect in enumerate(every_defect()):
        place = folder / f"defect-{number}"
        place.mkdir()
        alarms = alarms_of(defect, place)
        own = [alarm for alarm in alarms if alarm["sentinel"] == defect.sentinel]
        others = sorted({alarm["sentinel"] for alarm in alarms} - {defect.sentinel})
        epoch = {None: "before training"}.get(own[0]["epoch"], f"epoch {own[0]['epoch']}") if own else "–"
        kind = own[0]["severity"] if own else "**not named**"
        named += bool(own)
        rows.append([defect.what, f"[{defect.sentinel}](#{defect.sentinel})", kind, epoch, ", ".join(others) or "–"])
        print(f"{defect.sentinel}: {defect.what}: {kind}, {epoch}", file=sys.stderr, flush=True)
    heads = ["planted defect", "sentinel", "alarm", "when", "others that fired"]
    return (
        f"### when defects were planted\n\n{named} of {len(rows)} defects, each planted in a run of two epochs on a "
        "rendered miniature, were named by the sentinel that is there for them. Others may fire as well: what breaks "
        "one thing often breaks another.\n\n" + table(rows, heads) + "\n"
    )


def _healthy(folder: Path) -> str:
    from sentinels import healthy

    found = []
    for run in healthy.sweep(folder):
        found.append(run)
        print(*run[:3], run.errors or "", run.warnings or "", file=sys.stderr, flush=True)
    rows = []
    for name, runs in Counter(name for run in found for name in run.warnings).most_common():
        where = Counter(f"{run.dataset} `{run.method}`" for run in found if name in run.warnings)
        shown = "all methods on daisee" if name == "missing-boxes" else ", ".join(where)
        rows.append([f"[{name}](#{name})", str(runs), shown, healthy.EXPLAINED.get(name, "**not explained**")])
    errors = [f"- {run.dataset} `{run.method}` seed {run.seed}: {error}" for run in found for error in run.errors]
    quiet = sum(not run.alarms for run in found)
    return (
        f"### when all was well\n\n{len(found)} healthy runs of 20 epochs: every component, every preset (on the "
        f"embedded model), on all three sets, with two seeds. **{len(errors)} errors**; {quiet} runs raised nothing at "
        "all. The sets are rendered miniatures, so these counts say how quiet the sentinels are on small data, where "
        "chance is largest, and nothing of the real sets.\n\n"
        + ("\n".join(errors) + "\n\n" if errors else "")
        + table(rows, ["warning", "runs", "on", "why it is right"])
        + "\n"
    )


def main(*words: str) -> None:
    page = HOME / "docs/sentinels.md"
    if "--static" in words:
        told = page.read_text(encoding="utf-8").partition(MEASURED) if page.exists() else ("", "", "")
        results = "".join(told[1:])
    else:
        sys.path.insert(0, str(HOME / "tests"))
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        with tempfile.TemporaryDirectory() as folder:
            results = measured(Path(folder))
    page.write_text(f"{static()}\n{results}", encoding="utf-8")
    print(f"written: {page}")


if __name__ == "__main__":
    main(*sys.argv[1:])
