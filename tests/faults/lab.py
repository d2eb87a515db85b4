"""The real command in a process of its own, with a fault planted inside or done to it, and runs compared bit by bit.

Processes are forked from a server that has imported everything, so that one costs a second and not ten; what is
planted is called in the new process before the command is.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet

from harness import cli, miniature
from harness.grid import TINY
from harness.variables import cache_folder

HOME = Path(__file__).parents[2]
COMPONENTS = Path(__file__).with_name("components.py")
STEPS, EPOCHS = 4, 3  # of a small run: 28 clips in batches of 8
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["harness.cli", "harness.schedule.placement", "harness.leaderboard", "open_clip", "pyarrow.parquet"]
)

Plant = Callable[[], Any]


@dataclass
class Ended:
    """How a command ended (minus a signal's number, where one killed it) and all that it said."""

    code: int | None
    said: str


class Started:
    """A command under way."""

    def __init__(self, words: tuple[str, ...], plant: Plant | None, environment: Mapping[str, str]) -> None:
        handle, log = tempfile.mkstemp(dir=os.environ["HARNESS_CACHE"], prefix="said-")
        os.close(handle)
        self.log = Path(log)
        told = {**os.environ, **environment}
        self.process = SERVER.Process(target=_enter, args=(words, plant, log, told))
        self.process.start()
        self.pid = self.process.pid or 0

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, seconds: float = 240) -> Ended:
        """Raises `TimeoutError`, with all that it said, when it does not end."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(self.said())
        return Ended(self.process.exitcode, self.said())


def _enter(words: tuple[str, ...], plant: Plant | None, log: str, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    if plant is not None:
        plant()
    sys.exit(cli.main(words))


def start(*words: object, plant: Plant | None = None, **environment: str) -> Started:
    return Started(tuple(map(str, words)), plant, environment)


def together(*words: object, plants: Sequence[Plant | None]) -> list[Ended]:
    """Runs a command in as many processes as there are plants, which train each run together, and waits for all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    told |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(len(plants)))
    started = []
    for number, plant in enumerate(plants):
        rank = dict.fromkeys(("RANK", "LOCAL_RANK"), str(number))
        started.append(start(*words, "--placement", "data", plant=plant, **told, **rank))
    return [command.wait() for command in started]


def harness(*words: object, plant: Plant | None = None, **environment: str) -> Ended:
    """Runs a command to its end."""
    return start(*words, plant=plant, **environment).wait()


def small(folder: Path, *words: object, methods: str = "prompt+lsr", runs: Path | None = None) -> tuple[object, ...]:
    """The words of a small run: twelve steps, saved after each of them."""
    selected = ("run", "--datasets", "caer", "--methods", methods, "--tiny", "--set", f"train.epochs={EPOCHS}")
    places = ("--runs", runs or folder / "runs", "--out", folder / "out", "--plugin", COMPONENTS)
    return (*selected, *places, "--workers", "1", "--save-every", "0", *words)


# ── what is stored ──────────────────────────────────────────────────────────────────────────────────────────

NOT_THE_RUN = ("duration_s", "resumed", "unsaved", "retried")  # how it was trained, not what


def stored(runs: Path) -> dict[str, dict[str, Any]]:
    """What each run's folder says of its numbers, to the last bit, by run id."""
    return {result.parent.name: _numbers(result.parent) for result in sorted(runs.glob("*/*/result.json"))}


def _numbers(folder: Path) -> dict[str, Any]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    result = json.loads((folder / "result.json").read_text())
    for note in result.get("counts", {}).get("notes", ()):
        del note["where"]  # a path
    return {
        "history": [_without(json.loads(line)) for line in lines],
        "result": _without(result),
        "alarms": (folder / "alarms.jsonl").read_text(),
        "predictions": pyarrow.parquet.read_table(folder / "predictions.parquet").to_pydict(),
    }


def _without(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in NOT_THE_RUN}


def result_of(runs: Path) -> dict[str, Any]:
    """The result of a store's only run."""
    (path,) = runs.glob("*/*/result.json")
    return json.loads(path.read_text())


def folder_of(runs: Path) -> Path:
    """The folder of a store's only run, finished or not."""
    (path,) = {path.parent for path in runs.glob("[!.]*/[!.]*/*")}
    return path


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def copy_of(folder: Path) -> Path:
    """A copy of the data set, below a folder, that a test may damage."""
    rendered = miniature.ensure(cache_folder() / "miniatures", limit=TINY["train"]["limit"])
    shutil.copytree(rendered / "CAER", folder / "CAER")
    return folder / "CAER"


def truncated(file: Path, size: int | None = None) -> Path:
    """Cuts a file, at a random place unless told."""
    os.truncate(file, random.randrange(file.stat().st_size or 1) if size is None else size)
    return file


# ── a place of its own ──────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def mounted(place: Path, options: str) -> Iterator[bool]:
    """A small file system in memory at `place`; False, and nothing is there, where this user may mount none."""
    place.mkdir(exist_ok=True)
    could = os.system(f"mount -t tmpfs -o {options} tmpfs '{place}' 2>/dev/null") == 0
    try:
        yield could
    finally:
        if could:
            os.system(f"umount --lazy '{place}'")
