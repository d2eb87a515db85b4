"""`harness plan`: what a grid would train, what of it is done, and what the rest takes."""

from __future__ import annotations

import argparse
import dataclasses
import json

from harness.commands import Add, watch
from harness.commands.arguments import command_line, grid_of, selectors


def declare(add: Add) -> None:
    parser = add("plan", plan, "what would run, what is done, how long it takes")
    selectors(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--watch", action="store_true", help="then show how far it is, until all has ended")


def plan(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = grid_of(arguments)
    from harness import plan as planning
    from harness.commands.course import stored_plan, tell_lost
    from harness.plan import outlook, seeds
    from harness.store import Store

    store = Store(arguments.runs)
    stored, chosen = stored_plan(store, grid.name), grid.selected
    grid, ruled = seeds.carried(grid, stored)
    if arguments.seeds:
        grid = dataclasses.replace(grid, selected=chosen)  # without the seeds that were added
    tell_lost(stored, grid, ruled=bool(ruled))
    resolved = planning.plan(grid)
    planned = planning.as_json(resolved, store, command_line(arguments)) | ruled
    store.write_plan(grid.name, planned)
    if arguments.watch:
        watch.follow(store, grid.name)
        return 0
    detectable, untold = seeds.outlook(store, planned)
    selected = {run.run_id for run in resolved.runs if run.wanted}
    used = {copy.adapter.name for copy in resolved.wanted_copies.values()}
    planned["runs"] = [row for row in planned["runs"] if row["run_id"] in selected]
    planned["shared"] = outlook.shared(grid)
    planned["cache"] = outlook.cache(resolved)
    planned["detectable"], planned["untold"] = detectable, untold
    planned["data"] = [
        {"dataset": name, "root": grid.data[name].root, "from": grid.origins[name]}
        for name in grid.datasets
        if name in used
    ]
    print(json.dumps(planned, indent=2) if arguments.json else outlook.as_text(planned))
    return 0
