"""What a watch and a tally take with them from one process to the next."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from harness import plugins
from harness.errors import BadInput
from harness.learner import Loss
from harness.methods import Batch
from harness.protocol import Train
from harness.sentinels import Epoch, Finding, Sentinel, Setup
from harness.training.tally import Tally
from harness.training.watch import Watch


class Counting(Sentinel):
    """Says at the setup that it is there, and in each epoch what it has seen so far."""

    name = "counting"
    memory = ("count", "largest")

    def on_setup(self, setup):
        self.count, self.largest = 0, {"epoch": torch.zeros(3, 2)}
        yield Finding("here", "go on", {"splits": ("val", "test"), "clips": {0: 3}}, "setup")

    def on_epoch(self, epoch):
        self.count += 1
        self.largest["epoch"] += epoch.number + 0.1
        yield Finding(f"{self.count} epochs", "go on", {"sum": float(self.largest["epoch"].sum())}, str(self.count))


class Forgetful(Counting):
    name = "forgetful"
    memory = ()


class Hoarding(Counting):
    name = "hoarding"
    memory = ("settings",)


def through_a_file(state: dict[str, Any]) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def an_epoch(number: int) -> Epoch:
    facts = dict.fromkeys(Epoch.__dataclass_fields__)
    return Epoch(**facts | {"number": number, "steps": 1})


@pytest.fixture
def begin(monkeypatch):
    """Begins to watch with these sentinels alone; gives the watch and what it tells."""

    def begins(*classes: type[Sentinel], device: str = "cpu") -> tuple[Watch, list[Any]]:
        for cls in classes:
            monkeypatch.setitem(plugins._from_files["sentinels"], cls.name, cls)
        told: list[Any] = []
        watch = Watch({}, told.append)
        watch.sentinels = [one for one in watch.sentinels if type(one) in classes]
        watch.setup(Setup(nn.Linear(1, 1, device=device), (), Train(), "war", 1))
        return watch, told

    return begins


def test_a_watch_that_goes_on_has_the_alarms_of_the_old_one_and_tells_none_of_them_twice(begin):
    old, told = begin(Counting)
    old.epoch(an_epoch(0))
    new, again = begin(Counting)
    new.load_state_dict(through_a_file(old.state_dict()))
    assert new.alarms == old.alarms == told
    old.epoch(an_epoch(1))
    new.epoch(an_epoch(1))
    assert new.alarms == old.alarms
    assert [alarm.message for alarm in again] == ["here", "2 epochs"], "its own setup, and what is new"


def test_an_alarms_evidence_is_as_its_line_says(begin):
    watch, _ = begin(Counting)
    assert watch.alarms[0].evidence == {"splits": ["val", "test"], "clips": {"0": 3}}


def test_a_state_stays_what_it_was_when_the_run_goes_on(begin):
    old, _ = begin(Counting)
    state = old.state_dict()
    old.epoch(an_epoch(0))
    new, _ = begin(Counting)
    new.load_state_dict(state)
    new.epoch(an_epoch(0))
    assert (state["sentinels"]["counting"]["count"], len(state["alarms"])) == (0, 1)
    assert not state["sentinels"]["counting"]["largest"]["epoch"].any()
    assert new.alarms == old.alarms


def test_a_sentinel_without_memory_goes_on_as_if_it_had_seen_nothing(begin):
    old, _ = begin(Counting, Forgetful)
    for number in range(2):
        old.epoch(an_epoch(number))
    new, told = begin(Counting, Forgetful)
    new.load_state_dict(through_a_file(old.state_dict()))
    told.clear()
    for number in range(2, 5):
        new.epoch(an_epoch(number))
    by_name = [(alarm.sentinel, alarm.message) for alarm in told]
    assert by_name == [(Counting.name, f"{n} epochs") for n in (3, 4)] + [
        (Counting.name, "5 epochs"),
        (Forgetful.name, "3 epochs"),
    ], "it begins anew, and what it has told stays told"


def test_a_sentinel_that_was_not_there_yet_begins_with_nothing(begin):
    old, _ = begin(Counting)
    new, _ = begin(Counting, Forgetful)
    new.load_state_dict(through_a_file(old.state_dict()))
    new.epoch(an_epoch(0))
    assert [alarm.message for alarm in new.alarms if alarm.sentinel == "forgetful"] == ["1 epochs"]


def test_tensors_are_stored_on_the_cpu_and_go_on_where_the_run_does(begin):
    old, _ = begin(Counting)
    new, _ = begin(Counting, device="meta")
    new.load_state_dict(through_a_file(old.state_dict()))
    assert new.sentinels[0].largest["epoch"].device.type == "meta"


def test_memory_that_no_checkpoint_can_hold_is_named(begin):
    watch, _ = begin(Hoarding)
    with pytest.raises(BadInput, match="hoarding: settings: a checkpoint can't hold a Watching"):
        watch.state_dict()


def test_memory_is_a_tuple_of_names():
    assert not Counting.problem()
    assert "memory" in type("Bad", (Counting,), {"memory": "count"}).problem()


# ── tally ───────────────────────────────────────────────────────────────────────────────────────────────────────


def batches(count: int) -> list[tuple[Loss, Batch, float, torch.Tensor]]:
    """Losses of three classes with a term, and gradient norms."""
    rng, found = torch.Generator().manual_seed(0), []
    for size in range(1, count + 1):
        label = torch.randint(3, (size,), generator=rng)
        value, logits = torch.rand(2, generator=rng), torch.randn(size, 3, generator=rng)
        loss = Loss(
            value.sum(),
            {"cls": (1.0, value[0]), "mi": (0.3, value[1])},
            logits,
            torch.rand(3, 3, generator=rng).softmax(-1),
        )
        empty = torch.zeros(size, 0)
        batch = Batch(empty, empty, label, nn.functional.one_hot(label, 3).float())
        found.append((loss, batch, 1 / (size + 2), torch.rand((), generator=rng)))
    return found


@pytest.mark.parametrize("cut", range(6))
def test_a_tally_that_goes_on_adds_up_to_the_last_bit(cut):
    whole, parts = (Tally(3, torch.device("cpu")) for _ in range(2))
    for number, (loss, batch, weight, norm) in enumerate(batches(6)):
        if number == cut:
            parts = resumed(parts)
        for tally in (whole, parts) if number < 5 else ():
            tally.add(loss, batch, weight)
            tally.norm(norm)
            tally.skipped += number % 2
    accelerator = Accelerator(cpu=True)
    assert parts.live() == whole.live()
    assert parts.row(accelerator) == whole.row(accelerator)
    assert (parts.table == whole.table).all() and parts.skipped == whole.skipped == 2


def resumed(tally: Tally) -> Tally:
    """A new tally, from the file of this one, which goes on meanwhile."""
    state, new = tally.state_dict(), Tally(3, torch.device("cpu"))
    ((loss, batch, weight, norm),) = batches(1)
    tally.add(loss, batch, weight)
    tally.norm(norm)
    new.load_state_dict(through_a_file(state))
    return new


def test_evidence_that_is_no_number_is_told_in_words(splits):
    from harness.training.watch import _alarm

    class Odd(Sentinel):
        name, severity = "odd", "error"

    _, alarm = _alarm(Odd(Odd.Settings()), Finding("what", "mend", {"x": float("nan"), "y": (1, float("inf"))}), 0, 0)
    assert alarm.evidence == {"x": "NaN", "y": [1, "Infinity"]}
