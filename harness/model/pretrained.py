"""The weights that open_clip offers for each model, and which of them are on this machine.

Read from open_clip's source, never by importing it: that takes seconds that `list` and a completion do not have. The
table there is literal text: `_RN50 = dict(openai=_pcfg(hf_hub="…"), …)` and `_PRETRAINED = {"RN50": _RN50, …}`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.variables import hub_folder


class Offer(NamedTuple):
    """Weights by their tag; `repository` is where the hub keeps them, empty where they come from elsewhere."""

    tag: str
    repository: str
    quick_gelu: bool


def offers(model: str) -> list[Offer]:
    """The weights that there are for a model, in open_clip's order; none for one that it does not know."""
    return _offered().get(model, [])


def downloaded(offer: Offer) -> bool | None:
    """Whether weights of the hub are on this machine; None where that can't be told."""
    if not offer.repository:
        return None
    folder = hub_folder() / ("models--" + offer.repository.replace("/", "--")) / "snapshots"
    return any(folder.glob("*/*"))


@functools.cache
def _offered() -> dict[str, list[Offer]]:
    spec = importlib.util.find_spec("open_clip")
    assert spec and spec.submodule_search_locations
    source = Path(next(iter(spec.submodule_search_locations))) / "pretrained.py"
    named: dict[str, ast.expr] = {}
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            named[statement.targets[0].id] = statement.value
    table = named["_PRETRAINED"]
    assert isinstance(table, ast.Dict)
    found: dict[str, list[Offer]] = {}
    for key, value in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Constant):
            place = named[value.id] if isinstance(value, ast.Name) else value
            found[str(key.value)] = list(_tags(place))
    quick = {f"{name}-quickgelu": [each for each in tags if each.quick_gelu] for name, tags in found.items()}
    return {**found, **{name: tags for name, tags in quick.items() if tags}}


def _tags(table: ast.expr) -> Iterator[Offer]:
    """The weights of one `dict(tag=_pcfg(…), …)`."""
    for tag in table.keywords if isinstance(table, ast.Call) else ():
        facts = tag.value.keywords if isinstance(tag.value, ast.Call) else ()
        told = {fact.arg: fact.value.value for fact in facts if isinstance(fact.value, ast.Constant)}
        repository = "/".join(str(told.get("hf_hub", "")).split("/")[:2])  # some name a file in it
        yield Offer(str(tag.arg), repository.strip("/"), bool(told.get("quick_gelu")))
