"""The registry: which adapters and components there are, and how a name becomes a class.

A built-in plugin is a file: `harness/methods/logit_adjust.py` is the component `logit-adjust`, so names are
known from the folder listing and a module is imported only when its name is used. Plugins from outside come
by entry point (`harness.datasets`, `harness.methods`) or by `--plugin FILE.py`. This room never
imports a plugin's base class at import time: the base class is looked up when the first plugin is loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import BadInput, nearest

BASES = {"datasets": "Adapter", "methods": "Component"}
_from_files: dict[str, dict[str, type]] = {kind: {} for kind in BASES}


def names(kind: str) -> list[str]:
    """All plugin names of a kind (`datasets` or `methods`), sorted, without importing any of them."""
    folder = Path(__file__).parent / kind
    own = {path.stem.replace("_", "-") for path in folder.glob("*.py") if not path.stem.startswith("_")}
    return sorted(own | set(_from_files[kind]) | {point.name for point in _entry_points(kind)})


def get(kind: str, name: str) -> Any:
    """The plugin class behind `name`. Raises `BadInput` with the nearest names when there is none."""
    if name in _from_files[kind]:
        return _from_files[kind][name]
    for point in _entry_points(kind):
        if point.name == name:
            return _entry_point_class(kind, point)
    if name not in names(kind):
        raise BadInput(name, f"no such {_noun(kind)}", nearest(name, names(kind)))
    module = importlib.import_module(f"harness.{kind}.{name.replace('-', '_')}")
    found = [cls for cls in _plugin_classes(module, kind) if cls.name == name]
    if len(found) != 1:
        raise BadInput(module.__name__, f"holds {len(found)} plugins named {name!r}", "give it exactly one")
    return found[0]


def add_file(path: str) -> list[str]:
    """Registers the plugins of one Python file and returns their names."""
    file = Path(path)
    if not file.is_file():
        raise BadInput(path, "no such plugin file", "give the path of a .py file")
    spec = importlib.util.spec_from_file_location(f"harness_plugin_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(path, f"can't be imported: {type(error).__name__}: {error}", "mend the file") from error
    added = []
    for kind in BASES:
        for cls in _plugin_classes(module, kind):
            if cls.name in names(kind) and _from_files[kind].get(cls.name) is None:
                raise BadInput(path, f"{cls.name!r} is already a {_noun(kind)}", "give it another name")
            _from_files[kind][cls.name] = cls
            added.append(cls.name)
    if not added:
        raise BadInput(path, "holds no plugin", "define a subclass of Adapter or Component with a `name`")
    return added


def _entry_points(kind: str) -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group=f"harness.{kind}"))


def _entry_point_class(kind: str, point: metadata.EntryPoint) -> Any:
    try:
        cls = point.load()
    except Exception as error:
        mend = f"mend or uninstall {point.value.split(':')[0]}"
        raise BadInput(point.name, f"the plugin can't be imported: {type(error).__name__}: {error}", mend) from error
    if not (inspect.isclass(cls) and issubclass(cls, _base(kind)) and cls.name == point.name):
        raise BadInput(point.value, f"is not a {_noun(kind)} named {point.name!r}", "mend the entry point")
    return cls


def _plugin_classes(module: Any, kind: str) -> list[Any]:
    base = _base(kind)
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    return [cls for cls in classes if issubclass(cls, base) and cls is not base and cls.__dict__.get("name")]


def _base(kind: str) -> Any:
    return getattr(importlib.import_module(f"harness.{kind}"), BASES[kind])


def _noun(kind: str) -> str:
    return {"datasets": "data set", "methods": "component"}[kind]
