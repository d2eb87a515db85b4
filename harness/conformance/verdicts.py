"""What a check says: passed, failed or not applicable, with a line of evidence and, where it failed, a mend."""

from __future__ import annotations

import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from harness.audit.text import wrapped
from harness.errors import BadInput
from harness.words import printable

PASSED, FAILED, SPARED = "passed", "failed", "not applicable"
S = TypeVar("S")


class Failed(Exception):
    """Raised by a check: the plugin does not hold what the contract says."""

    def __init__(self, evidence: str, mend: str) -> None:
        super().__init__(evidence)
        self.evidence, self.mend = evidence, mend


class Spared(Exception):
    """Raised by a check: there is nothing of this kind to check in the plugin, for the reason that it gives."""


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
        """The same for people."""
        wide = max(len(verdict.check) for verdict in self.verdicts)
        lines = [f"{self.plugin} ({self.kind}):"]
        for each in self.verdicts:
            lead = f"  {each.verdict:<{len(SPARED)}}  {each.check:<{wide}}  "
            lines += wrapped(each.evidence, lead, " " * len(lead))
            if each.mend:
                lines += wrapped(f"→ {each.mend}", " " * len(lead), " " * (len(lead) + 2))
        counts = Counter(verdict.verdict for verdict in self.verdicts)
        return printable("\n".join([*lines, ", ".join(f"{counts[kind]} {kind}" for kind in (PASSED, FAILED, SPARED))]))


def judged(plugin: type, subject: S, checks: Mapping[str, Callable[[S], str]]) -> Iterable[Verdict]:
    """The verdict of each check on the subject, in order. Whatever a plugin raises fails the check that met it."""
    for name, check in checks.items():
        try:
            yield Verdict(name, PASSED, check(subject))
        except Spared as reason:
            yield Verdict(name, SPARED, str(reason))
        except Failed as fault:
            yield Verdict(name, FAILED, fault.evidence, fault.mend)
        except BadInput as error:
            yield Verdict(name, FAILED, f"{error.where}: {error.what}", error.mend or "mend it: a run stops here")
        except Exception as error:
            yield Verdict(name, FAILED, *_raised(plugin, error))


def _raised(plugin: type, error: Exception) -> tuple[str, str]:
    """What was raised, and the plugin's own line that led there."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == inspect.getfile(plugin)]
    place = (own or frames)[-1]
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}", f"see {place.filename}:{place.lineno}, in {place.name}"
