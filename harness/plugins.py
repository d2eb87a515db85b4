"""The registry: which adapters, components and sentinels there are, and how a name becomes a class.

A built-in plugin is a file: `harness/methods/logit_adjust.py` is the component `logit-adjust`, so names are
known from the folder listing and a module is imported only when its name is used. Plugins from outside come
by entry point (`harness.datasets`, `harness.methods`, `harness.sentinels`) or by `--plugin FILE.py`. This room never
imports a plugin's base class at import time: the base class is looked up when the first plugin is loaded.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import interface
from harness.errors import BadInput, nearest

BASES = {"datasets": "Adapter", "methods": "Component", "sentinels": "Sentinel"}
_NAME = re.compile("[A-Za-z][A-Za-z0-9_-]*")  # it stands in method strings and in the names of run folders
_from_files: dict[str, dict[str, type]] = {kind: {} for kind in BASES}


def names(kind: str) -> list[str]:
    """All plugin names of a kind (`datasets`, `methods` or `sentinels`), sorted, without importing any of them."""
    return sorted(_built_in(kind) | set(_from_files[kind]) | {point.name for point in _entry_points(kind)})


def get(kind: str, name: str) -> Any:
    """The plugin class behind `name`. Raises `BadInput` with the nearest names when there is none."""
    if name in _from_files[kind]:
        return _from_files[kind][name]
    points = [point for point in _entry_points(kind) if point.name == name]
    if len(points) + (name in _built_in(kind)) > 1:
        packages = ", ".join(point.value.split(":")[0] for point in points)
        raise BadInput(name, f"more than one {_noun(kind)} has this name", f"uninstall or rename one of: {packages}")
    if points:
        return _entry_point_class(kind, points[0])
    if name not in names(kind):
        mend = f"{nearest(name, names(kind))} (one from outside takes `pip install`, or --plugin FILE.py)"
        raise BadInput(name, f"no such {_noun(kind)}", mend)
    module = importlib.import_module(f"harness.{kind}.{name.replace('-', '_')}")
    found = [cls for cls in _plugin_classes(module, kind) if cls.name == name]
    if len(found) != 1:
        raise BadInput(module.__name__, f"holds {len(found)} plugins named {name!r}", "give it exactly one")
    return found[0]


def source(kind: str, name: str) -> dict[str, str] | None:
    """Kind, file and hash of a plugin from outside: its code is part of a run's address; None for a built-in one.

    `file` is what `--plugin` takes to load it again, empty where an installed package brings it.
    """
    cls = get(kind, name)
    if cls.__module__.startswith("harness."):
        return None
    path = Path(inspect.getfile(cls)).resolve()
    return {"kind": kind, "file": str(path) if name in _from_files[kind] else "", "hash": _hash_of(path)}


def _hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def add_stored(found: Mapping[str, Mapping[str, str]], *, load: bool = True) -> None:
    """Loads plugins from outside as a run's spec names them, unless they are there: `kind`, `file`, `hash` by name.

    Raises `BadInput`; code that is not what it was is not even run. Without `load` none is run that is not there: who
    wrote the names may have written the code as well.
    """
    for name, facts in found.items():
        kinds = [kind for kind in BASES if kind == facts.get("kind", kind)]  # any, where a spec of before names none
        there = [source(kind, name) for kind in kinds if name in names(kind)]  # None is a built-in one
        file = Path(facts["file"])
        if not there and not load:
            what = f"is code from outside ({file.name if facts['file'] else 'a package'}), and is not loaded"
            raise BadInput(f"the plugin {name}", what, "if you trust it, give --plugin FILE.py")
        if not there and not file.is_file():
            what = f"came from {file if facts['file'] else 'a package'}, which is gone"
            raise BadInput(f"the plugin {name}", what, "give --plugin")
        if facts["hash"] not in ([now and now["hash"] for now in there] or [_hash_of(file)]):
            raise BadInput(f"the code of the plugin {name}", "has changed", f"give --plugin the code of then ({file})")
        if not there:
            add_file(str(file))


def add_file(path: str) -> list[str]:
    """Registers the plugins of one Python file and returns their names."""
    file = Path(path)
    if not file.is_file():
        raise BadInput(path, "no such plugin file", "give the path of a .py file")
    spec = importlib.util.spec_from_file_location("harness_plugin" + re.sub(r"\W", "_", str(file.resolve())), file)
    if spec is None or spec.loader is None:
        raise BadInput(path, "is not a Python file", "give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # type hints of a settings dataclass are looked up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise BadInput(path, f"can't be imported: {type(error).__name__}: {error}", "mend the file") from error
    added = []
    for kind in BASES:
        for cls in _plugin_classes(module, kind):
            _check(cls, kind, path)
            if cls.name in names(kind) and _from_files[kind].get(cls.name) is None:
                raise BadInput(path, f"{cls.name!r} is already a {_noun(kind)}", "give it another name")
            _from_files[kind][cls.name] = cls
            added.append(cls.name)
    if not added:
        raise BadInput(path, "holds no plugin", "define a subclass of Adapter, Component or Sentinel with a `name`")
    return added


@functools.cache
def _built_in(kind: str) -> frozenset[str]:
    folder = Path(__file__).parent / kind
    return frozenset(path.stem.replace("_", "-") for path in folder.glob("*.py") if not path.stem.startswith("_"))


@functools.cache  # the environment is searched once: that takes milliseconds, and names are looked up often
def _entry_points(kind: str) -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group=f"harness.{kind}"))


def _entry_point_class(kind: str, point: metadata.EntryPoint) -> Any:
    try:
        cls = point.load()
    except Exception as error:
        mend = f"mend or uninstall {point.value.split(':')[0]}"
        raise BadInput(point.name, f"the plugin can't be imported: {type(error).__name__}: {error}", mend) from error
    if not (inspect.isclass(cls) and issubclass(cls, base_class(kind)) and getattr(cls, "name", "") == point.name):
        raise BadInput(point.value, f"is not a {_noun(kind)} named {point.name!r}", "mend the entry point")
    _check(cls, kind, point.value)
    return cls


def _check(cls: Any, kind: str, where: str) -> None:
    """Raises `BadInput` for a plugin from outside that can't be used, by whichever way it came."""
    if not isinstance(cls.name, str) or not _NAME.fullmatch(cls.name):
        raise BadInput(where, f"{cls.name!r} can't name a {_noun(kind)}", "use letters, digits and hyphens")
    if problem := getattr(cls, "problem", str)():
        raise BadInput(
            where,
            f"{cls.name} {problem}",
            "see docs/your-method.md for the hooks" if kind == "methods" else f"see harness/{kind}/__init__.py",
        )
    if problem := interface.problem(cls):
        raise BadInput(where, f"{cls.name} {problem}", "update harness, or the plugin")


def _plugin_classes(module: Any, kind: str) -> list[Any]:
    base: Any = base_class(kind)
    classes: list[Any] = [
        cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__
    ]
    return [cls for cls in classes if _is_plugin(cls, base)]


def _is_plugin(cls: Any, base: Any) -> bool:
    return issubclass(cls, base) and cls is not base and bool(cls.__dict__.get("name"))


def base_class(kind: str) -> Any:
    """The class that all plugins of a kind are made from."""
    return getattr(importlib.import_module(f"harness.{kind}"), BASES[kind])


def _noun(kind: str) -> str:
    return {"datasets": "data set", "methods": "component", "sentinels": "sentinel"}[kind]
