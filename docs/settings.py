"""Writes docs/settings.md: every setting, the user file, and the environment variables, as the code says them.

`python docs/settings.py` after a setting was added or changed; a test compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tables import table

from harness import catalogue, config, variables
from harness.settings import spell

HOME = Path(__file__).parents[1]
HEADS = ["setting", "default", "range", ""]

INTRODUCTION = """\
# Settings

A setting is written in a grid file, in the section before its last dot (`[train]`, `[data.caer]`, `[ldl]`), or given to
a command as `--set train.epochs=5`, which goes before the file. In a method string a component's settings stand in its
brackets: `ldl(temperature=0.1)`. What is unknown, of the wrong kind or out of range is refused before anything starts.

`harness list settings` prints the same as this page, `harness list settings WORD` a part of it, with `--json` for
programs. `python docs/settings.py` writes this page from the code.
"""

USER_FILE = """\
## The user file

Where data sets lie differs from machine to machine, so it need not stand in grid files. One file says it for all
grids: `$XDG_CONFIG_HOME/harness/config.toml`, by default `~/.config/harness/config.toml`.

```toml
runs = "/scratch/me/runs"        # the run store of all commands; without: runs/ in the current folder

[data.caer]
root = "/data/CAER"              # also: {others}
```

`harness config` shows the file, what is in effect and where each value comes from; `harness config set data.caer.root
/data/CAER` and `harness config unset data.caer.root` write it. What counts, from the strongest:

1. `--set data.caer.root=…`, or `--runs`,
2. the grid file's `[data.caer]`,
3. the user file,
4. the default: a rendered miniature where there is one. `--set data.caer.root=` asks for it in spite of a user file.

A grid that names a root of its own gets none of the user's places for that set: lists and boxes belong to a copy.

**Only places may stand there.** A run's address does not depend on where its data lies, but on what it holds, so a
place can be said per machine and the same grid file still means the same runs everywhere. Any other setting changes
numbers, or could; in the user file it is refused, with the section of the grid file where it belongs.
"""

ENVIRONMENT = """\
## Environment variables

None changes the numbers of a run. (Those that can, of other libraries, such as `NVIDIA_TF32_OVERRIDE`, are written
down in each run's `environment.json`.)
"""

OWN = """\
Variables that harness sets in the processes that it starts; not for users, and `harness doctor` says so where one is
set:
"""


def page() -> str:
    rows = catalogue.settings()
    sections = dict.fromkeys(_section(row) for row in rows)
    parts = [INTRODUCTION, USER_FILE.format(others=", ".join(config.PLACES[1:])), ENVIRONMENT]
    parts.append(table([[f"`{name}`", meaning] for name, meaning in variables.USERS.items()], ["variable", ""]) + "\n")
    parts += [OWN, table([[f"`{name}`", meaning] for name, meaning in variables.OWN.items()], ["variable", ""]) + "\n"]
    for section in sections:
        cells = [_cells(row) for row in rows if _section(row) == section]
        parts.append(f"## `[{section}]`\n\n{table(cells, HEADS)}\n")
    return "\n".join(parts)


def _section(row: dict[str, Any]) -> str:
    """`train`, `data.caer` (`data.NAME` for what several have), `ldl`."""
    return str(row["name"].rpartition(".")[0])


def _cells(row: dict[str, Any]) -> list[str]:
    owners = f" (of {', '.join(row['of'])})" if len(row["of"]) > 1 else ""
    unit = f", {row['unit']}" if row["unit"] else ""
    return [f"`{row['name']}`", f"`{spell(row['default'])}`", (row["range"] or "–") + unit, row["help"] + owners]


if __name__ == "__main__":
    (HOME / "docs/settings.md").write_text(page(), encoding="utf-8")
