"""What the product's time is made of: one run of the grid's fullest method, in one process, from an empty cache.

    python benchmarks/pieces.py [--model ViT-B-32] [--json]

Seconds of the main thread, imports and all, on the miniature of CAER; of things within each other the innermost counts.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from grid_speed import EPOCHS, FULL, GRID, LIMIT, Row, Work, prepare
from repeats import apart


class Clock:
    """Seconds of this thread by what is going on; of things within each other the innermost counts."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.open = ["the rest"]
        self.since = time.perf_counter()

    def turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def enter(self, name: str) -> None:
        self.turn()
        self.open.append(name)

    def leave(self) -> None:
        self.turn()
        self.open.pop()

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        self.enter(name)
        try:
            yield
        finally:
            self.leave()

    def wrap(self, owner: Any, function: str, name: str) -> None:
        """Counts a function's time under a name wherever it is called through its owner."""
        plain, thread = getattr(owner, function), threading.current_thread()

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.on(name) if threading.current_thread() is thread else nullcontext():
                return plain(*args, **kwargs)

        setattr(owner, function, timed)


def pieces(work: Work) -> Row:
    """Seconds of one run's pieces, from an empty cache, in one process: imports and all."""
    clock = Clock()
    with clock.on("imports"):
        import open_clip  # noqa: F401
        from accelerate import Accelerator
        from torch.optim import AdamW

        from harness import cli, files, leaderboard, plan
        from harness.learner import Learner
        from harness.methods.prompt import LearnedText
        from harness.model import trunk
        from harness.schedule import placement  # noqa: F401
        from harness.training import evaluation, loop, material, runner  # noqa: F401
        from harness.training.watch import Watch
    clock.wrap(plan, "plan", "reading the data sets' lists")
    clock.wrap(material, "probes", "a closer look at the files")
    clock.wrap(material, "features", "decode and trunk, once")
    clock.wrap(trunk, "load", "loading the model")
    clock.wrap(Learner, "forward", "steps: forward")
    clock.wrap(LearnedText, "forward", "text tower")
    clock.wrap(Accelerator, "backward", "steps: backward")
    clock.wrap(AdamW, "step", "steps: optimiser")
    clock.wrap(loop, "predict", "evaluation")
    clock.wrap(evaluation, "measure", "evaluation")
    clock.wrap(leaderboard, "report", "leaderboard")
    for hook in ("reading", "setup", "step", "evaluating", "epoch", "ending"):
        clock.wrap(Watch, hook, "sentinels")
    clock.wrap(files, "write_chunks", "writing")
    _time_text_backward(clock, LearnedText)
    os.environ.update(work.environment("cache-pieces"))
    words = ["run", "--grid", str(GRID), "--datasets", "caer", "--methods", FULL, "--seeds", "0", "--workers", "1"]
    words += ["--runs", str(work.place / "runs-pieces"), "--out", str(work.place / "leaderboard-pieces")]
    if work.part:
        words += ["--set", f"train.limit={LIMIT}", "--set", f"train.epochs={EPOCHS}"]
    words += [word for setting in work.settings for word in ("--set", setting)]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        code = cli.main(words)
    clock.turn()
    if code not in (0, 1):
        raise SystemExit(code)
    whole = sum(clock.seconds.values())
    return {
        name: {"seconds": round(value, 2), "share": round(value / whole, 3)}
        for name, value in clock.seconds.most_common()
    }


def _time_text_backward(clock: Clock, text: Any) -> None:
    """From the gradient's arrival at the text features to its arrival at the prompts: one stretch of the backward."""
    forward, hooked = text.forward, set()

    def hooking(self: Any) -> Any:
        out = forward(self)
        if out.requires_grad:
            out.register_hook(lambda gradient: clock.enter("text tower"))
            if id(self) not in hooked:
                hooked.add(id(self))
                self.vectors.register_post_accumulate_grad_hook(lambda parameter: clock.leave())
        return out

    text.forward = hooking


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Work(Path(place), arguments.model, ["caer"], quick=True, part=arguments.model != "tiny")
        apart(prepare, work)
        found = pieces(work)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        print(f"{name:<32}{row['seconds']:>8.2f} s{row['share']:>8.1%}")


if __name__ == "__main__":
    main()
