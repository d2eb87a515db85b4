"""Claiming at the scale of a cluster: the real code, with a simulated clock, processes and file server.

    pip install greenlet
    python benchmarks/cluster_simulation.py [--workers 1000] [--runs 10000] [--minutes 20] [--latency-ms 2]
        [--capacity 10000] [--preemptions 0.02] [--kills 0.01] [--failing 0.01] [--requeue 120] [--speaking]
        [--leaving] [--store RUNS] [--seed 0] [--json]

Each worker plans what is to do (`Plan.todo`), claims runs (`claiming.claim`, `leases`) and writes them (`Writer`) as a
task of a job array does; only training is a wait. Run times are log-normal around `--minutes`, as wide as those of the
108 runs of the default grid (σ 0.38), or drawn from those of `--store`. A worker that is killed or pre-empted, so often
an hour, comes back after `--requeue` seconds; pre-empted, it has saved its run. Some runs fail, which ends them.

Told are the busy share of all workers' time (training that was not lost), against what a store that costs nothing would
allow in the same order and with the longest runs first; the tail, from 95 % of the runs to the last; what the file
server was asked; and how many looks and tries a claim took.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import heapq
import json
import math
import random
import statistics
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from greenlet import getcurrent
from simulated import SPAN, FileLock, Place, Process, Server, World

from harness import files
from harness.plan import Plan
from harness.protocol import Train
from harness.schedule import awaited, claiming
from harness.schedule.launch import Launch
from harness.store import Store, index, leases
from harness.training.writing import Writer

SIGMA = 0.38  # of the logarithm of run times: 108 runs of the default grid, embedded model, 2 cores
EPOCHS = 20
SAVE_EVERY = 60.0  # seconds between two checkpoints
SAVING = 15  # requests that a checkpoint takes: its folder, two files written whole, an old one removed
STAGGER = 30.0  # seconds over which the scheduler starts the tasks
GRACE = 30.0  # seconds from a scheduler's warning to its SIGKILL
OPTIONS = ("workers", "runs", "minutes", "latency_ms", "capacity", "speaking", "leaving")
DATASETS = ("caer", "daisee", "raer")


class Cluster:
    """Workers on one store, and what became of their runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.rng = options, random.Random(options.seed)
        self.world = World()
        self.server = Server(self.world, options.latency_ms / 1000, options.capacity)
        self.store = SimulatedStore(Place(self.server, "runs"))
        self.runs = runs_of(options.runs)
        self.seconds = dict(zip((run.run_id for run in self.runs), times(options, self.rng), strict=True))
        self.failing = {run_id for run_id in self.seconds if self.rng.random() < options.failing}
        self.ended: dict[str, float] = {}  # when the result was written
        self.last = False
        self.twice = self.kills = self.preemptions = 0
        self.trained = self.worked = 0.0  # seconds that were trained and not lost, and of processes in all
        self.starting = list[float]()  # from the start of a process to its first run
        self.counted = Counter[str]()
        self.processes: dict[int, Process] = {}

    def simulate(self) -> None:
        self._replace_what_waits()
        hosts = Process(node=-1, pid=0)
        for number in range(self.options.workers):
            self.world.start(hosts, self._task, number)
        self.world.run()
        if self.options.leaving:  # a last job, which starts when the array has ended, trains what was left lying
            self.last = True
            self.world.start(hosts, self._task, self.options.workers)
            self.world.run()

    def _replace_what_waits(self) -> None:
        cluster, world = self, self.world

        class Counting(leases.Leases):
            def _take(self, path: Any) -> Any:
                cluster.counted["tries"] += 1
                lease = super()._take(path)
                cluster.counted["claims"] += lease is not None
                return lease

        def seeded(*_: Any) -> random.Random:
            return random.Random(self.rng.random())

        here = SimpleNamespace(getpid=lambda: getcurrent().process.pid, fstat=Place.stat_again, utime=Place.utime)
        leases.time = claiming.time = world
        leases.threading, leases.os, leases.FileLock = world, here, FileLock
        leases._place = lambda: f"node {getcurrent().process.node}"
        leases._alive = lambda pid, started: self.processes[pid].alive
        leases._started = str
        claiming.Leases = Counting
        awaited.random = SimpleNamespace(Random=seeded)
        claiming.describe = lambda *_: {}
        claiming.RunBar = lambda *_: SimpleNamespace(close=lambda: None, note=lambda line: None)
        files.write_chunks = self._write
        index.entries = self._entries

    def _task(self, number: int) -> None:
        """A task of a job array, and the one that takes its place when it was killed or pre-empted."""
        self.world.sleep(self.rng.uniform(0, STAGGER))
        options, rate = self.options, (self.options.kills + self.options.preemptions) / 3600
        while True:
            process = Process(number, len(self.processes) + 1)
            process.asked, ended, began = self.world.Event(), self.world.Event(), self.world.now
            process.began = began
            self.processes[process.pid] = process
            self.world.start(process, self._work, process, ended)
            if ended.wait(self.rng.expovariate(rate) if rate else math.inf):
                break
            if self.rng.random() * (options.kills + options.preemptions) < options.preemptions:
                self.preemptions += 1
                process.asked.set()
                ended.wait(GRACE)
            else:
                self.kills += 1
            process.end()
            self.worked += self.world.now - began
            self.world.sleep(options.requeue)
        process.end()
        self.worked += self.world.now - began

    def _work(self, process: Process, ended: Any) -> None:
        """What `harness run` does in a task."""
        todo = Plan(None, {}, self.runs).todo(self.store)
        speaks = self.options.speaking or process.node == 0
        launch = Launch(rank=0, local_rank=0, world=1, local_world=1, worker=1, since=1)
        board = SimpleNamespace(silent=not speaks, finished=lambda result, alarms: self.counted.update(["told"]))
        waited_for = claiming.Awaited(self.store, todo, launch)
        for run in waited_for.begun:  # `schedule.run` says how many go on from a checkpoint
            (waited_for.folder(run) / "checkpoint").exists()
        with suppress(KeyboardInterrupt):
            claiming.claim(Trainer(self, process), waited_for, board, leaves=self.options.leaving and not self.last)
        ended.set()

    def _write(self, path: Place, chunks: Any) -> None:
        """What `write_chunks` asks of the server: the folder, open, write, commit, close, rename, the old name."""
        self.server.ask("store", 7)
        path.put(b"".join(chunks))
        if path.name == "result.json":
            run_id = path.parent.name
            self.twice += run_id in self.ended
            self.ended[run_id] = self.world.now

    def _entries(self, stored: Store) -> dict[tuple[str, str], Any]:
        """What `index.entries` asks of it: listings, and three files of each run."""
        found = {}
        for name in DATASETS:
            folder = stored.root / name
            names = folder.names() if folder.there else []
            self.server.ask("stat", 3 * len(names) + 1)
            for run_id in names:
                if (folder / run_id / "result.json").there:
                    status = "failed" if run_id in self.failing else "done"
                    found[name, run_id] = SimpleNamespace(status=status, done=status == "done")
        return found


class SimulatedStore(Store):
    def __init__(self, root: Place) -> None:
        self.root = root


class Trainer:
    """Stands for the `Runner` of a process: writes what a run leaves, when it would."""

    grid = SimpleNamespace(sections={"train": Train(epochs=EPOCHS)})
    placement = "pair"
    accelerator = SimpleNamespace(num_processes=1, device=SimpleNamespace(type="cpu"))

    def __init__(self, cluster: Cluster, process: Process) -> None:
        self.cluster, self.process, self.runs = cluster, process, 0

    def steps(self, run: Any) -> int:
        return 1

    def execute(self, run: Any, folder: Place, viewer: Any, commit: Any) -> dict[str, Any]:
        cluster = self.cluster
        if not self.runs:
            cluster.starting.append(cluster.world.now - self.process.began)
        self.runs += 1
        writer = Writer(folder, commit, writes=True)
        writer.begin(run.spec, {})
        saved = max((place.name for place in (folder / "checkpoint").glob("*-*")), default="0-0")
        done, whole = float(saved.partition("-")[0]), cluster.seconds[run.run_id]
        epoch, last = whole / EPOCHS, done
        while done < whole - 1e-6:
            began = cluster.world.now
            asked = self.process.asked.wait(min(epoch - done % epoch + 1e-6, last + SAVE_EVERY - done, whole - done))
            done += cluster.world.now - began
            if asked or done >= last + SAVE_EVERY - 1e-6:
                self._save(writer, folder, done)
                cluster.trained += done - last
                last = done
            elif done < whole - 1e-6:
                writer.history([])
            if asked:
                raise KeyboardInterrupt
        status = "failed" if run.run_id in cluster.failing else "done"
        result = {"run_id": run.run_id, "status": status, "alarms": 0}
        writer.end(result, [], None if status == "failed" else b"")
        cluster.trained += done - last
        return result

    def _save(self, writer: Writer, folder: Place, done: float) -> None:
        writer.check()
        self.cluster.server.ask("store", SAVING)
        for old in list((folder / "checkpoint").inside.values()):
            old.vanish()
        (folder / "checkpoint" / f"{int(done):07}-0").made()


def runs_of(count: int) -> tuple[Any, ...]:
    """A grid in its order: data set by data set."""
    names = [f"prompt-s{number}" for number in range(math.ceil(count / len(DATASETS)))]
    made = [
        SimpleNamespace(
            dataset=dataset,
            fold="",
            copy=dataset,
            method="prompt",
            seed=0,
            spec={},
            wanted=True,
            run_id=f"{name}-{hashlib.sha256((dataset + name).encode()).hexdigest()[:10]}",
        )
        for dataset in DATASETS
        for name in names
    ]
    return tuple(made[:count])


def times(options: argparse.Namespace, rng: random.Random) -> list[float]:
    """Seconds that each run trains."""
    typical = 60 * options.minutes
    if options.store is None:
        return [typical * math.exp(rng.gauss(0, SIGMA)) for _ in range(options.runs)]
    measured = [entry.seconds for entry in index.entries(Store(options.store)).values() if entry.done]
    return [typical * rng.choice(measured) / statistics.median(measured) for _ in range(options.runs)]


def free_of_charge(seconds: list[float], workers: int) -> float:
    """The busy share where each worker takes the next run at no cost, and all wait for the last."""
    ends = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return sum(seconds) / (workers * max(ends))


def report(cluster: Cluster) -> dict[str, Any]:
    options, server, seconds = cluster.options, cluster.server, list(cluster.seconds.values())
    ends = sorted(cluster.ended.values())
    requests, claims = sum(server.requests.values()), max(cluster.counted["claims"], 1)
    return {
        **{name: getattr(options, name) for name in OPTIONS},
        "ended": len(ends),
        "ended_twice": cluster.twice,
        "killed": cluster.kills,
        "preempted": cluster.preemptions,
        "hours": ends[-1] / 3600,
        "busy": cluster.trained / cluster.worked,
        "busy_at_no_cost": free_of_charge(seconds, options.workers),
        "busy_at_no_cost_longest_first": free_of_charge(sorted(seconds, reverse=True), options.workers),
        "seconds_to_first_run": statistics.median(cluster.starting),
        "tail_minutes": (ends[-1] - ends[math.ceil(0.95 * len(ends)) - 1]) / 60,
        "requests": requests,
        "requests_by_kind": dict(server.requests.most_common()),
        "requests_per_s": requests / ends[-1],
        "requests_per_s_at_most": max(server.load.values()) / SPAN,
        "slowest_answer_s": server.slowest,
        "claims": claims,
        "tries_per_claim": cluster.counted["tries"] / claims,
        "told": cluster.counted["told"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=20.0, help="of a typical run")
    parser.add_argument("--latency-ms", type=float, default=2.0, help="of a request, on an idle server")
    parser.add_argument("--capacity", type=float, default=10_000.0, help="requests that the server answers in a second")
    parser.add_argument("--preemptions", type=float, default=0.02, help="per worker and hour")
    parser.add_argument("--kills", type=float, default=0.01, help="per worker and hour")
    parser.add_argument("--failing", type=float, default=0.01, help="share of runs")
    parser.add_argument("--requeue", type=float, default=120.0, help="seconds until a task comes back")
    parser.add_argument("--speaking", action="store_true", help="every task tells of every run, not only the first")
    parser.add_argument("--leaving", action="store_true", help="tasks end when others hold all runs that are left")
    parser.add_argument("--store", type=Path, help="runs to draw times from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    gc.disable()  # a thousand workers each know all runs: looking for garbage among them takes longer than all else
    cluster = Cluster(options)
    cluster.simulate()
    told = report(cluster)
    if told["ended"] != told["runs"] or told["ended_twice"]:
        raise SystemExit(f"{told['ended']} of {told['runs']} runs ended, {told['ended_twice']} of them twice")
    print(json.dumps(told, indent=2) if options.json else "\n".join(f"{k:<32}{v}" for k, v in told.items()))


if __name__ == "__main__":
    main()
