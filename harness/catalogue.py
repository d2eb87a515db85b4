"""What there is to choose from: data sets, components, sentinels, models and settings, with defaults and papers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from tabulate import tabulate

from harness import config, plugins, protocol
from harness.errors import BadInput, nearest
from harness.grid import design, presets
from harness.model import architectures, pretrained
from harness.settings import describe, spell
from harness.slurm import Slurm
from harness.words import plural

_PAGE = 106  # columns of a line of text


def rows(what: str, word: str = "") -> list[dict[str, Any]]:
    """One row a plugin, model or setting, as `harness list WHAT --json` prints them; only those that `word` is in.

    Raises `BadInput` where it is in none.
    """
    found = {"models": _models, "settings": settings}.get(what, lambda: _plugins(what))()
    kept = [row for row in found if word.casefold() in _sought(row).casefold()]
    if not kept:
        raise BadInput(word, f"is in no name of `harness list {what}`", nearest(word, [row["name"] for row in found]))
    return kept


def text(what: str, rows: Sequence[dict[str, Any]], word: str = "") -> str:
    """The same for people."""
    if what == "models":
        return _models_text(rows, word)
    if what == "settings":
        return _settings_text(rows)
    return "\n\n".join(_entry(row) for row in rows)


def settings() -> list[dict[str, Any]]:
    """Every setting of a grid file, in the order of its sections: what data sets or sentinels have in common, once.

    `name` is what `--set` takes (but for the design's, which only a grid file says), with NAME for any of `of`.
    """
    sections: dict[str, type] = {**protocol.GROUPS, "design": design.Design, "slurm": Slurm}
    found = [_setting(row, section) for section, cls in sections.items() for row in describe(cls)]
    for group, kind in (("data", "datasets"), ("sentinels", "sentinels")):
        found += _common(group, kind)
    for name in plugins.names("methods"):
        found += [_setting(row, name) for row in describe(plugins.get("methods", name).Settings)]
    return found


def _setting(row: dict[str, Any], section: str, of: Sequence[str] = ()) -> dict[str, Any]:
    return {**row, "name": f"{section}.{row['name']}", "of": list(of)}


def _common(group: str, kind: str) -> Iterator[dict[str, Any]]:
    """The settings of all plugins of a kind; those that several have in just the same way are one row."""
    owners: dict[str, tuple[dict[str, Any], list[str]]] = {}
    names = plugins.names(kind)
    for name in names:
        for row in describe(plugins.get(kind, name).Settings):
            owners.setdefault(repr(row), (row, []))[1].append(name)
    for row, of in sorted(owners.values(), key=lambda owned: -len(owned[1])):
        yield _setting(row, f"{group}.{of[0] if len(of) == 1 else 'NAME'}", of)


def _sought(row: dict[str, Any]) -> str:
    """What of a row a word is looked for in."""
    return " ".join([row["name"], row.get("title", ""), *row.get("of", ())])


def _plugins(what: str) -> list[dict[str, Any]]:
    found = [_row(what, plugins.get(what, name)) for name in plugins.names(what)]
    return found + ([_preset(presets.get(name)) for name in presets.names()] if what == "methods" else [])


def _row(what: str, cls: Any) -> dict[str, Any]:
    summary = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    row = {"name": cls.name, "summary": summary, "settings": describe(cls.Settings)}
    if what == "sentinels":
        return row | {"severity": cls.severity, "watches": cls.watches, "reason": cls.reason}
    row["paper"] = cls.paper
    if what == "datasets":
        row |= {"title": cls.title, "classes": list(cls.classes), "official": cls.official, "metric": cls.metric}
        own = config.load()
        root = own.data.get(cls.name, {}).get("root", "")
        row |= {"root": root, "root_from": config.origin(cls.name, {}, (), own), "miniature": has_miniature(cls)}
    else:
        row |= {"requires": dict(cls.requires), "excludes": dict(cls.excludes)}
    return row


def has_miniature(cls: Any) -> bool:
    """Whether a data set without a root is a rendered one."""
    from harness.miniature.filming import FOLDERS  # with it come libraries of video

    return cls.folder in FOLDERS.values()


def _preset(preset: presets.Preset) -> dict[str, Any]:
    """A preset stands in the list of methods as what it is: a method string and settings of the run."""
    row = {"name": preset.name, "summary": preset.note, "paper": preset.paper, "settings": []}
    return row | {"preset": preset.method, "sections": preset.sections}


def _models() -> list[dict[str, Any]]:
    shapes = {name: architectures.shape(name) for name in architectures.names()}
    return [
        {
            "name": name,
            "pictures": shape.size,
            "features": shape.width,
            "weights": ["embedded"] if name == "tiny" else [offer.tag for offer in pretrained.offers(name)],
            "settings": [],
        }
        for name, shape in shapes.items()
    ]


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────


def _models_text(rows: Sequence[dict[str, Any]], word: str) -> str:
    """A table; without a word to look for it is long, and says only how many weights each model has."""
    cells = [
        [
            row["name"],
            f"{row['pictures']} px",
            row["features"],
            ", ".join(row["weights"]) if word else str(len(row["weights"]) or "none"),
        ]
        for row in rows
    ]
    heads = ["model.name", "pictures", "features", "model.pretrained" if word else "weights"]
    table = tabulate(cells, heads, disable_numparse=True, maxcolwidths=[None, None, None, 50])
    more = "" if word else "; `harness list models WORD` names the weights of those that WORD is in"
    lines = textwrap.wrap(f"{plural(len(rows), 'model')}. model.pretrained also takes a weights file{more}", _PAGE)
    return "\n".join([table, "", *lines])


def _settings_text(rows: Sequence[dict[str, Any]]) -> str:
    width = max(len(row["name"]) for row in rows)
    lines = []
    for row in rows:
        facts = ", ".join(filter(None, (row["unit"], row["range"])))
        owners = f" [of {', '.join(row['of'])}]" if len(row["of"]) > 1 else ""
        told = f"{_default(row):<11} {row['help']}{f' ({facts})' if facts else ''}{owners}"
        head = f"{row['name']:<{width}} = "
        lines += textwrap.wrap(head + told, _PAGE, subsequent_indent=" " * (len(head) + 12), break_on_hyphens=False)
    return "\n".join(lines)


def _entry(row: dict[str, Any]) -> str:
    lines = [row["name"] + (f": {row['title']}" if "title" in row else "")]
    lines += textwrap.wrap(row["summary"], _PAGE, initial_indent="  ", subsequent_indent="  ")
    for fact in ("paper", "severity", "watches", "reason"):
        if row.get(fact):
            lines += textwrap.wrap(f"{fact}: {row[fact]}", _PAGE, initial_indent="  ", subsequent_indent="    ")
    if "classes" in row:
        sizes = ", ".join(f"{split} {size}" for split, size in row["official"].items())
        classes = ", ".join(row["classes"]) or "as the copy says"
        lines.append(f"  classes: {classes}; official clips: {sizes or 'unknown'}")
        without = (
            "none is set, so it is the rendered miniature" if row["miniature"] else "none is set, and it needs one"
        )
        lines.append("  root: " + (f"{row['root']} (from {row['root_from']})" if row["root"] else without))
    for verb in ("requires", "excludes"):
        lines += [f"  {verb} {name}: {why}" for name, why in row.get(verb, {}).items()]
    if "preset" in row:
        lines.append(f"  preset: {row['preset']}")
        chosen = [f"{group}.{key}={spell(v)}" for group, values in row["sections"].items() for key, v in values.items()]
        lines += textwrap.wrap("settings: " + " ".join(chosen), _PAGE, initial_indent="  ", subsequent_indent="    ")
    names = max((len(setting["name"]) for setting in row["settings"]), default=0)
    for setting in row["settings"]:
        facts = ", ".join(filter(None, (setting["unit"], setting["range"])))
        lines.append(
            f"    {setting['name']:<{names}} = {_default(setting):<11} {setting['help']}"
            + (f" ({facts})" if facts else "")
        )
    return "\n".join(lines)


def _default(setting: dict[str, Any]) -> str:
    """As it would be written, but for a list of nothing: `|` says little."""
    return "(empty)" if setting["default"] == () else spell(setting["default"])
