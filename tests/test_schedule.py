"""Who trains what, where: placement and workers are chosen and explained, and what the launcher gave is known."""

import types

import pytest
import torch

from harness import launch, schedule
from harness.errors import BadInput
from harness.launch import Launch
from harness.protocol import Model

ONE = Launch(rank=0, local_rank=0, world=1, local_world=1, worker=0)
TWO = Launch(rank=1, local_rank=1, world=2, local_world=2, worker=0)


def plan(trunk: str):
    return types.SimpleNamespace(grid=types.SimpleNamespace(sections={"model": Model(trunk=trunk)}))


@pytest.mark.parametrize(
    ("trunk", "where", "expected"),
    [("frozen", ONE, "pair"), ("frozen", TWO, "pair"), ("trainable", ONE, "pair"), ("trainable", TWO, "data")],
)
def test_auto_placement_follows_the_trunk_and_says_why(trunk, where, expected):
    placement, why = schedule._placement(plan(trunk), "auto", where)
    assert placement == expected
    assert why
    assert schedule._placement(plan(trunk), "data", where)[0] == "data"


@pytest.mark.skipif(torch.cuda.is_available(), reason="counts cores only where there is no GPU")
def test_auto_workers_use_the_cores_of_one_process_but_not_more_than_there_are_runs(monkeypatch):
    monkeypatch.setattr(schedule.os, "sched_getaffinity", lambda _: set(range(4)))

    def count(trunk="frozen", placement="pair", where=ONE, asked="auto", todo=108):
        return schedule._workers(plan(trunk), asked, placement, where, todo)[0]

    assert count() == 4
    assert count(todo=2) == 2
    assert count(todo=0) == 1
    assert count(where=TWO) == 1
    assert count(trunk="trainable") == 1
    assert count(asked="3") == 3
    assert count(placement="data") == 1
    with pytest.raises(BadInput, match="--workers"):
        count(placement="data", asked="3")


def test_the_launch_is_read_from_the_environment(monkeypatch):
    for name, value in {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    found = launch.here()
    assert (found.rank, found.local_rank, found.world, found.local_world) == (3, 1, 4, 2)
    assert not found.leads


def test_a_launcher_that_started_fewer_processes_is_named(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert launch.shortfall(ONE) == ""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert "asked for" in launch.shortfall(ONE)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launch.shortfall(ONE) == ""
