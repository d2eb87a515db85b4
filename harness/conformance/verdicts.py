"""What a check says: its verdict, a line of evidence and, where something is to be done, a mend."""

from __future__ import annotations

import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from harness.errors import BadInput
from harness.words import printable, wrapped

HOME = str(Path(__file__).parents[1])
PASSED, WARNED, FAILED, SPARED, UNTRIED = "passed", "warned", "failed", "not applicable", "not tried"
S = TypeVar("S")


class Ruling(Exception):
    """Raised by a check that does not simply pass."""

    verdict: ClassVar[str]

    def __init__(self, evidence: str, mend: str = "") -> None:
        super().__init__(evidence)
        self.evidence, self.mend = evidence, mend


class Failed(Ruling):
    """The plugin does not hold what the contract says."""

    verdict = FAILED


class Warned(Ruling):
    """The plugin holds, and there is something that its author should look at."""

    verdict = WARNED


class Spared(Ruling):
    """There is nothing of this kind to check in the plugin."""

    verdict = SPARED


@dataclass(frozen=True)
class Verdict:
    check: str
    verdict: str
    evidence: str
    mend: str = ""


@dataclass(frozen=True)
class Report:
    """All verdicts on one plugin. `kind` is that of the registry: `methods` or `datasets`."""

    plugin: str
    kind: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return all(verdict.verdict != FAILED for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """What `harness check --json` prints."""
        checks = [asdict(verdict) for verdict in self.verdicts]
        return {"plugin": self.plugin, "kind": self.kind, "passed": self.passed, "checks": checks}

    def text(self) -> str:
        """The same for people; what was not tried, all for one reason, in one line."""
        wide = max(len(verdict.check) for verdict in self.verdicts)
        lines = [f"{self.plugin} ({self.kind}):"]
        for each in self.verdicts:
            if each.verdict != UNTRIED:
                lead = f"  {each.verdict:<{len(SPARED)}}  {each.check:<{wide}}  "
                lines += wrapped(each.evidence, lead, " " * len(lead))
                if each.mend:
                    lines += wrapped(f"→ {each.mend}", " " * len(lead), " " * (len(lead) + 2))
        if left := [each for each in self.verdicts if each.verdict == UNTRIED]:
            lead = f"  {UNTRIED:<{len(SPARED)}}  "
            lines += wrapped(f"{', '.join(each.check for each in left)}: {left[0].evidence}", lead, " " * len(lead))
        counts = Counter(verdict.verdict for verdict in self.verdicts)
        shown = [kind for kind in (PASSED, WARNED, FAILED, SPARED, UNTRIED) if counts[kind] or kind in (PASSED, FAILED)]
        return printable("\n".join([*lines, ", ".join(f"{counts[kind]} {kind}" for kind in shown)]))


def judged(
    plugin: type, subject: S, checks: Mapping[str, Callable[[S], str]], basis: Collection[str] = ()
) -> Iterator[Verdict]:
    """The verdict of each check on the subject, in order.

    Once a check of the `basis` has failed, those after it are not tried: they would fail of the same, or pass without
    a reason.
    """
    broken = ""
    for name, check in checks.items():
        if broken:
            yield Verdict(name, UNTRIED, f"`{broken}` comes first, and failed")
            continue
        found = Verdict(name, *_ruled(plugin, subject, check))
        broken = name if found.verdict == FAILED and name in basis else ""
        yield found


def _ruled(plugin: type, subject: S, check: Callable[[S], str]) -> tuple[str, str, str]:
    """Verdict, evidence and mend. Whatever a plugin raises fails the check that met it."""
    try:
        return PASSED, check(subject), ""
    except Ruling as ruling:
        return ruling.verdict, ruling.evidence, ruling.mend
    except BadInput as error:
        return FAILED, f"{error.where}: {error.what}", error.mend or "mend it: a run stops here"
    except Exception as error:
        return FAILED, *_raised(plugin, error)


def _raised(plugin: type, error: Exception) -> tuple[str, str]:
    """What was raised, and the plugin's own line that led there, else ours."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == inspect.getfile(plugin)]
    place = (own or [frame for frame in frames if frame.filename.startswith(HOME)])[-1]
    at = f"{place.filename}:{place.lineno}, in {place.name}"
    lines = str(error).strip().splitlines() or ["no message"]
    mend = f"see {at}" if own else f"none of its own lines was running: see what it gave to {at}"
    return f"{type(error).__name__}: {lines[0]}", mend
