"""Small runs under fire: killed, told to stop, suspended, cut off by power cuts, and in the end compared bit by bit.

    python benchmarks/soak.py [--minutes 5] [--seed 0] [--json]

`harness run --workers 2` trains ten small runs once in peace. Then, until the time is up, the same command is started
again and again on another store while lead and workers get SIGKILL, SIGTERM, or SIGSTOP and later SIGCONT at random
moments; a power cut kills all of them and cuts files of unfinished runs at random places. A store that is complete
begins anew. At the end the command runs through. Every run must equal, to the last bit, the one that trained in peace,
and so must the tables of the leaderboard; no command may end with another code than those it documents, or take longer
than a minute to leave.

Exit code 1 if anything differs. A disturbance takes about ten seconds, most of which is the start of the next command.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from faults.lab import HOME, stored

METHODS = "prompt,prompt+lsr,prompt+ldl,prompt+mixup,prompt+moco(queue=16)"
WORDS = ["run", "--datasets", "caer", "--methods", METHODS, "--seeds", "0,1", "--tiny", "--workers", "2"]
WORDS += ["--set", "train.epochs=40", "--save-every", "0.2"]
EXITS = (0, 1, 3, -signal.SIGKILL)  # 1: a run whose processes died twice is told as failed, and tried again later
TABLES = ("results.csv", "ablation.csv", "ablation.tex")
LEAVING = 60.0  # seconds that a command may take to leave when it is told to
TRIES = 3  # calls in the end: the first may be one that was told to stop or lost its files
TRAINING = 0.8  # the share of disturbances that wait until something trains; others come in the middle of anything
CALM = (0.0, 8.0)  # seconds before the next disturbance


class Soak:
    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance = folder, chance
        self.peace: dict[str, Any] = {}
        self.tables: dict[str, bytes] = {}
        self.acts, self.exits = Counter[str](), Counter[str]()
        self.wrong: list[str] = []
        self.compared = self.rounds = 0
        self.deaf = 0  # how a command ends that was told to stop before it could listen

    @property
    def runs(self) -> Path:
        return self.folder / f"disturbed-{self.rounds}"

    def in_peace(self) -> None:
        command = self.command(self.folder / "peace")
        assert command.wait() == 0, self.said()
        self.peace, self.tables = stored(self.folder / "peace"), self.leaderboard()

    def for_minutes(self, minutes: float) -> None:
        deadline = time.monotonic() + 60 * minutes
        command = self.command(self.runs)
        while time.monotonic() < deadline:
            if self.chance.random() < TRAINING:
                wait(lambda command=command: command.poll() is not None or any(self.runs.glob("*/*/lease.json")))
            calm_until = time.monotonic() + self.chance.uniform(*CALM)
            wait(lambda command=command, until=calm_until: command.poll() is not None or time.monotonic() > until)
            if command.poll() is None:
                self.disturb(command)
            if (code := command.poll()) is not None:
                self.ended(code)
                command = self.command(self.runs)
        for _ in range(TRIES):
            self.ended(code := command.wait())
            if code == 0:
                return
            command = self.command(self.runs)
        command.kill()
        self.wrong.append(f"did not run through in {TRIES} undisturbed calls")

    def command(self, runs: Path) -> subprocess.Popen:
        words = [sys.executable, "-m", "harness", *WORDS, "--runs", str(runs), "--out", str(self.folder / "out")]
        with (self.folder / "said").open("a") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, cwd=HOME)

    def leaderboard(self) -> dict[str, bytes]:
        """Its tables; the pages also tell how long runs took and how often they were cut off."""
        return {name: (self.folder / "out" / name).read_bytes() for name in TABLES}

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")[-3000:]

    # ── disturbances ────────────────────────────────────────────────────────────────────────────────────────

    def disturb(self, command: subprocess.Popen) -> None:
        workers = children(command.pid)
        acts = {
            "lead killed": lambda: self.kill(command),
            "lead told to stop": lambda: self.tell(command),
            "power cut": lambda: self.power_cut(command),
            "lead suspended": lambda: self.suspend(command.pid),
        }
        if workers:
            acts["worker killed"] = lambda: tell(self.chance.choice(workers), signal.SIGKILL)
            acts["worker told to stop"] = lambda: tell(self.chance.choice(workers), signal.SIGTERM)
            acts["worker suspended"] = lambda: self.suspend(self.chance.choice(workers))
        name = self.chance.choice(sorted(acts))
        acts[name]()
        self.acts[name] += 1

    def kill(self, command: subprocess.Popen) -> None:
        """Its workers find out by themselves, while the next command begins."""
        command.kill()
        command.wait()

    def tell(self, command: subprocess.Popen) -> None:
        number = self.chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGUSR1))
        if not listens(command.pid):  # Python itself is being loaded, or cleans up: a signal ends it, as any process
            self.deaf = -number
            self.acts["told before it listened"] += 1
        command.send_signal(number)
        try:
            command.wait(LEAVING)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"did not leave within {LEAVING:.0f} s")
            self.kill(command)

    def suspend(self, pid: int) -> None:
        tell(pid, signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.2, 4))
        tell(pid, signal.SIGCONT)

    def power_cut(self, command: subprocess.Popen) -> None:
        workers = children(command.pid)
        for pid in (command.pid, *workers):
            tell(pid, signal.SIGKILL)
        command.wait()
        while any(map(alive, workers)):
            time.sleep(0.01)
        for folder in self.runs.glob("*/[!.]*"):
            if folder.parent.name != "plans" and not (folder / "result.json").exists():
                for file in [path for path in folder.rglob("*") if path.is_file() and path.name != "lease.json"]:
                    if self.chance.random() < 0.5:
                        os.truncate(file, self.chance.randrange(file.stat().st_size + 1))
                        self.acts["file cut off"] += 1

    # ── what became of it ───────────────────────────────────────────────────────────────────────────────────

    def ended(self, code: int) -> None:
        self.exits[str(code)] += 1
        if code not in (*EXITS, self.deaf):
            self.wrong.append(f"exit code {code}: {self.said()}")
        self.deaf = 0
        if code == 0:
            self.compare()

    def compare(self) -> None:
        """Whether a store is the one of the peaceful runs; the next command begins another."""
        found = stored(self.runs)
        self.wrong += [f"{run_id} is missing" for run_id in self.peace.keys() - found.keys()]
        self.wrong += [
            f"{run_id} differs" for run_id in self.peace.keys() & found.keys() if found[run_id] != self.peace[run_id]
        ]
        self.wrong += ["the leaderboard differs"] if self.leaderboard() != self.tables else []
        self.compared += len(found)
        self.rounds += 1


def children(pid: int) -> list[int]:
    """Processes that a process started, as far as they are workers: they have its command."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(word) for word in found.read_text().split()]
    except OSError:
        return []


def listens(pid: int) -> bool:
    """Whether a process has the handlers of `harness.signals`, of which that for SIGALRM comes last."""
    try:
        caught = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    except (OSError, IndexError):
        return False
    return bool(int(caught, 16) >> (signal.SIGALRM - 1) & 1)


def tell(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), random.Random(arguments.seed))
        soak.in_peace()
        soak.for_minutes(arguments.minutes)
    found = {
        "minutes": arguments.minutes,
        "disturbances": dict(soak.acts),
        "commands": sum(soak.exits.values()),
        "exit_codes": dict(soak.exits),
        "stores": soak.rounds,
        "runs_compared": soak.compared,
        "wrong": soak.wrong,
    }
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(f"{name}: {value}" for name, value in found.items()))
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
