"""What a person sees while a grid trains."""

from __future__ import annotations

import io

import pytest
from waiting import RUN

from harness.schedule.progress import Board, Counter, RunBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("resumed", "shown"), [(None, 0), ((1, 2), 12)])
def test_the_bar_of_a_second_try_counts_its_own_steps(resumed, shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    bar = RunBar(Board(1, 0), RUN, steps=10, epochs=2)
    for _ in range(12):
        bar.step(1, dict)
    bar.retried("out of memory; tried again")
    if resumed:
        bar.resumed(*resumed)
    assert (bar.bar.n, bar.bar.total) == (shown, 20)
    bar.close()


def test_a_piece_of_work_is_announced_once(capsys: pytest.CaptureFixture) -> None:
    board = Board(1, 0)
    for work in (Counter(board, "features", "caer", "train"), Counter(board, "clips", "caer", "")):
        for done in (0, 5, 10, 10, 10):  # who counts may say twice that it is over
            work(done, 10)
    said = capsys.readouterr().err.splitlines()
    assert said == ["features of caer train: 10 clips", "clips of caer: 10 clips"]


def test_each_run_names_what_alarmed_it_and_the_same_words_are_told_once(capsys: pytest.CaptureFixture) -> None:
    board = Board(2, 0)
    error = {"severity": "error", "sentinel": "flat-target", "message": "all but uniform", "mend": "sharpen it"}
    warning = {"severity": "warning", "sentinel": "missing-boxes", "message": "562 lack one", "mend": "give boxes"}
    result = {"dataset": "raer", "method": "ldl", "status": "done", "metrics": {}, "epoch": 0, "duration_s": 1.0}
    for seed in (0, 1):
        board.finished({**result, "seed": seed, "alarms": 2}, [warning, error])
    said = capsys.readouterr().err
    assert said.count("  ⚠ flat-target  △ missing-boxes\n") == 2
    assert said.count("⚠ raer ldl seed 0: error flat-target: all but uniform") == 1
    assert said.count("△ raer ldl seed 0: warning missing-boxes") == 1
