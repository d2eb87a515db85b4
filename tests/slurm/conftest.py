"""What the tests on a real cluster share: a machine can be one by itself, see `cluster.sh`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurm.place import Place, Seen, asked, wait_for

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster(cache: Path) -> None:
    cache.mkdir(exist_ok=True)
    assert asked("sinfo", "--noheader"), "no cluster: tests/slurm/cluster.sh up"


@pytest.fixture
def place(cluster: None, tmp_path: Path) -> Iterator[Callable[[float], Place]]:
    """A folder to submit from, whose steps take so long. What it left in the queue is cancelled in the end."""
    yield lambda pace: Place(tmp_path, pace)
    subprocess.run(["scancel", "--me"], check=True)
    wait_for(lambda: not asked("squeue", "--me", "--noheader"))


@pytest.fixture(scope="session")
def undisturbed(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The runs and the leaderboard of one process that trains the grid without SLURM."""
    alone = Place(tmp_path_factory.mktemp("undisturbed"))
    alone.harness("run", *alone.words, "--workers", "1")
    return alone.seen()
