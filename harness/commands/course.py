"""What every door does on its way to trained runs: a plan takes the place of a stored one, and a grid is trained, until
its intervals are narrow where that is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import plan as planning
from harness.errors import BadInput
from harness.files import Damaged
from harness.plan import seeds
from harness.plan.seeds import Until

if TYPE_CHECKING:
    from harness.grid import Grid
    from harness.plan import Plan
    from harness.schedule.placement import Asked, Outcome
    from harness.store import Store


def stored_plan(store: Store, grid: str) -> dict[str, Any]:
    """The plan that a new one is about to replace; empty where there is none, or none that can be read."""
    try:
        return store.read_plan(grid)
    except Damaged as error:
        print(f"planned anew: {error}", file=sys.stderr)
    except BadInput:  # never planned
        pass
    return {}


def tell_lost(stored: Mapping[str, Any], grid: Grid, *, ruled: bool) -> None:
    """Says which seeds and which rule of an earlier `--until` a new plan of the grid does not have any more."""
    if gone := seeds.lost(stored, grid, ruled):
        print(gone, file=sys.stderr)


@dataclass(frozen=True)
class Course:
    """How grids are trained: into which store, how that was asked for, and by which rule seeds are added.

    `command` is the one that trains a whole grid, `argv` are the words of this one, for workers.
    """

    store: Store
    asked: Asked
    command: str
    argv: Sequence[str]
    until: Until = field(default_factory=Until)

    def train(self, grid: Grid) -> tuple[Outcome, str]:
        """What became of a grid's runs, and why no number of seeds makes its intervals narrow enough, if none does."""
        from harness.schedule import launch

        here, own = launch.here(), len(grid.seeds)  # before training hides what the launcher has told
        stored, unreached = stored_plan(self.store, grid.name) if here.leads else {}, ""
        if self.until.seeds:
            grid = seeds.extended(grid, self.until.seeds)
        if not self.until.width:
            tell_lost(stored, grid, ruled=False)
        planned, record, outcome = self._round(grid, own)
        if self.until.width:
            if not outcome.failed:
                grid, unreached = self._widened(grid, record)
            if len(grid.seeds) > own:
                died = outcome.died
                planned, _, outcome = self._round(grid, own)
                outcome.died = died + outcome.died
            tell_lost(stored, grid, ruled=True)
        if self.asked.save_model and here.leads and not here.task:
            from harness.verify import regain

            outcome.weightless = regain.regain(regain.lacking(planned, self.store), here)
        return outcome, unreached

    def _round(self, grid: Grid, own: int) -> tuple[Plan, dict[str, Any], Outcome]:
        """A grid trained once: its plan, how that is stored, and what became of its runs. Seeds beyond its `own` were
        added by the rule.
        """
        from harness.schedule import launch, placement

        planned, argv = planning.plan(grid), self.argv
        record = planning.as_json(planned, self.store, self.command) if launch.here().leads or self.until.width else {}
        if added := len(grid.seeds) - own:
            record["added"] = added
        if self.until.width:
            record["until"] = {"width": self.until.width, "pilot": own}
            argv = [*argv, "--until", f"seeds={len(grid.seeds)}"]
        return planned, record, placement.run(planned, record, self.store, self.asked, argv)

    def _widened(self, grid: Grid, record: Mapping[str, Any]) -> tuple[Grid, str]:
        """The grid with the seeds that its intervals take on the data sets that are selected, or why no number does."""
        chosen = grid.datasets if grid.selected is None else {dataset for dataset, _, _ in grid.selected}
        rows = [row for row in record["runs"] if row["dataset"] in chosen]
        try:
            return seeds.extended(grid, seeds.needed(self.store, {**record, "runs": rows}, self.until.width)), ""
        except BadInput as error:  # what is trained stays, and its leaderboard is written
            return grid, str(error)
