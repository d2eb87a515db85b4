"""What a person sees while a grid trains: bars on a terminal, plain lines elsewhere.

One overall bar with the time left, one bar for the run at hand with its live loss and validation scores, and a
line for each finished run, whichever worker trained it. Worker processes own no terminal and print nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from tqdm import tqdm

from harness.errors import headline
from harness.plan import Run
from harness.words import plural, printable, shortened

MARKS = {"error": "⚠", "warning": "△"}  # as on leaderboards
QUIET_FOR = 30.0  # seconds after which a long run reports an epoch where there are no bars


class Board:
    """The terminal of a grid of `total` runs, `done` of which are done already."""

    def __init__(self, total: int, done: int, *, silent: bool = False) -> None:
        self.silent, self.bars = silent, sys.stderr.isatty() and not silent
        self.total, self.done = total, done
        self.told: set[str] = set()
        self.overall = tqdm(
            total=total,
            initial=done,
            desc="grid",
            unit="run",
            position=0,
            leave=False,
            disable=not self.bars,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def say(self, line: str) -> None:
        """A line that stays, above the bars."""
        with suppress(OSError):  # `2>&1 | head`: that nobody listens any more must not end the training
            if self.bars:
                tqdm.write(printable(line), file=sys.stderr)
            elif not self.silent:
                print(printable(line), file=sys.stderr, flush=True)

    def finished(self, result: dict[str, Any], alarms: Iterable[Mapping[str, Any]]) -> None:
        """A run has ended, here or in another worker."""
        self.done += 1
        self.overall.update()
        alarms = list(alarms)
        self.say(f"[{self.done:>{len(str(self.total))}}/{self.total}] {summary(result)}{marks(alarms)}")
        for alarm in alarms:
            self.alarm(f"{result['dataset']} {shortened(result['method'])} seed {result['seed']}", alarm)

    def alarm(self, name: str, alarm: Mapping[str, Any]) -> None:
        """What a sentinel says, once: where other runs are told the same, their lines name it only (`marks`)."""
        words = f"{alarm['severity']} {alarm['sentinel']}: {alarm['message']}"
        if words not in self.told:
            self.told.add(words)
            self.say(f"{MARKS.get(alarm['severity'], '⚠')} {name}: {words}\n    mend: {alarm['mend']}")

    def close(self) -> None:
        self.overall.close()


class RunBar:
    """The bar of one run: a step at a time, loss live, WAR and UAR after each epoch."""

    def __init__(self, board: Board, run: Run, steps: int, epochs: int) -> None:
        self.board, self.steps, self.epochs = board, steps, epochs
        self.name = f"{run.copy} {shortened(str(run.method))} seed {run.seed}"
        self.spoke = time.monotonic()
        self.scores: dict[str, str] = {}
        self.bar = tqdm(
            total=steps * epochs,
            desc=self.name,
            unit="step",
            position=1,
            leave=False,
            disable=not board.bars,
            dynamic_ncols=True,
        )

    def step(self, epoch: int, live: Callable[[], dict[str, str]]) -> None:
        self.bar.update()
        if self.board.bars and self.bar.n % max(self.steps // 5, 1) == 0:
            self.bar.set_postfix({"epoch": f"{epoch + 1}/{self.epochs}", **live(), **self.scores})

    def epoch(self, row: dict[str, Any]) -> None:
        split = "val" if "val" in row else "test"
        self.scores = {name.upper(): f"{100 * row[split][name]:.1f}" for name in ("war", "uar")}
        if not self.board.bars and time.monotonic() - self.spoke > QUIET_FOR:
            self.spoke = time.monotonic()
            scores = "  ".join(f"{split} {name} {value}" for name, value in self.scores.items())
            losses = "  ".join(f"{name} {value:.3f}" for name, value in row["losses"].items())
            self.board.say(f"  {self.name}  epoch {row['epoch'] + 1}/{self.epochs}  {losses}  {scores}")

    def alarm(self, row: dict[str, Any]) -> None:
        self.board.alarm(self.name, row)

    def note(self, line: str) -> None:
        self.board.say(f"  {self.name}: {line}")

    def retried(self, line: str) -> None:
        """A second try begins; where it goes on from a checkpoint `resumed` follows."""
        self.bar.reset()
        self.note(line)

    def resumed(self, epoch: int, step: int) -> None:
        self.bar.update(epoch * self.steps + step)
        self.note(f"goes on at epoch {epoch + 1}, step {step + 1}")

    def close(self) -> None:
        self.bar.close()


class Counter:
    """A bar for work of a kind on a copy's clips, or a split of it; called with (done, total), also after the last."""

    def __init__(self, board: Board, kind: str, copy: str, split: str) -> None:
        self.board, self.what = board, f"{kind} of {copy} {split}".rstrip()
        self.bar: tqdm | None = None
        self.ended = False

    def __call__(self, done: int, total: int) -> None:
        if self.ended:
            return
        if self.bar is None:
            if not self.board.bars:
                self.board.say(f"{self.what}: {total} clips")
            self.bar = tqdm(
                total=total,
                desc=self.what,
                unit="clip",
                position=1,
                leave=False,
                disable=not self.board.bars,
                dynamic_ncols=True,
            )
        self.bar.update(done - self.bar.n)
        if done == total:
            self.bar.close()
            self.ended = True


def marks(alarms: Iterable[Mapping[str, Any]]) -> str:
    """Which sentinels a run has alarmed: ⚠ errors, then △ warnings, each once."""
    told = sorted({(alarm["severity"] != "error", alarm["sentinel"]) for alarm in alarms})
    return "".join(f"  {MARKS['warning' if mild else 'error']} {name}" for mild, name in told)


def summary(result: dict[str, Any]) -> str:
    """One line for a finished run."""
    fold = f" fold {result['fold']}" if result.get("fold") else ""
    name = f"{result['dataset'] + fold:<7} {shortened(result['method'])}  seed {result['seed']}"
    if result["status"] != "done":
        return f"{name}  FAILED: {headline(result['error'])}"
    scores = [
        f"{split} WAR {100 * metrics['war']:.1f} UAR {100 * metrics['uar']:.1f}"
        for split, metrics in sorted(result["metrics"].items(), reverse=True)
    ]
    lost = f"  {plural(result['unsaved'], 'checkpoint')} could not be written" if result.get("unsaved") else ""
    if result.get("untracked"):
        lost += f"  not tracked by {', '.join(result['untracked'])}"
    return f"{name}  {'  '.join(scores)}  epoch {result['epoch'] + 1}  {result['duration_s']:.1f} s{lost}"
