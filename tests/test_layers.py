"""Imports point downwards: the contracts of `pyproject.toml` hold, and the listing shows every room."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_imports_point_downwards_and_the_reading_half_stays_light():
    check = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert check.returncode == 0, check.stdout
    assert "3 kept, 0 broken" in check.stdout
