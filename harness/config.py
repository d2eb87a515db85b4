"""The user file: where data sets and runs lie on this machine, said once for all grids.

It is `$XDG_CONFIG_HOME/harness/config.toml`, by default `~/.config/harness/config.toml`, and holds places only. A
setting that changes numbers is refused there: the same grid file would mean something else on another machine. What a
grid file says goes before it, and `--set` before both.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import plugins, protocol
from harness.errors import BadInput, nearest
from harness.files import write_bytes

RUNS = "runs"  # the store that a command uses unless told
PLACES = ("root", "annotations", "faces", "bodies")  # what of a data set's settings no run's address depends on
GRID_FILE, OVERRIDE, NOWHERE = "grid file", "--set", ""  # where a root comes from, beside the user file


@dataclass(frozen=True)
class Config:
    """What the user file says: the run store, and the places of data sets by name."""

    file: Path
    runs: str = ""
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def path() -> Path:
    """Where the user file is, or would be."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "harness" / "config.toml"


def load() -> Config:
    """The user file, checked; empty where there is none. Raises `BadInput` that names the file."""
    return checked(path(), _text(path()))


def runs() -> str:
    """The store that a command uses unless told."""
    return load().runs or RUNS


def checked(file: Path, text: str) -> Config:
    """What the text of a user file says. Raises `BadInput` for anything but places."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(str(file), f"is not TOML: {error}", "mend the line that it names") from error
    for key in raw:
        if key not in ("runs", "data"):
            raise _refused(str(file), key)
    data = _table(file, "data", raw.get("data", {}))
    sets = {name: _table(file, f"data.{name}", values) for name, values in data.items()}
    for name, values in sets.items():
        for key, value in values.items():
            if key not in PLACES:
                raise _refused(str(file), f"data.{name}.{key}")
            _checked_place(file, f"data.{name}.{key}", value)
    store = raw.get("runs", "")
    _checked_place(file, "runs", store)
    return Config(file, os.path.expanduser(store), sets)


def completed(told: Mapping[str, Mapping[str, Any]], datasets: Iterable[str], known: Config) -> dict[str, Any]:
    """The data settings of a grid with the user's places under them.

    They belong to the copy at the user's root: a grid that names a root of its own gets none of them for that set, and
    without a root of the user's there is nothing to which they could belong.
    """
    found = {name: dict(values) for name, values in told.items()}
    for name in datasets:
        own, places = found.get(name, {}), known.data.get(name, {})
        found[name] = {**places, **own} if places.get("root") and "root" not in own else own
    return found


def origin(dataset: str, told: Mapping[str, Mapping[str, Any]], changed: Iterable[str], known: Config) -> str:
    """Where the root of a data set comes from: `--set`, `grid file`, the user file's path, or nowhere (empty)."""
    if f"data.{dataset}.root" in changed:
        return OVERRIDE
    if "root" in told.get(dataset, {}):
        return GRID_FILE
    return str(known.file) if known.data.get(dataset, {}).get("root") else NOWHERE


# ── changing it ─────────────────────────────────────────────────────────────────────────────────────────────


def put(key: str, value: str) -> str:
    """Sets `runs` or `data.NAME.root` (or another place) in the user file; returns the value as it was written."""
    value = _located(key, value)
    _write(key, value)
    return value


def drop(key: str) -> None:
    """Takes a setting out of the user file again."""
    _check_key(key)
    known = load()
    dataset, _, name = key.removeprefix("data.").partition(".")
    if not (known.runs if key == "runs" else known.data.get(dataset, {}).get(name)):
        there = [*(["runs"] if known.runs else []), *(f"data.{s}.{n}" for s, v in known.data.items() for n in v)]
        mend = nearest(key, there) if there else f"nothing is; `harness config set {key} PLACE` does so"
        raise BadInput(key, f"is not set in {known.file}", mend)
    _write(key, None)


def edited(text: str, key: str, value: str | None) -> str:
    """The text of a user file with a setting added, replaced or (None) taken out; all other lines stay as they are."""
    table, _, name = key.rpartition(".")
    lines = text.splitlines()
    start, end = _extent(lines, table)
    here = next((at for at in range(start, end) if re.match(rf"\s*{re.escape(name)}\s*=", lines[at])), None)
    line = [] if value is None else [f"{name} = {json.dumps(value, ensure_ascii=False)}"]
    if here is not None:
        comment = re.fullmatch(r"""[^"'#]*("[^"]*"|'[^']*')\s*(#.*)?""", lines[here])
        kept = f"  {comment[2]}" if comment and comment[2] else ""
        lines[here : here + 1] = [each + kept for each in line]
        if table and not any(each.strip() for each in lines[start : end - 1 + len(line)]):
            del lines[start - 1 : end - 1]  # nothing is left below this head
    elif start or not table:
        lines[start:start] = [*line, *([""] if line and lines and not table else [])]
    elif line:
        lines += [*([""] if lines else []), f"[{table}]", *line]
    return "\n".join(lines).strip("\n") + "\n"


def _extent(lines: list[str], table: str) -> tuple[int, int]:
    """The lines of a table, without its head; (0, 0) where there is no such table."""
    heads = [at for at, line in enumerate(lines) if re.match(r"\s*\[", line)]
    if not table:
        return 0, min([*heads, len(lines)])
    for at in heads:
        if re.fullmatch(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(#.*)?", lines[at]):
            return at + 1, min([*(head for head in heads if head > at), len(lines)])
    return 0, 0


def _write(key: str, value: str | None) -> None:
    """Edits the file line by line, so that comments stay, and proves that it then says what it should."""
    file, before = path(), _text(path())
    wanted = _as_dict(checked(file, before))
    wanted.pop(key, None)
    text = edited(before, key, value)
    try:
        said = _as_dict(checked(file, text))
    except BadInput:
        said = {}
    if said != (wanted if value is None else {**wanted, key: value}):
        mend = f"take {key} out by hand" if value is None else f"write {key} = {json.dumps(value)} into it by hand"
        raise BadInput(str(file), "is written in a way that can't be edited here", mend)
    write_bytes(file.resolve(), text.encode())  # a link into a folder of settings stays one


def _as_dict(known: Config) -> dict[str, str]:
    found = {f"data.{name}.{key}": value for name, values in known.data.items() for key, value in values.items()}
    return {**found, **({"runs": known.runs} if known.runs else {})}


def _located(key: str, value: str) -> str:
    """A place as the file keeps it: absolute, since the file is read from any folder.

    Raises `BadInput` for a place that is not there, but for the store, which need not be, and for adapters that find
    their data by other names than folders'.
    """
    _check_key(key)
    if not value.isprintable() or not value:
        raise BadInput(key, f"{value!r} is no place", "give a path; `harness config unset` takes a setting out")
    place = Path(os.path.expanduser(value))
    if key == "runs" or place.exists():
        return os.path.abspath(place)
    if _has_own_names(key):
        return value
    raise BadInput(key, f"{place} is not there", "give the path of what is there on this machine")


def _check_key(key: str) -> None:
    group, _, rest = key.partition(".")
    dataset, _, name = rest.partition(".")
    if key == "runs":
        return
    if group != "data" or not name:
        raise _refused("harness config", key)
    fields = plugins.get("datasets", dataset).Settings.__dataclass_fields__  # raises for a set that there is not
    if name not in fields:
        raise BadInput(key, f"{dataset} has no such setting", nearest(name, fields))
    if name not in PLACES:
        raise _refused("harness config", key)


def _refused(where: str, key: str) -> BadInput:
    group, _, rest = key.partition(".")
    numbers = {*protocol.GROUPS, "sentinels", "design", "factors", *plugins.names("methods")}
    if group in numbers or (group == "data" and rest.count(".") == 1):
        mend = "write it in the grid file, or give --set: a grid must mean the same on every machine"
        return BadInput(f"{where}: {key}", "is no place, and could change numbers", mend)
    return BadInput(f"{where}: {key}", "no such setting of a machine", f"known: runs, data.NAME.{'|'.join(PLACES)}")


def _table(file: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{file}: {key}", f"{value!r} is not a table", f"write a section [{key}]")
    return value


def _checked_place(file: Path, key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise BadInput(f"{file}: {key}", f"{value!r} is not a path", "write it in quotes")
    if value and not os.path.isabs(os.path.expanduser(value)) and not _has_own_names(key):
        what = f"{value!r} would be another place in each folder that harness is called from"
        raise BadInput(f"{file}: {key}", what, "write the whole path")


def _has_own_names(key: str) -> bool:
    """Whether it is the root of a data set that is found by other names than folders'; one not loaded may be."""
    group, _, rest = key.partition(".")
    dataset, _, name = rest.rpartition(".")
    if group != "data" or name != "root":
        return False
    return (
        dataset not in plugins.names("datasets")
        or plugins.get("datasets", dataset).locate.__func__ is not plugins.base_class("datasets").locate.__func__
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise BadInput(str(file), f"can't be read: {error}", "check the file and its rights") from error
