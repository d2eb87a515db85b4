"""What `--set key=value` changes of a grid: settings on top of the file's, each of which some run must feel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness import plugins
from harness.errors import BadInput, nearest
from harness.grid.grammar import Method
from harness.settings import Word, literal, parse


def override(words: Sequence[str], sections: dict, named: dict, components: dict) -> dict[str, Any]:
    """Applies `--set key=value` in place and returns what was set."""
    changed: dict[str, Any] = {}
    for text in words:
        key, equals, value = text.partition("=")
        parts = key.strip().split(".")
        if not equals or len(parts) < 2:
            raise BadInput(f"--set {text}", "can't be read", "write it like --set train.epochs=5")
        if parts[0] in named and len(parts) == 3:
            place = named[parts[0]].setdefault(parts[1], {})
        elif parts[0] in sections and len(parts) == 2:
            place = sections[parts[0]]
        elif parts[0] in plugins.names("methods") and len(parts) == 2:
            place = components.setdefault(parts[0], {})
        else:
            known = [*sections, "data.NAME", "sentinels.NAME", *plugins.names("methods")]
            raise BadInput(f"--set {key}", "no such group of settings", nearest(parts[0], known))
        place[parts[-1]] = Word(value.strip())
        changed[key.strip()] = literal(value.strip())
    return changed


def check_felt(
    changed: Mapping[str, Any], datasets: Sequence[str], methods: Sequence[Method], defaults: Mapping[str, Any]
) -> None:
    """A `--set` that no method would ever feel is refused: nothing that a user sets may be lost in silence."""
    for key in changed:
        component, _, setting = key.partition(".")
        dataset = setting.partition(".")[0]
        if component == "data" and dataset in plugins.names("datasets") and dataset not in datasets:
            raise BadInput(f"--set {key}", f"{dataset} is not in this grid", nearest(dataset, datasets))
        if component not in defaults:
            continue
        cls = plugins.get("methods", component)
        wanted = getattr(parse(cls.Settings, defaults[component], component), setting)
        found = [dict(method.components).get(component) for method in methods]
        if not any(found):
            raise BadInput(f"--set {key}", f"no method here has {component}", "add it to a method, or drop --set")
        if not any(settings and getattr(settings, setting) == wanted for settings in found):
            raise BadInput(f"--set {key}", "every method here gives its own value", "change it in the method string")


def renamed(name: str, changed: Mapping[str, Any], tiny: bool) -> str:
    """Runs with other settings are another grid: they never overwrite the leaderboard of the file's own."""
    unfelt = ("data", "sentinels", "slurm")  # where the data lies, who watches, and where it is trained
    felt = {key: value for key, value in sorted(changed.items()) if key.partition(".")[0] not in unfelt}
    suffix = "-" + hashlib.sha256(repr(felt).encode()).hexdigest()[:4] if felt else ""
    return name + suffix + ("-tiny" if tiny else "")
