"""A grid as it runs, seen from outside: states, curves, alarms and time left, and what a terminal shows of them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import slurm
from harness.cli import main
from harness.commands import watch
from harness.errors import BadInput
from harness.files import write_json, write_lines
from harness.store import Store, onlooker
from harness.store.leases import Leases
from harness.store.onlooker import Look, Onlooker

TRAIN = {"epochs": 4, "metric": "war", "selection": "val"}
ALARM = {"severity": "error", "sentinel": "flat-target", "message": "aims at nothing", "epoch": 0}
HARNESS = [sys.executable, "-m", "harness"]


class Grid:
    """A planned grid of two data sets and three seeds, whose runs a test lets go as far as it likes."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.rows: list[dict[str, Any]] = [
            {"run_id": f"{name}-{seed}", "dataset": name, "method": "prompt", "seed": seed}
            for name in ("caer", "raer")
            for seed in range(3)
        ]
        self.store.write_plan("mine", {"grid": "mine", "runs": self.rows})

    def folder(self, run_id: str) -> Path:
        return self.store.folder(run_id.split("-")[0], run_id)

    def train(self, run_id: str, epochs: int, seconds: float = 10.0, alarms: Any = ()) -> None:
        write_json(self.folder(run_id) / "spec.json", {"train": TRAIN})
        history = [{"epoch": e, "duration_s": seconds, "val": {"war": 0.1 * e, "uar": 0.0}} for e in range(epochs)]
        write_lines(self.folder(run_id) / "history.jsonl", history)
        write_lines(self.folder(run_id) / "alarms.jsonl", alarms)

    def end(self, run_id: str, seconds: float = 40.0, alarms: Any = (), **result: Any) -> None:
        self.train(run_id, 4, alarms=alarms)
        done = {"status": "done", "duration_s": seconds, "metrics": {"test": {"war": 0.5, "uar": 0.25}}}
        write_json(self.folder(run_id) / "result.json", {**done, **result})

    def fail(self, run_id: str, message: str = "no room") -> None:
        self.end(run_id, status="failed", error={"type": "OSError", "message": message}, metrics={})

    def look(self) -> Look:
        return Onlooker(self.store, "mine").look()


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid(tmp_path / "runs")


def test_a_grid_that_nobody_trains_waits(grid: Grid) -> None:
    seen = grid.look()
    assert seen.runs == seen.count("waiting") == 6 and not seen.over and seen.left is None
    assert seen.states["raer"] == {"done": 0, "failed": 0, "working": 0, "begun": 0, "waiting": 3}


def test_states_are_told_apart(grid: Grid) -> None:
    grid.end("caer-0")
    grid.fail("caer-1", "no room\nmore of it")
    grid.train("raer-0", 1)
    with Leases().claim(grid.folder("raer-1")) as lease:
        assert lease
        seen = grid.look()
    counts = {state: seen.count(state) for state in onlooker.STATES}
    assert counts == {"done": 1, "failed": 1, "working": 1, "begun": 1, "waiting": 2}
    assert [(run.run_id, run.failed) for run in seen.ended] == [("caer-0", ""), ("caer-1", "OSError: no room")]
    assert grid.look().count("working") == 0, "whoever lets go of a run is no longer at work"


def test_a_failed_run_that_somebody_trains_again_is_at_work(grid: Grid) -> None:
    grid.fail("caer-1")
    with Leases().claim(grid.folder("caer-1")):
        assert grid.look().count("working") == 1


def test_a_run_at_work_shows_the_curve_of_the_metric_that_it_is_chosen_by(grid: Grid) -> None:
    grid.train("caer-2", 3)
    with Leases().claim(grid.folder("caer-2")):
        (run,) = grid.look().working
    assert (run.epoch, run.epochs, run.metric, run.name) == (3, 4, "war", "caer prompt seed 2")
    assert run.curve == pytest.approx((0.0, 0.1, 0.2))


def test_a_run_that_names_no_metric_shows_the_curve_of_its_data_sets_own(grid: Grid) -> None:
    grid.train("caer-2", 3)
    write_json(grid.folder("caer-2") / "spec.json", {"train": {**TRAIN, "metric": ""}})
    with Leases().claim(grid.folder("caer-2")):
        (run,) = grid.look().working
    assert (run.metric, run.curve) == ("war", pytest.approx((0.0, 0.1, 0.2)))


def test_an_alarm_that_lacks_its_sentinel_is_told(grid: Grid) -> None:
    grid.end("caer-0", alarms=[{"severity": "error"}])
    (alarm,) = grid.look().alarms
    assert (alarm.sentinel, alarm.runs) == ("alarms.jsonl", 1) and "alarm 1 lacks" in alarm.message


def test_a_look_is_of_now_and_what_is_done_is_not_read_again(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, read, record = Onlooker(grid.store, "mine"), [], Store.record
    monkeypatch.setattr(Store, "record", lambda self, *place: read.append(place[1]) or record(self, *place))
    grid.end("caer-0")
    grid.train("caer-1", 1)
    assert looking.look().count("done") == 1
    grid.end("caer-1")
    read.clear()
    assert looking.look().count("done") == 2 and read == ["caer-1"]
    read.clear()
    assert looking.look().count("done") == 2 and read == []


def test_nothing_in_the_store_is_touched(grid: Grid) -> None:
    grid.end("caer-0")

    def listing() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in grid.store.root.rglob("*"))

    before = listing()
    grid.look()
    assert listing() == before


def test_an_alarm_is_told_once_with_the_runs_that_it_befell(grid: Grid) -> None:
    grid.end("caer-0", alarms=[ALARM, {**ALARM, "epoch": 1}])
    grid.end("caer-1", alarms=[{**ALARM, "message": "still aims at nothing"}])
    grid.end("caer-2", alarms=[{**ALARM, "severity": "warning", "sentinel": "overflow"}])
    for at, run_id in enumerate(("caer-0", "caer-1", "caer-2")):
        for file in grid.folder(run_id).iterdir():
            os.utime(file, (at, at))
    flat, overflow = grid.look().alarms
    assert (flat.sentinel, flat.runs) == ("flat-target", 2)
    assert (flat.last, flat.message) == ("caer prompt seed 1", "still aims at nothing")
    assert (overflow.severity, overflow.sentinel, overflow.runs) == ("warning", "overflow", 1)


# ── time left ───────────────────────────────────────────────────────────────────────────────────────────────


def test_time_left_is_unknown_while_a_data_set_has_shown_nothing(grid: Grid) -> None:
    grid.end("caer-0")
    assert grid.look().left is None


def test_runs_take_what_those_of_their_data_set_took(grid: Grid) -> None:
    grid.end("caer-0", seconds=40)
    grid.end("raer-0", seconds=100)
    assert grid.look().left == 2 * 40 + 2 * 100


def test_what_is_behind_a_run_at_work_is_not_left_and_those_at_work_share_the_rest(grid: Grid) -> None:
    grid.end("caer-0", seconds=40)
    grid.end("raer-0", seconds=100)
    grid.train("caer-1", 3)
    grid.train("raer-1", 2)
    with ExitStack() as held:
        for run_id in ("caer-1", "raer-1"):
            held.enter_context(Leases().claim(grid.folder(run_id)))
        assert grid.look().left == pytest.approx((40 / 4 + 40 + 100 / 2 + 100) / 2)


def test_before_any_run_is_done_the_pace_of_its_epochs_tells(grid: Grid) -> None:
    for run_id, seconds in (("caer-0", 5.0), ("raer-0", 7.0)):
        grid.train(run_id, 1, seconds)
    with Leases().claim(grid.folder("caer-0")), Leases().claim(grid.folder("raer-0")):
        assert grid.look().left == pytest.approx((4 * 5 * 2.75 + 4 * 7 * 2.75) / 2)


def test_runs_that_failed_are_over_and_take_no_time(grid: Grid) -> None:
    for row in grid.rows:
        (grid.fail if row["seed"] == 2 else grid.end)(row["run_id"])
    assert grid.look().over and grid.look().left == 0.0


# ── which grid, and whose jobs ──────────────────────────────────────────────────────────────────────────────


def test_the_grid_that_was_planned_last_is_looked_at(grid: Grid) -> None:
    grid.store.write_plan("older", {"grid": "older", "runs": []})
    os.utime(grid.store.root / "plans" / "older.json", (1, 1))
    assert onlooker.latest(grid.store) == "mine"


def test_a_grid_at_work_is_looked_at_though_another_was_planned_since(grid: Grid) -> None:
    grid.store.write_plan("newer", {"grid": "newer", "runs": []})
    os.utime(grid.store.root / "plans" / "mine.json", (1, 1))
    with Leases().claim(grid.folder("raer-1")):
        assert onlooker.latest(grid.store) == "mine"
    assert onlooker.latest(grid.store) == "newer"


def test_time_is_told_of_the_data_sets_that_can_be_judged(grid: Grid) -> None:
    grid.end("caer-0", seconds=40.0)
    seen = grid.look()
    assert (seen.left, seen.at_least, seen.unjudged) == (None, 80.0, ("raer",))
    assert watch.page(seen)[2].startswith("about 1 min 20 s left for one worker without raer, of which no epoch")


def test_a_store_without_a_plan_and_a_grid_that_was_never_planned_are_bad_input(tmp_path: Path, grid: Grid) -> None:
    with pytest.raises(BadInput, match="no grid was planned"):
        onlooker.latest(Store(tmp_path / "empty"))
    with pytest.raises(BadInput, match="never planned"):
        Onlooker(grid.store, "yours").look()


def test_jobs_of_a_cluster_are_shown_and_its_queue_is_not_asked_at_every_look(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def queue(jobs: Any) -> dict[str, Counter[str]]:
        asked.append(sorted(jobs))
        return {"10": Counter({"RUNNING": 1, "PENDING (Priority)": 3})}

    monkeypatch.setattr(slurm, "queue", queue)
    slurm.keep(grid.store.root, slurm.Submission("mine", {"caches": "9", "training": "10"}))
    slurm.keep(grid.store.root, slurm.Submission("another", {"training": "11"}))
    for row in grid.rows:
        grid.end(row["run_id"])
    looking = Onlooker(grid.store, "mine")
    look = looking.look()
    assert asked == [["10", "9"]] and not look.over, "a job that waits may still write the leaderboard"
    assert "  10 (training): 1 RUNNING, 3 PENDING (Priority)" in watch.page(look)
    looking.look()
    assert len(asked) == 1


def queued(monkeypatch: pytest.MonkeyPatch, **jobs: dict[str, int]) -> None:
    """A queue that knows these jobs, named `job7` for 7, by their states."""
    known = {name.removeprefix("job"): Counter(states) for name, states in jobs.items()}
    monkeypatch.setattr(slurm, "queue", lambda wanted: {job: known[job] for job in wanted if job in known})


def test_of_earlier_submissions_only_the_jobs_that_have_not_ended_are_shown(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.keep(grid.store.root, slurm.Submission("mine", {"caches": "9", "training": "10"}))
    slurm.keep(grid.store.root, slurm.Submission("mine", {"caches": "11", "training": "12"}))
    done, runs = {"COMPLETED": 1}, {"RUNNING": 1}
    queued(monkeypatch, job9=done, job10=runs, job11=done, job12={"CANCELLED": 1})
    assert [job.number for job in grid.look().jobs] == ["10", "11", "12"]


def test_a_job_that_broke_is_shown_with_its_log_and_its_last_words(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm.keep(grid.store.root, slurm.Submission("mine", {"caches": "9", "training": "10"}))
    queued(monkeypatch, job9={"COMPLETED": 1}, job10={"FAILED": 1, "COMPLETED": 1, "RUNNING": 1})
    words = "harness: bad input: HARNESS_CACHE: " + "can't be made " * 10 + "at all"
    good = "harness: 2 of 2 runs done, 0 failed\nINFO - Exiting after successful completion\n"
    logs = {"9_0": good, "10_0_0": good, "10_1_0": f"harness: interrupted\n{words}\nsrun: error\n", "10_2_0": "INFO\n"}
    for at, (name, text) in enumerate(logs.items()):
        path = grid.store.root / "slurm" / f"{name}_log.out"
        path.write_text(text)
        os.utime(path, (at, at))
    look = grid.look()
    assert [(job.log, job.said) for job in look.jobs] == [
        ("", ""),
        (str(grid.store.root / "slurm" / "10_1_0_log.out"), words),
    ]
    lines = watch.page(look)
    at = lines.index("  10 (training): 1 FAILED, 1 COMPLETED, 1 RUNNING")
    assert lines[at + 1].startswith(f"    {grid.store.root}"[:79])
    assert " ".join(map(str.strip, lines[at + 2 :])) == words and max(map(len, lines)) <= 80


def test_a_job_that_never_starts_is_told_with_the_mend(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm.keep(grid.store.root, slurm.Submission("mine", {"caches": "9", "training": "10"}))
    queued(monkeypatch, job9={"PENDING (PartitionConfig)": 1}, job10={"PENDING (Dependency)": 1})
    told = [line.strip() for line in watch.page(grid.look())]
    at = told.index("9 (caches): 1 PENDING (PartitionConfig)")
    assert told[at + 1].startswith("will not start: `harness cancel`")
    assert told[-1] == "10 (training): 1 PENDING (Dependency)"


def test_what_is_left_to_wait_for_is_told(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm.keep(grid.store.root, slurm.Submission("mine", {"training": "10"}))
    queued(monkeypatch)
    nobody = "`harness run` fills its cache first, then goes on"
    assert watch.page(grid.look())[2] == f"time left: unknown until an epoch is done; {nobody}"
    queued(monkeypatch, job10={"PENDING (Priority)": 1})
    assert watch.page(grid.look())[2] == "time left: unknown until an epoch is done; no job trains yet"
    for row in grid.rows:
        grid.end(row["run_id"])
    assert watch.page(grid.look())[2] == "no run is left to train; the leaderboard may still be written"


def test_a_queue_that_does_not_answer_is_told_and_the_last_jobs_stay(
    grid: Grid, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running, ended = {"10": Counter({"RUNNING": 1})}, {"10": Counter({"COMPLETED": 1})}
    answers = iter([running, BadInput("squeue", "no answer in 60 s", "see"), ended])

    def queue(jobs: Any) -> dict[str, Counter[str]]:
        answer = next(answers)
        if isinstance(answer, BadInput):
            raise answer
        return answer

    monkeypatch.setattr(slurm, "queue", queue)
    monkeypatch.setattr(onlooker, "QUEUE", 0.0)
    slurm.keep(grid.store.root, slurm.Submission("mine", {"training": "10"}))
    for row in grid.rows:
        grid.end(row["run_id"])
    looking = Onlooker(grid.store, "mine")
    seen = [looking.look() for _ in range(3)]
    assert [look.trouble for look in seen] == ["", "squeue: no answer in 60 s — see", ""]
    assert seen[1].jobs == seen[0].jobs and [look.over for look in seen] == [False, False, True]
    pages = watch.page(seen[1])
    assert "  10 (training): 1 RUNNING" in pages
    assert "  the queue can't be asked now: squeue: no answer in 60 s — see" in pages
    assert list(watch._news(seen[1]))[-1] == pages[-1].strip()


def test_a_queue_that_never_answered_leaves_it_open_whether_jobs_are_to_come(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queue(jobs: Any) -> dict[str, Counter[str]]:
        raise BadInput("squeue", "no answer in 60 s", "see")

    monkeypatch.setattr(slurm, "queue", queue)
    for row in grid.rows:
        grid.end(row["run_id"])
    assert not grid.look().over


@pytest.mark.parametrize("given", ["v1.2", "v1.2.toml", "grids/v1.2.toml"])
def test_a_grid_may_have_dots_in_its_name(grid: Grid, given: str) -> None:
    grid.store.write_plan("v1.2", {"grid": "v1.2", "runs": []})
    assert main(["watch", "--runs", str(grid.store.root), "--grid", given, "--once"]) == 0


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_fits_the_terminal(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    grid.end("caer-0", alarms=[{**ALARM, "message": "aims at nothing " * 20 + "\x1b[31m"}])
    grid.train("raer-0", 2)
    monkeypatch.setenv("COLUMNS", "60")
    with Leases().claim(grid.folder("raer-0")):
        lines = watch.page(grid.look())
    assert max(map(len, lines)) == 60 and not any("\x1b" in line for line in lines)
    assert lines[1:3] == ["1 of 6 runs done, 1 at work", "about 3 min left"]
    assert lines[4:6] == [f"caer  {'█' * 8}{'░' * 16}  1 of 3", f"raer  {'░' * 24}  0 of 3, 1 working"]
    assert "  raer prompt seed 0  epoch  2 of 4  WAR 10.0  ▁█" in lines
    assert any(line.startswith("  error flat-target in 1 run: aims at nothing") for line in lines)


def shown(grid: Grid, *words: str) -> str:
    command = [*HARNESS, "watch", "--runs", str(grid.store.root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_once_and_json_look_once(grid: Grid) -> None:
    grid.end("caer-0")
    assert "1 of 6 runs done, none at work" in shown(grid, "--once")
    told = json.loads(shown(grid, "--grid", "somewhere/mine.toml", "--json"))
    assert told["grid"] == "mine" and told["states"]["caer"]["done"] == 1 and told["left"] is None


def test_on_a_pipe_each_run_that_ends_is_a_line_and_the_end_of_the_grid_is_the_end(
    grid: Grid, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = iter(grid.rows)
    watch._lines(Onlooker(grid.store, "mine"), lambda seconds: grid.end(next(ahead)["run_id"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "[6/6] raer prompt seed 2: done  test WAR 50.0  UAR 25.0"
    assert len([line for line in lines if line.startswith("[")]) == 6
    assert not any("\x1b" in line for line in lines)


class Terminal:
    """`harness watch` on a terminal of its own."""

    def __init__(self, grid: Grid, *words: str, **variables: str) -> None:
        self.screen, inner = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        command = [*HARNESS, "watch", "--runs", str(grid.store.root), *words]
        self.process = subprocess.Popen(command, stdout=inner, env={**environment, "TERM": "xterm", **variables})
        os.close(inner)

    def until(self, words: str) -> str:
        """What it shows until these words come, or until it ends."""
        found = b""
        while words.encode() not in found:
            try:
                piece = os.read(self.screen, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                piece = b""
            if not piece:
                break
            found += piece
        return found.decode()

    def end(self) -> str:
        text = self.until("\x00")
        assert self.process.wait(60) == 0
        os.close(self.screen)
        return text


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_that_want_them(grid: Grid, variables: dict[str, str], coloured: bool) -> None:
    for row in grid.rows:
        grid.end(row["run_id"])
    text = Terminal(grid, "--once", **variables).end()
    assert "6 of 6 runs done" in text and ("\x1b[32m" in text) is coloured


def test_a_terminal_shows_the_page_again_and_again_until_the_grid_is_over(grid: Grid) -> None:
    watching = Terminal(grid)
    assert "\x1b[?1049h" in watching.until("0 of 6 runs done")
    for row in grid.rows:
        grid.end(row["run_id"])
    text = watching.end()
    assert text.rindex("6 of 6 runs done") > text.rindex("\x1b[?1049l"), "the last page stays on the usual screen"


def test_who_watches_can_stop_and_gets_the_terminal_back(grid: Grid) -> None:
    watching = Terminal(grid)
    watching.until("0 of 6 runs done")
    watching.process.send_signal(2)
    assert "\x1b[?25h\x1b[?1049l" in watching.end()
