"""Shards of rows: written once by whoever is there, whole or not at all, mapped and indexed like one tensor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.data.shelf import ITEMS, Item, Made, Rows, Shelf

COUNT = 3 * ITEMS + 5


def items(count: int = COUNT) -> list[Item[int]]:
    return [Item(number, (f"{number}/0", f"{number}/1")) for number in range(count)]


def silent(done: int, total: int) -> None: ...


def rows_of(number: int, places) -> Made:
    rows = torch.tensor([[10.0 * number + place] * 3 for place in places])
    return Made({"a": rows, "b": -rows}, [{"number": number}] * len(places))


def fill(folder: Path, log: Path, pause: float, together=None) -> None:
    """In a process of its own: logs every item that it makes."""
    if together is not None:
        together.wait(120)

    def make(number: int, places) -> Made:
        time.sleep(pause)
        with log.open("a") as file:
            file.write(f"{number}\n")
        return rows_of(number, places)

    Shelf(folder).fill(items(), lambda: make, silent)


SPAWN = multiprocessing.get_context("spawn")


def start(folder: Path, log: Path, pause: float, together=None) -> multiprocessing.Process:
    process = SPAWN.Process(target=fill, args=(folder, log, pause, together))
    process.start()
    return process


def check(folder: Path) -> None:
    shelf = Shelf(folder)
    shelf.fill(items(), lambda: pytest.fail("all was there"), silent)
    keys = [[f"{number}/{view}" for number in range(COUNT)] for view in range(2)]
    rows = shelf.rows("b", keys)
    wanted = -(torch.arange(2)[:, None] + 10.0 * torch.arange(COUNT))[..., None].expand(2, COUNT, 3)
    assert torch.equal(rows.read(), wanted)
    assert rows.numel() == wanted.numel()


def test_two_processes_share_the_work_and_do_none_of_it_twice(tmp_path):
    together = SPAWN.Barrier(2)
    processes = [start(tmp_path / "shelf", tmp_path / f"log{n}", 0.01, together) for n in range(2)]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    made = [Path(tmp_path / f"log{n}").read_text().split() for n in range(2)]
    assert sorted(int(number) for log in made for number in log) == list(range(COUNT))
    check(tmp_path / "shelf")


def test_a_process_that_dies_half_way_leaves_the_rest_to_others(tmp_path):
    process = start(tmp_path / "shelf", tmp_path / "log", 0.02)
    while not list((tmp_path / "shelf").glob("*.safetensors")):
        time.sleep(0.05)
        assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    fill(tmp_path / "shelf", tmp_path / "log2", 0)
    assert 0 < len((tmp_path / "log2").read_text().split()) < COUNT, "whole shards stay"
    check(tmp_path / "shelf")


def test_a_damaged_shard_is_told_and_made_again(tmp_path, capsys):
    shelf = tmp_path / "shelf"
    Shelf(shelf).fill(items(), lambda: rows_of, silent)
    first, second = sorted(shelf.glob("*.safetensors"))[:2]
    first.write_bytes(first.read_bytes()[:-7])
    second.write_bytes(b"")
    made = []
    Shelf(shelf).fill(items(), lambda: lambda number, places: (made.append(number), rows_of(number, places))[1], silent)
    assert len(made) == 2 * ITEMS or len(made) == ITEMS + 5
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": damaged")[0] for line in told] == [str(first), str(second)]
    check(shelf)


def test_what_cannot_be_made_is_tried_again_by_whoever_comes_next(tmp_path):
    def broken(number, places):
        return Made({}) if number == 3 else rows_of(number, places)

    for _ in range(2):
        shelf = Shelf(tmp_path)
        shelf.fill(items(), lambda: broken, silent)
        assert not shelf.has("3/0")
        assert shelf.has("4/1")
    made = []
    Shelf(tmp_path).fill(items(), lambda: lambda n, places: (made.append(n), rows_of(n, places))[1], silent)
    assert made == [3]
    check(tmp_path)


def test_progress_counts_items_up_to_all_of_them(tmp_path):
    seen = []
    Shelf(tmp_path).fill(items(), lambda: rows_of, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, COUNT)
    assert seen[-1] == (COUNT, COUNT)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_rows_in_parts_are_indexed_like_one_tensor(sizes, data):
    parts = [torch.randn(size, 2) for size in sizes]
    whole = torch.cat(parts)
    places = [(part, row) for part, size in enumerate(sizes) for row in range(size)]
    order = data.draw(st.permutations(range(len(places))))
    rows = Rows(parts, torch.tensor([[places[i] for i in order]]))
    wanted = whole[list(order)][None]
    picks = data.draw(st.lists(st.integers(0, len(places) - 1), min_size=1, max_size=9))
    assert torch.equal(rows[[0] * len(picks), picks], wanted[[0] * len(picks), picks])
    assert torch.equal(rows.read(), wanted)
