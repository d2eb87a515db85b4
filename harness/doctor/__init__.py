"""The doctor: looks for the common troubles of a machine before they cost a night of training.

`facts` and `around` gather plain values, `machine` and `places` hold the checks: functions from those values to
findings, each with what shows it and what to do.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from harness.doctor import machine, places
from harness.doctor.facts import Copy, Facts, Gpu, Place, of_the_machine
from harness.doctor.findings import Finding
from harness.terminal import paint
from harness.words import plural, printable, storage

if TYPE_CHECKING:
    from harness.errors import BadInput
    from harness.grid import Grid

Check = Callable[[Facts], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    machine.packages,
    machine.driver,
    machine.architecture,
    machine.launcher,
    machine.launcher_file,
    machine.cluster,
    machine.precision,
    machine.open_files,
    places.folders,
    places.room,
    places.data,
    places.weights,
    places.settings,
    places.plugins,
)


def gather(runs: str, grid: Grid | None, refused: BadInput | None = None) -> Facts:
    """This machine, the store, the data sets that have a root, and what the grid needs; takes some seconds.

    `refused` is what is wrong with a grid that was named and can't be used.
    """
    from harness.doctor import around

    needs = around.of_the_grid(grid) if grid else {}
    return Facts(**of_the_machine(), **around.of_the_places(runs), **around.of_the_data(grid, refused), **needs)


def examine(facts: Facts, checks: tuple[Check, ...] = CHECKS) -> list[Finding]:
    """What is wrong, then what is to be known. A check that fails itself is a finding and stops no other."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check(facts)
        except Exception as error:
            evidence, mend = f"{type(error).__name__}: {error}", "report this, with what `harness doctor --json` prints"
            found.append(Finding(check.__name__, f"the check {check.__name__} failed", evidence, mend))
    return sorted(found, key=lambda finding: not finding.mend)


def as_json(facts: Facts, findings: list[Finding]) -> dict[str, Any]:
    return {"facts": asdict(facts), "findings": [asdict(finding) for finding in findings]}


def text(facts: Facts, findings: list[Finding]) -> str:
    """The same for people, as wide as the terminal."""
    wrong, remarks = ([each for each in findings if bool(each.mend) is mend] for mend in (True, False))
    lines = list(_described(facts))
    lines += ["", f"{plural(len(wrong), 'thing')} to mend" if wrong else "nothing wrong was found"]
    for finding in wrong:
        lines += [paint(line, "red") for line in _wrapped("✗ ", finding.what)]
        lines += [*_wrapped("  seen: ", finding.evidence), *_wrapped("  mend: ", finding.mend)]
    lines += ["", "to be known"] if remarks else []
    for finding in remarks:
        lines += _wrapped("· ", f"{finding.what} ({finding.evidence})")
    return "\n".join(lines)


def _wrapped(head: str, line: str) -> list[str]:
    width, indent = shutil.get_terminal_size((100, 24)).columns, " " * len(head)
    line = head + printable(line)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _described(facts: Facts) -> Iterator[str]:
    """The facts in words."""
    cuda, started, file = facts.cuda, facts.launcher, facts.launcher_file
    built = f"CUDA {cuda.built_for}" if cuda.built_for else "the CPU"
    said: dict[str, list[str]] = {
        "versions": [", ".join(f"{name} {version or 'missing'}" for name, version in facts.versions.items())],
        "devices": [*map(_gpu, cuda.gpus)] or ["CPU"],
        "torch": [f"built for {built}; " + (f"driver for CUDA {cuda.driver}" if cuda.driver else "no CUDA driver")],
        "launcher": [f"{started.name}; processes: {started.processes}; precision asked for: {started.precision}"],
        "accelerate": [file.path if file else "no default configuration file"],
        **{place.role: [_place(place, facts.cached)] for place in facts.places},
        "data": [*map(_copy, facts.copies)] or ["no root is set: rendered miniatures"],
    }
    width = max(map(len, said)) + 2
    for subject, lines in said.items():
        for head, line in zip_longest([subject], lines, fillvalue=""):
            yield from _wrapped(f"{head:<{width}}", line)


def _gpu(gpu: Gpu) -> str:
    return f"{gpu.name}, {storage(gpu.memory)}, capability {gpu.capability[0]}.{gpu.capability[1]}"


def _place(place: Place, cached: int) -> str:
    kept = f", {storage(cached)} kept" if place.role == "cache" else ""
    took = "" if place.seconds is None else f", a locked write takes {1000 * place.seconds:.1f} ms"
    return f"{place.path}: {storage(place.free)} free{kept}{took}"


def _copy(copy: Copy) -> str:
    return f"{copy.dataset}: {copy.root} (from {copy.origin}), {plural(copy.clips, 'clip')}"
