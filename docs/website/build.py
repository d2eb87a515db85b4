"""Builds the site: `make docs`, or `python docs/website/build.py OUT`. Whatever leads nowhere fails the build.

The pages of docs/ are plain Markdown that a repository's host shows as well. For the site they are laid out in a
folder of their own, beside pages that are made of something else: the first page is README.md itself, a sentinel's
page is its section of sentinels.md with what its code says, the reference is the docstrings, and a file that a page
links to elsewhere in the repository is shown as it is. Sphinx makes the site of that folder. Nothing of harness is
imported: the site is built where no torch is.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import reference
import sentinel_pages
from sphinx.cmd.build import main as sphinx

HOME = Path(__file__).parents[2]
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
CONTENTS = {
    "Use": ["quick-start", "grids", "data", "settings", "scaling", "python", "errors"],
    "Results": ["reading-a-leaderboard", "statistics", "verify", "postmortem"],
    "Watched and measured": ["sentinels", "performance", "reliability"],
    "Extend": ["your-method", "your-data", "contributing", "decisions", "reference", "changelog"],
}
LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml"}
CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")


def pages() -> dict[str, str]:
    """The Markdown of every page, by its place on the site; links lead to where things are on the site."""
    found = {path.relative_to(HOME / "docs").as_posix(): _text(path) for path in sorted((HOME / "docs").rglob("*.md"))}
    found |= {page: _text(HOME / path) for path, page in ROOT_PAGES.items()}
    linked = {path for page, text in found.items() for path in _linked(page, text)}
    found = {page: _moved(page, text) for page, text in found.items()}
    found |= {page: text for path in sorted(linked) for page, text in _shown(path)}
    found |= {f"sentinels/{name}.md": sentinel_pages.page(name) for name in sentinel_pages.sections()}
    found |= reference.pages()
    decisions = [page.removesuffix(".md") for page in sorted(found) if page.startswith("decisions/")]
    found["decisions.md"] = "# Decisions\n\nShort, dated notes on what was decided and why.\n\n" + _toctree(decisions)
    found["sentinels.md"] = sentinel_pages.overview(found["sentinels.md"]) + _toctree(
        [f"sentinels/{name}" for name in sentinel_pages.sections()], hidden=True
    )
    found["index.md"] += "".join(_toctree(inner, title, hidden=True) for title, inner in CONTENTS.items())
    return found


def build(out: Path) -> int:
    """0, or what Sphinx answers when something leads nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        for page, text in pages().items():
            place = Path(folder, page)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        shutil.copytree(HOME / "leaderboards/default", Path(folder, "leaderboards/default"))
        shutil.copytree(HOME / "leaderboards/default", out / "leaderboards/default", dirs_exist_ok=True)
        shutil.copytree(HOME / "docs", folder, ignore=_all_but_pictures, dirs_exist_ok=True)
        how = ["-W", "--keep-going", "-E", "-q", "-b", "html", "-c", str(Path(__file__).parent)]
        return int(sphinx([*how, "-d", str(Path(folder, ".made")), folder, str(out)]))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _toctree(pages: list[str], title: str = "", hidden: bool = False) -> str:
    options = [f":caption: {title}"] * bool(title) + [":hidden:"] * hidden + [":maxdepth: 1"]
    return "\n```{toctree}\n" + "\n".join([*options, "", *pages]) + "\n```\n"


def _all_but_pictures(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not Path(folder, name).is_dir() and Path(name).suffix not in {".png", ".svg"}}


# ── links ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _linked(page: str, text: str) -> Iterator[str]:
    """The places in the repository that a page links to."""
    for part in CODE.split(text)[::2]:
        yield from filter(None, (_path(page, link) for link in LINK.findall(part)))


def _moved(page: str, text: str) -> str:
    def moved(found: re.Match[str]) -> str:
        path, (_, hash, anchor) = _path(page, found[0]), found[0].partition("#")
        if not path:
            return found[0]
        if path == "docs/sentinels.md" and anchor in sentinel_pages.sections():  # a page of its own on the site
            path, hash, anchor = f"docs/sentinels/{anchor}.md", "", ""
        place = posixpath.relpath(_place(path), posixpath.dirname(page) or ".") + hash + anchor
        as_it_is = _place(path).endswith((".html", ".csv", ".tex")) and (HOME / _place(path)).is_file()
        return f"as-is:{place}" if as_it_is else place

    parts = CODE.split(text)
    parts[::2] = [LINK.sub(moved, part) for part in parts[::2]]
    return "".join(parts)


def _path(page: str, link: str) -> str:
    """Where in the repository a link of a page leads; empty where it stays on its page or leaves the house."""
    target = link.partition("#")[0]
    if not target or ":" in target:
        return ""
    home = next((path for path, name in ROOT_PAGES.items() if name == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), target))


def _place(path: str) -> str:
    """Where on the site something of the repository is shown."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    if path.startswith("leaderboards/"):
        return re.sub("/README.md$", "/index.html", path)  # the same tables, as a page of their own
    if path.startswith("docs/") and not path.endswith((".py", ".toml")):
        return path.removeprefix("docs/")
    return f"source/{path}.md"


def _shown(path: str) -> Iterator[tuple[str, str]]:
    """A page with a file's text, or a folder's names; of what isn't there Sphinx complains at the link."""
    place, page = HOME / path, _place(path)
    if page.startswith("source/") and place.exists():
        text = _names(place) if place.is_dir() else _text(place)
        language = LANGUAGES.get(place.suffix, "text")
        shown = _notebook(text) if place.suffix == ".ipynb" else f"````{language}\n{text}````\n"
        yield page, f"---\norphan: true\n---\n# {path}\n\n{shown}"


def _notebook(text: str) -> str:
    cells = ((cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"])
    return "\n\n".join(told if kind == "markdown" else f"```python\n{told}\n```" for kind, told in cells)


def _names(folder: Path) -> str:
    found = sorted(file for file in folder.iterdir() if file.name[0] not in "._")
    return "".join(f"{file.name}{'/' * file.is_dir()}\n" for file in found)


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
