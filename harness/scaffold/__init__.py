"""New plugins: a small, complete package that passes `harness check` as it is, to be filled with one's own.

The packages in `method/` and `dataset/` are templates and run as they stand; `write` copies one under another name.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Iterator
from pathlib import Path

from harness import plugins
from harness.errors import BadInput
from harness.files import write_bytes

KINDS = {"method": "methods", "dataset": "datasets"}  # as the command says it, and as the registry does
_NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")  # it names a plugin, a package and, in its own spelling, a module


def write(kind: str, name: str, out: Path) -> list[Path]:
    """Writes the package of a new `method` or `dataset` to the folder `out / name`, and returns its files.

    Raises `BadInput` for names that are taken or can't be used, and where the folder is there already.
    """
    _refuse(kind, name)
    folder = out / name
    if folder.exists():
        raise BadInput(str(folder), "is there already", "give another name, or another folder with --out")
    written = []
    for path, text in _files(kind):
        file = folder / _renamed(str(path), name)
        write_bytes(file, _renamed(text, name).encode())
        written.append(file)
    return written


def _refuse(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(name, f"can't name a {kind}", "use small letters, digits and hyphens: my-loss")
    if name in plugins.names(KINDS[kind]):
        raise BadInput(name, f"there is already a {kind} of this name", "give it another")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise BadInput(name, f"the module {module} would hide another one", "give it another name")


def _files(kind: str) -> Iterator[tuple[Path, str]]:
    """The template's files, as paths below the package's folder and their text."""
    home = Path(__file__).with_name(kind)
    for file in sorted(home.rglob("*")):
        if file.is_file() and file.suffix in (".py", ".toml", ".md"):
            yield file.relative_to(home), file.read_text(encoding="utf-8")


def _renamed(text: str, name: str) -> str:
    title = "".join(part.capitalize() for part in name.split("-"))
    for mine, own in (("my-plugin", name), ("my_plugin", name.replace("-", "_")), ("MyPlugin", title)):
        text = text.replace(mine, own)
    return text
