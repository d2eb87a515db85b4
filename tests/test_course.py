"""The course of a training: rounds until intervals are narrow, deaths and weights over all of them, plans replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import grid, plan
from harness.commands.course import Course
from harness.plan import seeds
from harness.plan.seeds import Until
from harness.schedule import placement
from harness.schedule.placement import Asked, Outcome
from harness.store import Store
from harness.verify import regain

RULE = {"until": {"width": 0.01, "pilot": 1}, "added": 1, "command": "harness run --until 'ci<1'"}


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is trained round by round, though nothing is: the seeds, the plan as stored, and words for workers. In each
    round a worker dies.
    """
    seen: list[Any] = []

    def run(planned: plan.Plan, record: dict[str, Any], store: Store, asked: Asked, argv: list[str]) -> Outcome:
        seen.append((planned.grid.seeds, record, argv))
        store.write_plan(planned.grid.name, record)
        return Outcome(done=len(planned.runs), died=[f"of round {len(seen)}"])

    monkeypatch.setattr(plan, "_open", lambda name, made: iter(()))
    monkeypatch.setattr(placement, "run", run)
    monkeypatch.setattr(seeds, "needed", lambda store, record, width: 3)
    return seen


def course(tmp_path: Path, until: Until, **asked: Any) -> tuple[Course, grid.Grid]:
    made = grid.build("mine", {"datasets": ["caer"], "methods": ["prompt", "lsr"], "seeds": [0]})
    return Course(Store(tmp_path), Asked(**asked), "harness run", ["run"], until), made


def test_a_second_round_has_the_seeds_that_narrow_intervals_take_and_forgets_no_death(
    rounds: list[Any], tmp_path: Path
) -> None:
    training, made = course(tmp_path, Until(width=0.01))
    outcome, unreached = training.train(made)
    assert [found for found, *_ in rounds] == [(0,), (0, 1, 2)] and unreached == ""
    assert outcome.died == ["of round 1", "of round 2"]
    assert rounds[1][1]["added"] == 2 and rounds[1][1]["until"] == {"width": 0.01, "pilot": 1}
    assert [argv for *_, argv in rounds] == [["run", "--until", f"seeds={count}"] for count in (1, 3)]


def test_weights_are_regained_once_and_in_the_end(
    rounds: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = []

    def regained(records: Any, launch: Any) -> dict[str, str]:
        after.append(len(rounds))
        return {"a run": "it differs"}

    monkeypatch.setattr(regain, "regain", regained)
    training, made = course(tmp_path, Until(width=0.01), save_model=True)
    assert training.train(made)[0].weightless == {"a run": "it differs"} and after == [2]


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (Until(), "mine is planned anew without the added seed 1 and the rule"),
        (Until(seeds=2), "mine is planned anew without the rule"),
        (Until(width=0.5), ""),
    ],
)
def test_what_an_earlier_rule_did_is_not_undone_without_a_word(
    rounds: list[Any], until: Until, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"seed": seed} for seed in (0, 1)]
    Store(tmp_path).write_plan("mine", {"grid": "mine", "runs": rows, **RULE})
    training, made = course(tmp_path, until)
    training.train(made)
    told = capsys.readouterr().err
    assert said in told and bool(told) == bool(said)
