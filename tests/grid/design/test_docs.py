"""docs/grids.md: every example is a grid, and comes to what stands below it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from harness.grid import build
from harness.grid.design import in_words

PAGE = (Path(__file__).parents[3] / "docs/grids.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```\n(?:```text\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.mark.parametrize(("example", "told"), EXAMPLES)
def test_an_example_is_a_grid_and_comes_to_what_is_told(example: str, told: str) -> None:
    grid = build("example", tomllib.loads(example))
    assert told.splitlines() in ([], [f"{len(grid.arms)} methods", *in_words(grid.design)])


def test_the_table_counts_the_methods_of_its_example() -> None:
    raw = next(raw for raw in map(tomllib.loads, dict(EXAMPLES)) if raw.get("design") == {"kind": "full"})
    counts = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", PAGE, re.MULTILINE))
    assert counts == {kind: str(len(build("g", {**raw, "design": kind}).arms)) for kind in counts}
    assert counts.keys() == {"full", "fractional", "one-at-a-time", "leave-one-out"}
