"""README and the pages of docs/ as a reader who types meets them: blocks of code, and the commands in them.

A block of `sh` or `python` is run, top to bottom, with the rest of its page. What can't run in a test stands below
`<!-- not run: why -->`; commands in blocks without a language, and in running text, are forms to be filled in. All of
them must be understood by the command line.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HOME = Path(__file__).parents[1]
FILES = [HOME / "README.md", HOME / "CONTRIBUTING.md", *sorted((HOME / "docs").rglob("*.md"))]
PAGES = {path.relative_to(HOME).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$|^#+ (?P<heading>[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)
SPAN = re.compile(r"`((?:harness|make|python|accelerate|torchrun) [^`]+)`")
GAP = "…"


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    reason: str  # why it is not run
    answers: str  # what the block above it says, if this is the text below one that is run

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python") and not self.reason


def blocks(page: str) -> Iterator[Block]:
    above = ""
    for found in BLOCK.finditer(PAGES[page]):
        if found["heading"] is not None:
            above = ""
            continue
        block = Block(
            found["language"], found["text"], found["reason"] or "", above if found["language"] == "text" else ""
        )
        yield block
        above = block.text if block.runs else ""


@dataclass(frozen=True)
class Command:
    """A line to type; `code` is how it ends, where the page says so in its comment."""

    line: str
    words: tuple[str, ...]
    code: int
    mentioned: bool  # in running text, where a command may stand without what it needs


def commands(text: str, *, mentioned: bool = False) -> Iterator[Command]:
    """The commands of a block of shell: a backslash goes on, a number sign behind a blank ends one."""
    for line in text.replace("\\\n", " ").splitlines():
        comment = re.search(r"(?:^|\s)#.*", line)
        told = re.search(r"exit code (\d)", comment[0]) if comment else None
        typed = line[: comment.start()] if comment else line
        if typed.strip():
            words = (word for word in shlex.split(typed) if word != GAP)
            yield Command(line.strip(), tuple(words), int(told[1]) if told else 0, mentioned)


def told(page: str) -> Iterator[Command]:
    """Every command of a page, also those in running text."""
    for block in blocks(page):
        if block.language in ("sh", ""):
            text = (
                block.text if block.language else re.sub(r"[\[\]]", "", block.text)
            )  # what may be left out, in a form
            yield from commands(text)
    outside = BLOCK.sub("", PAGES[page])
    for span in SPAN.findall(outside):
        yield from commands(" ".join(span.split()), mentioned=True)


def arguments(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What each `harness` in a line is given, behind whatever launches it."""
    found, rest = [], list(words)
    while "harness" in rest:
        rest = rest[rest.index("harness") + 1 :]
        end = next((i for i, word in enumerate(rest) if word in ("|", "&&", "||", ";", ">", "&")), len(rest))
        found.append(tuple(rest[:end]))
        rest = rest[end:]
    return found


@cache
def sentences() -> tuple[str, ...]:
    """Every text in the source of harness; what is filled in when it runs is a gap."""
    found = []
    for file in (HOME / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)
