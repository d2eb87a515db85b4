"""Writes docs/reliability.md: what can go wrong and what is kept, a row for each test that makes it go wrong.

`make reliability`; the sentences are those of the tests in tests/faults, which run with all others.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tabulate import tabulate

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs/reliability.md"

INTRODUCTION = """\
# Reliability

Whatever happens, finished runs stay, an unfinished run goes on exactly where it was, and no table holds half a run.
How: every file is written whole or not at all; a run counts when its `result.json` is there, which comes last; until
then checkpoints (two are kept, each with a checksum) hold all that training needs further, random numbers included;
and who works on a run is agreed on by leases that free themselves when their holder dies.

So there is one answer to everything: run the same command again. Exit codes: 0 all done; 1 some runs failed or raised
an error, the others finished; 2 bad input, nothing began; 3 cut off, and the same command goes on.

`make soak` kills, suspends, tells to stop and cuts the power for an hour while two workers train ten small runs again
and again. Twice 61 minutes on a busy machine with two cores: 937 commands; 615 kills and power cuts, which cut off
3,731 files; 332 requests to stop and 290 suspensions; 13 stores with 130 runs, every one equal to the last bit to the
one trained in peace. It found that Ctrl-C while Python still imported ended `python -m harness` by the signal and not
with 3 (mended), and six commands that took more than a minute to leave while eight processes wanted each core.

This page is written by `make reliability`: {count} faults, each with the test that makes it happen, through the real
command (`tests/faults/…`).
"""


def page() -> str:
    if str(HOME / "tests") not in sys.path:
        sys.path.insert(0, str(HOME / "tests"))
    from faults import every_fault

    faults = every_fault()
    rows = [[row.happens, row.does, row.kept, f"`{row.test}`"] for row in faults]
    table = tabulate(rows, ["what happens", "what harness does", "what is kept", "shown by"], "pipe")
    return INTRODUCTION.format(count=len(faults)) + "\n" + table + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")
