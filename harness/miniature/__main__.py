"""`python -m harness.miniature OUT [LIMIT]` renders the miniatures by hand."""

import sys
from pathlib import Path

from harness.miniature.layouts import render

if __name__ == "__main__":
    render(
        Path(sys.argv[1]),
        limit=int(sys.argv[2]) if len(sys.argv) > 2 else None,
        progress=lambda done, total: print(f"\r{done}/{total} clips", end="", flush=True),
    )
    print()
