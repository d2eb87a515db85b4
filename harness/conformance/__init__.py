"""The conformance kit: holds a plugin from outside to the contracts that the product's own plugins keep.

`check` is what `harness check` and a plugin's own tests call. A component is trained on a small bench (`methods`); of
a data set the root that is given is read, or the small copy that the adapter's `sample(root)` writes (`datasets`).
"""

from __future__ import annotations

from typing import Any

from harness import plugins
from harness.conformance.media import draw
from harness.conformance.verdicts import Report, Verdict, judged
from harness.errors import BadInput, nearest

__all__ = ["Report", "Verdict", "check", "draw"]

KINDS = ("methods", "datasets")


def check(name: str, root: str = "") -> Report:
    """All verdicts on the component or data set `name`; `root` is the folder of a data set.

    Raises `BadInput` where there is no such plugin, or no data to read it with.
    """
    kinds = [kind for kind in KINDS if name in plugins.names(kind)]
    if not kinds:
        known = {known for kind in KINDS for known in plugins.names(kind)}
        mend = f"{nearest(name, known)} (one from outside takes `pip install`, or --plugin FILE.py)"
        raise BadInput(name, "no such component or data set", mend)
    if len(kinds) > 1:
        raise BadInput(name, "is a component and a data set", "give one of them another name")
    cls = plugins.get(kinds[0], name)
    verdicts = _component(cls, root) if kinds[0] == "methods" else _dataset(cls, root)
    return Report(name, kinds[0], verdicts)


def _component(cls: Any, root: str) -> tuple[Verdict, ...]:
    from harness.conformance.bench import Bench
    from harness.conformance.methods import BASIS, CHECKS

    if root:
        raise BadInput("--root", f"{cls.name} is a component, which reads no data", "leave it out")
    return tuple(judged(cls, Bench(cls), CHECKS, BASIS))


def _dataset(cls: Any, root: str) -> tuple[Verdict, ...]:
    from harness.conformance.datasets import BASIS, CHECKS, opened

    with opened(cls, root) as copy:
        return tuple(judged(cls, copy, CHECKS, BASIS))
