"""What the shell offers behind TAB: commands and options by argparse, names by the registry and the store.

A shell asks at every TAB, so nothing here loads torch or reads a run: names are those of files, and the settings of a
component are found in its source. The shell's side is argcomplete's, which knows quoting and word breaks of bash, zsh
and fish.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter

from harness import config, plugins, protocol
from harness.errors import BadInput
from harness.grid import grammar, presets
from harness.model import architectures, pretrained
from harness.slurm import Slurm

GROUPS = {**protocol.GROUPS, "slurm": Slurm}
Offer = Callable[..., Iterable[str]]
_HERE = Path(__file__).parent


def script(shell: str) -> str:
    """What the user's shell sources."""
    return str(argcomplete.shellcode(["harness"], shell=shell))


def answer(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process; returns at once where no shell asks (`_ARGCOMPLETE` is not set)."""
    attach(parser)
    argcomplete.autocomplete(parser)


def attach(parser: argparse.ArgumentParser) -> set[str]:
    """Gives each argument of `OFFERS` its names; returns those that there are."""
    found = set()
    for command in commands(parser):
        for action in command._actions:
            place = f"{command.prog} {action.dest}".removeprefix(f"{parser.prog} ")
            for name in {*action.option_strings, place} & OFFERS.keys():
                action.completer = OFFERS[name]  # type: ignore[attr-defined]
                found.add(name)
    return found


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from commands(inner)


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────


def _datasets(prefix: str, **_: Any) -> list[str]:
    return plugins.names("datasets")


def _listed(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """What `harness list WHAT` can be narrowed down to."""
    what = parsed_args.what
    return architectures.names() if what == "models" else plugins.names(what) if what in plugins.BASES else []


def _several_datasets(prefix: str, **_: Any) -> list[str]:
    return _after(prefix, ",", plugins.names("datasets"))


def _methods(prefix: str, **_: Any) -> list[str]:
    """Of a list of methods, the last one's next component, which it does not have yet; inside brackets, settings."""
    inside = re.search(r"([A-Za-z][\w-]*)\(([^()]*)$", prefix)
    if inside:
        head = prefix[: inside.start(2)] + inside[2][: inside[2].rfind(",") + 1]
        return [f"{head}{name}=" for name in _knobs("methods", inside[1])]
    there = set(re.findall(r"([A-Za-z][\w-]*)(?:\([^()]*\))?\+", re.split(r",(?![^()]*\))", prefix)[-1]))
    components = {name: {name} for name in plugins.names("methods")} | {name: _in(name) for name in presets.names()}
    had = {part for name in there for part in components.get(name, ())}
    return _after(prefix, ",+", [name for name, parts in components.items() if not parts & had])


def _in(preset: str) -> set[str]:
    return set(grammar.read(presets.get(preset).method))


def _settings(prefix: str, **_: Any) -> list[str]:
    """`--set group.key=value`: groups, then their keys, then the values where they are few."""
    key, equals, _value = prefix.partition("=")
    if equals:
        return [f"{key}={value}" for value in _values(key)]
    offered = _keys(prefix)
    begun = [name for name in offered if name.startswith(prefix)]
    return _settings(begun[0]) if len(begun) == 1 and begun[0] != prefix and begun[0].endswith(".") else offered


def _keys(prefix: str) -> list[str]:
    """The next piece of a key: what stands before its last dot is complete."""
    group, *names = prefix.split(".")[:-1] or [""]
    if group in GROUPS:
        return [f"{group}.{field.name}=" for field in dataclasses.fields(GROUPS[group])]
    if group in ("data", "sentinels"):
        kind = "datasets" if group == "data" else group
        if not names:
            return [f"{group}.{name}." for name in plugins.names(kind)]
        return [f"{group}.{names[0]}.{key}=" for key in _knobs(kind, names[0])]
    if group in plugins.names("methods"):
        return [f"{group}.{name}=" for name in _knobs("methods", group)]
    return [f"{name}." for name in (*GROUPS, "data", "sentinels", *plugins.names("methods"))]


def _values(key: str) -> list[str]:
    """What a setting can be set to, where that is one of a few."""
    group, _, name = key.partition(".")
    if key == "model.name":
        return architectures.names()
    if key == "model.pretrained":
        return sorted({offer.tag for model in architectures.names() for offer in pretrained.offers(model)})
    known = list(dataclasses.fields(GROUPS[group])) if group in GROUPS else []
    choices = [field.metadata.get("choices") or () for field in known if field.name == name]
    return [str(choice) for each in choices for choice in each if choice]


def _places(prefix: str, **_: Any) -> list[str]:
    """The keys of the user file."""
    return ["runs", *(f"data.{name}.{place}" for name in plugins.names("datasets") for place in config.PLACES)]


def _run_ids(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Runs of the store, or of the stores, by the names of their folders."""
    try:
        told = getattr(parsed_args, "stores", None) or [getattr(parsed_args, "runs", None) or config.runs()]
        found = (folder for root in told for folder in Path(root).glob(f"*/{prefix}*"))
        return sorted({folder.name for folder in found if (folder / "spec.json").exists()})
    except (BadInput, OSError):
        return []


def _knobs(kind: str, name: str) -> list[str]:
    """The settings of a plugin. Data sets say theirs; importing others takes seconds, so theirs are read in the source,
    of those that come with harness.
    """
    if kind == "datasets":
        return list(plugins.get(kind, name).Settings.__dataclass_fields__) if name in plugins.names(kind) else []
    source = _HERE / kind / f"{name.replace('-', '_')}.py"
    if not source.exists():
        return []
    shared, own = (_classes(file) for file in (_HERE / kind / "__init__.py", source))
    settings = own.get("Settings") or shared.get("Watching")  # sentinels without any of their own
    if settings is None:
        return []
    bases = [shared[base.id] for base in settings.bases if isinstance(base, ast.Name) and base.id in shared]
    return [*dict.fromkeys(knob for each in (*bases, settings) for knob in _knobs_in(each))]


def _classes(source: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _knobs_in(cls: ast.ClassDef) -> Iterator[str]:
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Call):
            yield from [node.target.id] if getattr(node.value.func, "id", "") == "knob" else []


def _after(prefix: str, signs: str, names: Iterable[str]) -> list[str]:
    """The names behind what is written before the last of these signs."""
    head = prefix[: max(prefix.rfind(sign) for sign in signs) + 1]
    return [head + name for name in names]


OFFERS: dict[str, Offer] = {  # by option, or by command and argument
    "--datasets": _several_datasets,
    "--methods": _methods,
    "--set": _settings,
    "--grid": FilesCompleter(("toml",)),
    "--plugin": FilesCompleter(("py",)),
    "--runs": DirectoriesCompleter(),
    "--out": DirectoriesCompleter(),
    "--root": DirectoriesCompleter(),
    "show run": _run_ids,
    "compare first": _run_ids,
    "compare second": _run_ids,
    "verify what": _run_ids,
    "predict run": _run_ids,
    "export run": _run_ids,
    "data check name": _datasets,
    "data manifest name": _datasets,
    "list word": _listed,
    "config set key": _places,
    "config unset key": _places,
}
