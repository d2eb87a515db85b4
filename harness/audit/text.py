"""An audit in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tabulate import tabulate

from harness.audit import Audit
from harness.audit.findings import Finding
from harness.data.clips import SPLITS
from harness.words import plural, printable, wrapped


def text(audit: Audit) -> str:
    """The counts, the problems with their mends, and how things were read."""
    fold = f", fold {audit.fold.name}" if audit.fold.name else ""
    lines = [f"{audit.fold.adapter.title or audit.dataset}{fold} in {audit.root}"]
    lines.append(f"manifest {audit.fold.manifest}" if audit.fold.manifest else "no manifest: a run refuses this copy")
    lines += ["", table(audit), *_fold_lines(audit), ""]
    problems = audit.problems
    lines.append(f"{plural(len(problems), 'problem')}:" if problems else "no problems")
    for number, problem in enumerate(problems, start=1):
        lines += _finding(f"{number:>3}. ", problem)
    if audit.remarks:
        lines += ["", "remarks:"]
        for remark in audit.remarks:
            lines += _finding("  - ", remark)
    return printable("\n".join(lines))


def table(audit: Audit) -> str:
    headers, rows = counted(audit)
    if not rows:
        return "no labelled clips could be read"
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)


def counted(audit: Audit) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the classes by split, all and officially, then what befell the media; the val to be made."""
    splits, names = audit.splits, audit.fold.adapter.classes
    if not splits:
        return [], []
    headers = ["class", *splits]
    rows = [[name, *_row(counts["classes"][name] for counts in splits.values())] for name in names]
    rows.append(["all", *_row(counts["clips"] for counts in splits.values())])
    official = [counts["official"] for counts in splits.values()]
    if any(number is not None for number in official):
        rows.append(["officially", *_row(official)])
    for label, key in LABELS.items():
        if any(counts.get(key) for counts in splits.values()):
            rows.append([label, *_row(counts.get(key) for counts in splits.values())])
    if audit.holdout:
        held = [*audit.holdout.values(), sum(audit.holdout.values())]
        headers.append("val, held out")
        padding = [None] * (len(rows) - len(held))
        rows = [[*row, *_row([number])] for row, number in zip(rows, [*held, *padding], strict=True)]
    return headers, rows


LABELS = {
    "not on disk": "absent",
    "face boxes found": "faces_found",
    "face boxes missing": "faces_missing",
    "unreadable": "unreadable",
    "duplicates": "duplicates",
    "shorter than T": "short",
}


def _row(numbers: Iterable[int | None]) -> list[str]:
    return ["" if number is None else f"{number:,}" for number in numbers]


def _fold_lines(audit: Audit) -> Iterator[str]:
    if audit.folds:
        yield ""
    for name, fold in audit.folds.items():
        sizes = {split: sum(clip.split == split for clip in fold.labelled) for split in SPLITS}
        told = ", ".join(f"{split} {size:,}" for split, size in sizes.items() if size)
        yield f"fold {name}: {told}" + (f"; manifest {fold.manifest}" if fold.manifest else "")


def _finding(lead: str, finding: Finding) -> Iterable[str]:
    indent = " " * len(lead)
    yield from wrapped(f"{finding.kind} ({finding.where}): {finding.message}", lead, indent)
    if finding.mend:
        yield from wrapped(f"→ {finding.mend}", indent + "   ", indent + "     ")
