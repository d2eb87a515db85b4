"""Arguments that several commands take: what to train, the store, plugins from outside; and the grid that they name."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from harness import shipped
from harness.errors import BadInput

if TYPE_CHECKING:
    from harness.store import Store


def selectors(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to train")
    group.add_argument(
        "--grid", nargs="?", const=shipped.GRID, metavar="FILE", help="a grid file; alone: grids/default.toml"
    )
    group.add_argument("--datasets", default="", metavar="A,B", help="data sets; with --grid: only these of its")
    group.add_argument("--methods", default="", metavar='"X+Y,Z"', help="methods; with --grid: only these of its")
    group.add_argument("--seeds", default="", metavar="0,1", help="seeds; with --grid: only these of its")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting for all runs: train.epochs=5, ldl.temperature=0.1, …",
    )
    group.add_argument("--tiny", action="store_true", help="smoke test: one seed, one short epoch, a few clips a class")
    runs(parser)
    plugin(parser)


def training(parser: argparse.ArgumentParser) -> None:
    """What to train, and how."""
    selectors(parser)
    placements = ("auto", "pair", "data")
    parser.add_argument(
        "--placement",
        choices=placements,
        default="auto",
        help="pair: a process trains its own runs; data: all train one run (default auto)",
    )
    parser.add_argument(
        "--workers",
        default="auto",
        type=_worker_count,
        metavar="N|auto",
        help="processes that claim runs, per launched process (default auto)",
    )
    parser.add_argument(
        "--on-alarm",
        choices=("warn", "stop"),
        default="warn",
        help="when a sentinel finds an error: go on and mark the run, or end it (default warn)",
    )
    parser.add_argument(
        "--save-every",
        default=60.0,
        type=_seconds,
        metavar="SECONDS",
        help="between two checkpoints; more where saving takes over 5 %% of the time (default 60; 0: after each step)",
    )
    parser.add_argument(
        "--save-model",
        action="store_true",
        help="keep each run's trained weights; a run done without them is trained again for them, its result stays",
    )
    parser.add_argument(
        "--track",
        default="",
        type=words,
        metavar="A,B",
        help="tell each run's epochs to tensorboard, wandb, trackio, mlflow (default: to none)",
    )
    parser.add_argument("--out", metavar="DIR", help="leaderboard folder (default leaderboards/<grid name>)")


def runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="DIR", help="the run store (default: the user file's, else runs/)")


def stores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        action="append",
        dest="stores",
        metavar="DIR",
        default=[],
        help="a run store; given several times, the runs of all: of several machines that shared a grid",
    )


def stores_of(arguments: argparse.Namespace) -> list[Store]:
    """The stores that are named, each once; else the one that commands use unless told."""
    from harness import config
    from harness.store import Store

    return [Store(place) for place in dict.fromkeys(arguments.stores or [config.runs()])]


def plugin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE.py", help="load plugins of your own")


def grid_of(arguments: argparse.Namespace) -> Any:
    """The grid that the selectors name: a file's, some of its runs, or one made of the selectors alone."""
    from harness import grid

    datasets, methods, seeds = words(arguments.datasets), methods_in(arguments.methods), words(arguments.seeds)
    if not all(re.fullmatch("[0-9]{1,10}", seed) for seed in seeds):
        raise BadInput("--seeds", f"{arguments.seeds!r} is not a list of seeds", "write --seeds 0,1,2")
    numbers = [int(seed) for seed in seeds]
    if arguments.grid:
        return grid.load(arguments.grid, arguments.set, tiny=arguments.tiny).select(datasets, methods, numbers)
    if not (datasets or methods):
        raise BadInput("harness", "nothing selected", "give --grid, or --datasets and --methods")
    if not (datasets and methods):
        lacking, example = ("--methods", "prompt,prompt+ldl") if datasets else ("--datasets", "caer")
        raise BadInput(lacking, "is missing", f"add {lacking} {example}, or name a grid file with --grid")
    raw = {"datasets": datasets, "methods": methods, "seeds": numbers or [0]}
    name = "selection-" + hashlib.sha256(json.dumps(raw).encode()).hexdigest()[:6]
    return grid.build(name, raw, arguments.set, tiny=arguments.tiny)


def command_line(arguments: argparse.Namespace) -> str:
    """The command that trains the whole grid (not only the runs selected now), for its leaderboard."""
    from harness import config

    words = ["harness", "run", *(word for file in arguments.plugin for word in ("--plugin", file))]
    if arguments.grid:
        words += ["--grid", arguments.grid]
    else:
        for name in ("datasets", "methods", "seeds"):
            words += [f"--{name}", getattr(arguments, name)] if getattr(arguments, name) else []
    words += [word for setting in arguments.set for word in ("--set", setting)]
    words += ["--until", arguments.until] if getattr(arguments, "until", "") else []
    words += ["--tiny"] * arguments.tiny + ([] if arguments.runs == config.runs() else ["--runs", arguments.runs])
    return shlex.join(words + (["--out", arguments.out] if getattr(arguments, "out", None) else []))


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def methods_in(text: str) -> list[str]:
    """Splits at the commas between methods, not at those between a component's settings."""
    found, depth, start = [], 0, 0
    for position, sign in enumerate(text + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            found.append(text[start:position].strip())
            start = position + 1
    found.append(text[start:].strip())  # what an unclosed bracket swallowed: the grammar will complain
    return [word for word in found if word]


def _worker_count(text: str) -> str:
    if text != "auto" and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 nor auto")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return float(text)
