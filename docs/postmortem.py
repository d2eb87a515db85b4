"""Writes docs/postmortem.md from the stored runs of grids/postmortem.toml (`make postmortem` trains them first)."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean

from tables import table

from harness.errors import headline
from harness.store import Record, Store

PAGE = """\
# The post-mortem, repeated

One project of this field found its semantic-LDL loss at 0.007 with accuracy at chance, and blamed text features that were
not L2-normalised. Another setting, `--mixup-alpha 0.2`, was parsed and never passed on: mixup was off for weeks and nothing
said so. This page repeats both with *harness*, on a **rendered miniature of CAER** ({seeds} seeds, frozen trunk, learned
prompts): the numbers say nothing about the real CAER, the pattern is the point. It is written by `make postmortem`.

## What happens to the target

{targets}

*Entropy* is that of the target's rows over log K, first → last epoch: 1 is uniform, 0 the hard label. *On the label* is the
target's mass on the true class. The *loss* is KL(target ‖ p), whose floor is 0, on the training clips, first → last epoch.
Chance is {chance}. Test is read at the epoch chosen on validation.

## What the diagnosis got right and wrong

- **Right:** the loss said nothing about the accuracy, and the text features were where to look.
- **Wrong:** a loss near 0 with accuracy near chance is the signature of a *flat target*: the temperature is too high for the
  spread of the cosines, so every row of the target is all but uniform and a network that says "anything" is at the floor.
  Missing normalisation does the opposite: dot products of long features saturate the softmax, the target becomes the
  hard label, and LDL is silently plain cross-entropy, or NaN where the target stays attached to the graph.
- **Unseen:** a target that is not detached lowers the loss by moving itself, here towards uniform: with τ 0.02 it starts
  informative and ends flat, because prompts that collapse onto each other are the easiest way to the floor. Compare
  the entropies of the rows with and without `detach`.

## How to read target entropy

`target.entropy` stands in every run's `history.jsonl` and in `harness show RUN`.

| entropy | the target is | what to do |
|---|---|---|
| above 0.95 | flat: it teaches next to nothing | lower `ldl.temperature` |
| 0.1 to 0.9 | informative | leave it |
| under 0.01 | the hard label | raise `ldl.temperature`, or say plain cross-entropy in the table |
| drifting to 0 or to 1 while the loss falls | moving towards the model | detach the target |

## The mixup that was not there

{mixups}

`mixup(connected=false)` repeats the defect. Its runs agree with those without mixup to the last bit ({same} of {seeds} seeds),
which no run by itself shows; a factor whose effect is exactly zero in every pair does.
"""


def runs_of(store: Store) -> dict[str, list[Record]]:
    """The grid's runs by method, in the order of the grid file."""
    found: dict[str, list[Record]] = {}
    for row in store.read_plan("postmortem")["runs"]:
        record = store.record(row["dataset"], row["run_id"])
        if record is None or not record.result:
            sys.exit(f"{row['run_id']} is not trained yet: run `make postmortem`")
        found.setdefault(row["method"], []).append(record)
    return found


def first_last(records: list[Record], group: str, name: str, digits: int) -> str:
    histories = [record.history() for record in records]
    if not all(histories):
        return "–"
    ends = [mean(history[at][group][name] for history in histories) for at in (0, -1)]
    return " → ".join(f"{value:.{digits}f}" for value in ends)


def accuracy(records: list[Record]) -> str:
    done = [record.result["metrics"]["test"]["war"] for record in records if record.done]
    failed = [headline(record.result["error"]) for record in records if record.result.get("status") == "failed"]
    return f"{mean(done):.2f}" if len(done) == len(records) else failed[0]


def target_row(records: list[Record]) -> list[str]:
    ldl = records[0].spec["components"]["ldl"]
    features = ("" if ldl["normalise"] else "not ") + "normalised, " + ("" if ldl["detach"] else "not ") + "detached"
    facts = [("target", "entropy", 3), ("target", "true_mass", 2), ("losses", "cls", 3), ("train", "war", 2)]
    return [features, f"{ldl['temperature']:g}", *(first_last(records, *fact) for fact in facts), accuracy(records)]


def main(runs: str, out: str) -> None:
    found = runs_of(Store(runs))
    targets = [target_row(records) for records in found.values() if "ldl" in records[0].spec["components"]]
    plain = [records for records in found.values() if "ldl" not in records[0].spec["components"]]
    mixups = [
        [f"`{name}`", *(f"{100 * record.result['metrics']['test']['war']:.2f}" for record in records)]
        for name, records in found.items()
        if records in plain
    ]
    without, _, broken = (sorted(records, key=lambda record: record.spec["seed"]) for records in plain)
    same = sum(a.result["metrics"] == b.result["metrics"] for a, b in zip(without, broken, strict=True))
    classes = len(plain[0][0].result["classes"])
    heads = ["text features", "τ", "entropy", "on the label", "loss", "training accuracy", "test accuracy"]
    seeds = [f"test WAR, seed {record.spec['seed']}" for record in plain[0]]
    page = PAGE.format(
        seeds=len(without),
        chance=f"{1 / classes:.2f}",
        same=same,
        targets=table(targets, heads),
        mixups=table(mixups, ["method", *seeds]),
    )
    Path(out).write_text(page, encoding="utf-8")
    print(f"written: {out}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["runs", "docs/postmortem.md"]))
