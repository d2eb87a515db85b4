"""A page for each sentinel: its section of sentinels.md, what its code says when it fires, and what was measured."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parents[2]
MEASURED = "\n## What they did\n"
GAP = "…"  # what is only known when it happens


def sections() -> dict[str, str]:
    """The sentinels' sections of sentinels.md, by name."""
    parts = re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", _whole(), re.MULTILINE | re.DOTALL)
    return {name: body for name, body in parts if _code(name).is_file()}


def overview(markdown: str) -> str:
    """sentinels.md with one row for each sentinel in the place of its section."""
    found = sections()
    rows = [f"| [{name}](#{name}) | {_first_sentence(body)} |" for name, body in found.items()]
    for name, body in found.items():
        markdown = markdown.replace(f"## {name}\n{body}", "", 1)
    head, mark, tail = markdown.partition("\n## ")
    table = "\n".join(["| sentinel | is there because |", "|---|---|", *rows])
    return _relinked(f"{head}\n{table}\n{mark}{tail}", "sentinels/", "")


def page(name: str) -> str:
    rows = [line for line in _whole().partition(MEASURED)[2].splitlines() if f"[{name}](#{name}) " in line]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    planted = [[what, *rest] for what, _, *rest in (row for row in cells if not row[0].startswith("["))]
    healthy = [row[1:] for row in cells if row[0].startswith("[")]
    parts = [
        f"# {name}\n{sections()[name]}",
        "## What it says\n\nAs its code has it; … is filled in when it happens.\n\n" + "".join(_findings(name)),
        _table("When defects were planted", ["planted defect", "alarm", "when", "others that fired"], planted),
        _table("When all was well", ["runs that were warned", "on", "why it is right"], healthy),
    ]
    return _relinked("\n".join(parts), "", "../sentinels.md")


def _whole() -> str:
    return (HOME / "docs/sentinels.md").read_text(encoding="utf-8")


def _code(name: str) -> Path:
    return HOME / f"harness/sentinels/{name.replace('-', '_')}.py"


def _first_sentence(body: str) -> str:
    return re.split(r"(?<=\.)\s", " ".join(body.split()), maxsplit=1)[0].rstrip(".")


def _relinked(markdown: str, pages: str, overview: str) -> str:
    """Links to a section lead to the sentinel's page, or to the overview that has the other sections."""
    known = sections()

    def moved(found: re.Match[str]) -> str:
        return f"]({pages}{found[1]}.md)" if found[1] in known else f"]({overview}#{found[1]})"

    return re.sub(r"\]\(#([a-z-]+)\)", moved, markdown)


def _table(title: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n" if rows else ""


# ── what a sentinel says, read from its code ────────────────────────────────────────────────────────────────────


def _findings(name: str) -> Iterator[str]:
    """An item for each `Finding(message, mend, evidence, …)`."""
    code = ast.parse(_code(name).read_text(encoding="utf-8"))
    for call in sorted((node for node in ast.walk(code) if _is_finding(node)), key=lambda node: node.lineno):
        told = _Told(code, call.lineno)
        message, mend = (told.words(argument) for argument in call.args[:2])
        evidence = told.keys(call.args[2]) if len(call.args) > 2 else []
        yield f"- “{message}”\n"
        yield from [f"    - mend: {mend}\n"] if mend != GAP else []
        yield from [f"    - evidence: {', '.join(evidence)}\n"] if evidence else []


def _is_finding(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"


class _Told:
    """Texts as they stand in the code at a line: a name is what it was last set to above."""

    def __init__(self, code: ast.Module, line: int) -> None:
        self.set: dict[str, list[ast.expr]] = {}
        nodes = [node for node in ast.walk(code) if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno < line]
        for node in sorted(nodes, key=lambda node: node.lineno):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                before = self.set.get(target.id, []) if isinstance(node, ast.AugAssign) else []
                self.set[target.id] = [*before, node.value]

    def words(self, node: ast.expr | None) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(map(self.words, parts))
            case ast.FormattedValue(value=ast.IfExp() as value):
                return self.words(value)
            case ast.FormattedValue(format_spec=ast.JoinedStr(values=[ast.Constant(value=str(spec))])):
                return GAP + "%" * spec.endswith("%")
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.words(left) + self.words(right)
            case ast.IfExp(body=body, orelse=other):
                return " / ".join(filter(None, (self.words(body), self.words(other))))
            case ast.Name(id=name) if name in self.set:
                return "".join(map(self.words, self.set[name]))
        return GAP

    def keys(self, node: ast.expr | None) -> list[str]:
        match node:
            case ast.Dict(keys=keys):
                return [f"`{key.value}`" if isinstance(key, ast.Constant) else GAP for key in keys]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return [*self.keys(left), *self.keys(right)]
            case ast.Name(id=name) if name in self.set:
                return self.keys(self.set[name][-1])
        return [GAP]
