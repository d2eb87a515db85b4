"""The reference: what people import, with signatures and docstrings as they stand in the code, which is only read."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parents[2]
MODULES = {
    "harness.api": "From Python",
    "harness.trained.predict": "Predictions",
    "harness.methods": "Components",
    "harness.datasets": "Adapters",
    "harness.sentinels": "Sentinels",
    "harness.settings": "Settings",
    "harness.data.clips": "Clips",
    "harness.protocol": "Sections of settings",
    "harness.errors": "Errors",
    "harness.conformance": "The conformance kit",
}
Entry = ast.ClassDef | ast.FunctionDef


def pages() -> dict[str, str]:
    names = [f"reference/{module.rpartition('.')[2]}" for module in MODULES]
    listed = "\n".join(["```{toctree}", ":maxdepth: 2", "", *names, "```"])
    found = {"reference.md": f"# Reference\n\nWhat plugins and scripts import.\n\n{listed}\n"}
    for module, title in MODULES.items():
        found[f"reference/{module.rpartition('.')[2]}.md"] = _page(module, title)
    return found


def _page(module: str, title: str) -> str:
    tree = _tree(module)
    parts = [f"# {title}: `{module}`", "", _doc(tree), "", f"```{{py:module}} {module}", "```", ""]
    for entry in _public(module):
        parts += [*_entry(entry), ""]
    return "\n".join(parts)


def _tree(module: str) -> ast.Module:
    place = HOME / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _public(module: str) -> Iterator[Entry]:
    """What a module offers: its `__all__`, from wherever that comes; else its own documented names, in their order."""
    tree = _tree(module)
    own = {node.name: node for node in tree.body if isinstance(node, Entry)}
    offered = next((ast.literal_eval(node.value) for node in tree.body if _sets_all(node)), None)
    if offered is None:
        yield from (node for name, node in own.items() if name[0] != "_" and ast.get_docstring(node))
        return
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    origin = {alias.name: node.module for node in imports for alias in node.names}
    for name in offered:
        found = own.get(name) or next((node for node in _public_in(origin.get(name)) if node.name == name), None)
        if found:
            yield found


def _public_in(module: str | None) -> list[Entry]:
    return [node for node in _tree(module).body if isinstance(node, Entry)] if module else []


def _sets_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _entry(node: Entry, fence: str = "::::") -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        told = {ast.unparse(decorator) for decorator in node.decorator_list}
        kind = "function" if len(fence) == 4 else "property" if "property" in told else "method"
        yield f"{fence}{{py:{kind}}} {node.name if kind == 'property' else _signature(node)}"
        yield from (f":{name}:" for name in ("classmethod", "staticmethod") if name in told)
        yield from ["", _doc(node), fence]
        return
    yield from [f"{fence}{{py:class}} {node.name}{_bases(node)}", "", _doc(node), ""]
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name[0] != "_":
            yield from _entry(inner, ":::")
        elif isinstance(inner, ast.AnnAssign) and ast.unparse(inner.target)[0] != "_":
            yield from _field(inner)
        elif isinstance(inner, ast.ClassDef) and inner.name[0] != "_":
            yield from [f":::{{py:class}} {inner.name}{_bases(inner)}", "", _doc(inner), ""]
            yield from (line for knob in inner.body if isinstance(knob, ast.AnnAssign) for line in _item(knob))
            yield ":::"
    yield fence


def _bases(node: ast.ClassDef) -> str:
    return f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""


def _signature(node: ast.FunctionDef) -> str:
    arguments = node.args
    if arguments.args and arguments.args[0].arg in {"self", "cls"}:
        arguments.args = arguments.args[1:]
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(arguments)}){result}"


def _field(node: ast.AnnAssign) -> Iterator[str]:
    yield from [f":::{{py:attribute}} {ast.unparse(node.target)}", f":type: {ast.unparse(node.annotation)}"]
    if node.value is not None and not isinstance(node.value, ast.Call):  # knob(…), field(…)
        yield f":value: {ast.unparse(node.value)}"
    yield from ["", _help(node), ":::"]


def _item(node: ast.AnnAssign) -> Iterator[str]:
    yield f"- `{ast.unparse(node.target)}: {ast.unparse(node.annotation)}` {_help(node)}"


def _help(node: ast.AnnAssign) -> str:
    """What a knob says of itself: `knob(default, "help", …)`."""
    value = node.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "knob" and len(value.args) > 1:
        return f"{ast.literal_eval(value.args[1])} (default `{ast.unparse(value.args[0])}`)"
    return ""


def _doc(node: ast.Module | Entry) -> str:
    return inspect.cleandoc(ast.get_docstring(node) or "")
