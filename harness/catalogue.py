"""What there is to choose from: data sets, components, sentinels and models, with settings, defaults and papers."""

from __future__ import annotations

import textwrap
from typing import Any

from harness import architectures, plugins, presets
from harness.settings import describe, spell


def rows(what: str) -> list[dict[str, Any]]:
    """One row a plugin or model, as `harness list WHAT --json` prints them."""
    if what == "models":
        return [{"name": name, "settings": []} for name in architectures.names()]
    found = [_row(what, plugins.get(what, name)) for name in plugins.names(what)]
    return found + ([_preset(presets.get(name)) for name in presets.names()] if what == "methods" else [])


def text(what: str, rows: list[dict[str, Any]]) -> str:
    """The same for people."""
    if what == "models":
        names = textwrap.fill(", ".join(row["name"] for row in rows), 110)
        return f"{names}\n\nmodel.name takes any of these; model.pretrained an open_clip tag or a weights file"
    return "\n\n".join(_entry(row) for row in rows)


def _row(what: str, cls: Any) -> dict[str, Any]:
    summary = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    row = {"name": cls.name, "summary": summary, "settings": describe(cls.Settings)}
    if what == "sentinels":
        return row | {"severity": cls.severity, "watches": cls.watches, "reason": cls.reason}
    row["paper"] = cls.paper
    if what == "datasets":
        row |= {"title": cls.title, "classes": list(cls.classes), "official": cls.official, "metric": cls.metric}
    else:
        row |= {"requires": dict(cls.requires), "excludes": dict(cls.excludes)}
    return row


def _preset(preset: presets.Preset) -> dict[str, Any]:
    """A preset stands in the list of methods as what it is: a method string and settings of the run."""
    row = {"name": preset.name, "summary": preset.note, "paper": preset.paper, "settings": []}
    return row | {"preset": preset.method, "sections": preset.sections}


def _entry(row: dict[str, Any]) -> str:
    lines = [row["name"] + (f": {row['title']}" if "title" in row else "")]
    lines += textwrap.wrap(row["summary"], 106, initial_indent="  ", subsequent_indent="  ")
    for fact in ("paper", "severity", "watches", "reason"):
        if row.get(fact):
            lines += textwrap.wrap(f"{fact}: {row[fact]}", 106, initial_indent="  ", subsequent_indent="    ")
    if "classes" in row:
        sizes = ", ".join(f"{split} {size}" for split, size in row["official"].items())
        classes = ", ".join(row["classes"]) or "as the copy says"
        lines.append(f"  classes: {classes}; official clips: {sizes or 'unknown'}")
    for verb in ("requires", "excludes"):
        lines += [f"  {verb} {name}: {why}" for name, why in row.get(verb, {}).items()]
    if "preset" in row:
        lines.append(f"  preset: {row['preset']}")
        chosen = [f"{group}.{key}={spell(v)}" for group, values in row["sections"].items() for key, v in values.items()]
        lines += textwrap.wrap("settings: " + " ".join(chosen), 106, initial_indent="  ", subsequent_indent="    ")
    names = max((len(setting["name"]) for setting in row["settings"]), default=0)
    for setting in row["settings"]:
        facts = ", ".join(filter(None, (setting["unit"], setting["range"])))
        default = spell(setting["default"])
        lines.append(
            f"    {setting['name']:<{names}} = {default:<11} {setting['help']}" + (f" ({facts})" if facts else "")
        )
    return "\n".join(lines)
