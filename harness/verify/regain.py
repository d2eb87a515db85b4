"""Trained weights for runs that were done without them: each is trained again, and its weights are kept if it agrees.

A stored result is never written over. The run is trained elsewhere, as `harness verify` does it, and where that gives
the stored predictions (to the last bit on a machine of the same type, else within the tolerance) the weights go to it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from harness import verify
from harness.errors import BadInput
from harness.files import write_bytes
from harness.plan import Plan
from harness.schedule.launch import Launch
from harness.schedule.progress import Board
from harness.store import Record, Store
from harness.trained import FILE
from harness.verify.again import Again, Unverifiable
from harness.words import plural


def lacking(plan: Plan, store: Store) -> list[Record]:
    """The plan's wanted runs that are done and have no weights."""
    found = (store.record(run.dataset, run.run_id) for run in plan.runs if run.wanted)
    return [record for record in found if record and record.done and not (record.folder / FILE).exists()]


def regain(records: Sequence[Record], launch: Launch) -> dict[str, str]:
    """Trains the runs again for their weights, one after the other; gives those that have none all the same, and why.

    Under a launcher of several processes nothing is trained, since runs are trained here by one alone.
    """
    if launch.world > 1:
        return {
            record.run_id: "was done before, without weights: ask for them without a launcher" for record in records
        }
    board, refused = Board(len(records), 0, silent=not launch.leads), dict[str, str]()
    if records:
        board.say(f"done without their weights, and trained again for them: {plural(len(records), 'run')}")
    with tempfile.TemporaryDirectory(prefix="harness-regain-") as folder:
        again = Again(Store(folder), launch, board, save_model=True)
        for record in records:
            try:
                board.say(f"{record.run_id}: its weights are kept ({_regained(record, again)})")
            except (Unverifiable, BadInput) as error:
                refused[record.run_id] = str(error)
    board.close()
    return refused


def _regained(record: Record, again: Again) -> str:
    """How the training for them agreed with the stored one. Raises `Unverifiable` where none did."""
    trained = again.train(record)
    assert trained is not None, "the only process is the first"
    verdict = verify.judge(record, trained, "")
    if not verdict.agrees:
        raise Unverifiable(f"trained again it differs, so its weights are not kept: {'; '.join(verdict.why)}")
    write_bytes(record.folder / FILE, (trained.folder / FILE).read_bytes())
    return verdict.verdict
