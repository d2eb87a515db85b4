"""The doctor: looks for the common troubles of a machine before they cost a night of training.

`facts` and `around` gather plain values, `machine` and `places` hold the checks: functions from those values to
findings, each with what shows it and what to do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.doctor import machine, places
from harness.doctor.facts import Facts, of_the_machine
from harness.doctor.findings import Finding
from harness.terminal import paint
from harness.words import plural, printable, storage

if TYPE_CHECKING:
    from harness.grid import Grid

Check = Callable[[Facts], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    machine.packages,
    machine.driver,
    machine.architecture,
    machine.launcher,
    machine.launcher_file,
    machine.precision,
    machine.open_files,
    places.folders,
    places.room,
    places.data,
    places.weights,
    places.settings,
    places.plugins,
)


def gather(runs: str, grid: Grid | None) -> Facts:
    """This machine, the store, the data sets that have a root, and what the grid needs; takes some seconds."""
    from harness.doctor import around

    needs = around.of_the_grid(grid) if grid else {}
    return Facts(**of_the_machine(), **around.of_the_places(runs), **around.of_the_data(grid), **needs)


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
    """The same for people."""
    said = describe(facts)
    width = max(map(len, said))
    lines = [f"{name:<{width}}  {line}" for name, lines in said.items() for line in lines]
    wrong = [finding for finding in findings if finding.mend]
    lines += ["", f"{plural(len(wrong), 'thing')} found that should be mended" if wrong else "nothing wrong was found"]
    for finding in wrong:
        lines += [f"✗ {finding.what}", f"    seen: {finding.evidence}", f"    mend: {finding.mend}"]
    remarks = [finding for finding in findings if not finding.mend]
    lines += ["", "to be known"] if remarks else []
    lines += [f"· {finding.what} ({finding.evidence})" for finding in remarks]
    colour = functools.partial(paint, colour="red")
    return "\n".join(colour(printable(line)) if line.startswith("✗") else printable(line) for line in lines)


def describe(facts: Facts) -> dict[str, list[str]]:
    """The facts in words, a few lines a subject."""
    versions = [f"{name} {version or 'missing'}" for name, version in facts.versions.items()]
    cuda, started, file = facts.cuda, facts.launcher, facts.launcher_file
    gpus = [f"{gpu.name}, {storage(gpu.memory)}, capability {gpu.capability[0]}.{gpu.capability[1]}" for gpu in cuda.gpus]
    build = f"driver for CUDA {cuda.driver or '–'}, torch for {'CUDA ' + cuda.built_for if cuda.built_for else 'CPU'}"
    copies = [f"{each.dataset}: {each.root} (from {each.origin}), {plural(each.clips, 'clip')}" for each in facts.copies]
    kept = {"cache": f", {storage(facts.cached)} kept"}
    folders = [
        f"{place.role}: {place.path}, {storage(place.free)} free{kept.get(place.role, '')}"
        + (f", a locked write takes {1000 * place.seconds:.1f} ms" if place.seconds is not None else "")
        for place in facts.places
    ]
    return {
        "versions": [", ".join(versions[:5]), ", ".join(versions[5:])],
        "devices": [*(gpus or ["CPU"]), build],
        "precision": [f"{started.precision} asked for by {started.name}" if started.name != "none" else "fp32"],
        "launcher": [f"{started.name}, {plural(started.processes, 'process').removesuffix('s') + 'es'}"]
        if started.processes > 1
        else [f"{started.name}, 1 process"],
        "accelerate": [file.path if file else "no default configuration file"],
        "folders": folders,
        "data": copies or ["no roots are set: rendered miniatures"],
    }
