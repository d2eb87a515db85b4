"""What a person sees while a grid trains."""

from __future__ import annotations

import pytest

from harness.schedule.progress import Board, Counter


def test_a_piece_of_work_is_announced_once(capsys: pytest.CaptureFixture) -> None:
    board = Board(1, 0)
    for work in (Counter(board, "features of caer train"), Counter(board, "features of caer val")):
        for done in (0, 5, 10, 10, 10):  # who counts may say twice that it is over
            work(done, 10)
    said = capsys.readouterr().err.splitlines()
    assert said == ["features of caer train: 10 clips", "features of caer val: 10 clips"]
