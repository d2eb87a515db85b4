"""`harness config`: the user file, what of it and of the environment is in effect, and how to change it."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from harness import config
from harness.commands import Add
from harness.commands.arguments import plugin
from harness.commands.examples import teach


def declare(add: Add) -> None:
    parser = add("config", show, "where data sets and runs lie on this machine")
    parser.add_argument("--json", action="store_true", help="for programs")
    kinds = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, function, help in (("set", put, "write a setting"), ("unset", drop, "take one out again")):
        kind = kinds.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]} (of the user file).")
        kind.set_defaults(command=function)
        kind.add_argument("key", metavar="KEY", help=f"runs, or data.NAME.{'|'.join(config.PLACES)}")
        if function is put:
            kind.add_argument("value", metavar="PLACE", help="a folder or file")
        plugin(kind)
        teach(kind)


def show(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import plugins

    rows = _in_effect()
    if arguments.json:
        file = config.path()
        print(json.dumps({"file": str(file), "there": file.exists(), "in_effect": rows}, indent=2))
        return 0
    from tabulate import tabulate

    from harness.catalogue import has_miniature

    print(f"{config.path()}{'' if config.path().exists() else ' (not there: `harness config set` makes it)'}\n")
    print(tabulate([list(row.values()) for row in rows], ["setting", "in effect", "from"], disable_numparse=True))
    rootless = [name for name in plugins.names("datasets") if not config.load().data.get(name, {}).get("root")]
    small = [name for name in rootless if has_miniature(plugins.get("datasets", name))]
    others = [name for name in rootless if name not in small]
    print("\nwithout a root here, so read from where a grid says;")
    print(f"  else rendered as a miniature: {', '.join(small) or 'none'}")
    print(f"  else refused, since there is no miniature: {', '.join(others) or 'none'}")
    return 0


def put(arguments: argparse.Namespace, argv: list[str]) -> int:
    value = config.put(arguments.key, arguments.value)
    print(f"{arguments.key} = {value} in {config.path()}")
    dataset = "" if arguments.key == "runs" else arguments.key.split(".")[1]
    if dataset and not config.load().data[dataset].get("root"):
        print(f"without effect until data.{dataset}.root is set, to whose copy it belongs")
    return 0


def drop(arguments: argparse.Namespace, argv: list[str]) -> int:
    config.drop(arguments.key)
    print(f"{arguments.key} is no longer set in {config.path()}")
    return 0


def _in_effect() -> list[dict[str, Any]]:
    """Settings of the machine, their values, and where these come from."""
    from harness import variables

    known, set_now = config.load(), variables.in_effect()
    found = [("runs", config.runs(), str(known.file) if known.runs else "default")]
    for name, places in known.data.items():
        source = str(known.file) if places.get("root") else f"{known.file}, without effect: data.{name}.root is not set"
        found += [(f"data.{name}.{key}", places[key], source) for key in config.PLACES if key in places]
    cache, hub = ("HARNESS_CACHE", "XDG_CACHE_HOME"), ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
    for key, place, names in (("cache", variables.cache_folder(), cache), ("hub", variables.hub_folder(), hub)):
        found.append((key, str(place), next((name for name in names if os.environ.get(name)), "default")))
    found += [(name, value, "environment") for name, value in set_now.items()]
    return [{"setting": key, "value": value, "from": origin} for key, value, origin in found]
