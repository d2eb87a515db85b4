"""The loop: who gets which clips, that every clip counts once, and what an epoch writes down."""

import contextlib
import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import Silent, make_watch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness import scores
from harness.data.loading import as_picks
from harness.data.sharing import epoch_picks, share
from harness.learner import Learner
from harness.methods.dc import Decorrelation
from harness.methods.ldl import LabelDistribution
from harness.methods.lsr import LabelSmoothing
from harness.protocol import Train
from harness.training import loop


def train(learner: Learner, splits, tell=print, **settings):
    torch.manual_seed(0)
    chosen, watch = Train(**{"epochs": 2, "batch_size": 8, **settings}), make_watch(splits, tell)
    return loop.train(learner, splits, chosen, "war", 0, Accelerator(cpu=True), Silent(), [], watch)


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_visits_every_clip_once(clips, batch_size, seed, epoch):
    steps = epoch_picks(np.zeros(clips), batch_size, seed, epoch)
    assert sorted(position for step in steps for position, _ in step) == list(range(clips))
    assert all(len(step) == batch_size for step in steps[:-1])


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_processes_and_micro_batches_share_a_batch_without_loss_or_repeat(size, world, accumulation):
    step = as_picks(range(size), range(size))
    shares = [micro for rank in range(world) for micro in share(step, rank, world, accumulation)]
    assert [pick for micro in shares if micro.weight for pick in micro.picks] == step
    assert math.isclose(sum(micro.weight for micro in shares), 1)
    assert all(share(step, rank, world, accumulation) for rank in range(world)), "DDP waits for every process"


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_neighbours_that_mixup_pairs_stay_in_one_micro_batch(size, world, accumulation):
    step = as_picks(range(size), range(size))
    for rank in range(world):
        for micro in share(step, rank, world, accumulation):
            if micro.weight:
                assert micro.picks[0][0] % 2 == 0


def test_a_run_repeats_to_the_last_bit(make_learner, splits):
    first, second = (train(make_learner("prompt+ldl+moco+mixup"), splits) for _ in range(2))
    assert (first.probabilities["test"] == second.probabilities["test"]).all()
    for one, two in zip(first.history, second.history, strict=True):
        assert {**one, "duration_s": 0} == {**two, "duration_s": 0}


def test_test_is_not_read_before_the_epoch_is_chosen(make_learner, splits):
    outcome = train(make_learner("prompt"), splits)
    assert all("test" not in row for row in outcome.history)
    best = max(range(len(outcome.history)), key=lambda i: (outcome.history[i]["val"]["war"], -i))
    assert outcome.epoch == best


def test_the_selected_epochs_weights_are_the_ones_evaluated(make_learner, splits):
    outcome = train(make_learner("prompt"), splits, epochs=4)
    found = outcome.probabilities["val"].astype(np.float64), splits["val"].labels.numpy()
    assert {"war": scores.war(*found), "uar": scores.uar(*found)} == outcome.history[outcome.epoch]["val"]


def test_oracle_selection_reads_test_every_epoch_and_last_takes_the_last(make_learner, splits):
    assert all("test" in row for row in train(make_learner("prompt"), splits, selection="oracle").history)
    assert train(make_learner("prompt"), splits, selection="last", epochs=3).epoch == 2


def test_evaluation_answers_every_clip_once_in_order(make_learner, splits):
    learner = make_learner("prompt")
    whole = loop.predict(learner, splits["test"], Accelerator(cpu=True))
    assert whole.shape == (len(splits["test"]), 3)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    loop.EVALUATION_BATCH, before = {"features": 2}, loop.EVALUATION_BATCH
    try:
        assert np.allclose(loop.predict(learner, splits["test"], Accelerator(cpu=True)), whole, atol=1e-6)
    finally:
        loop.EVALUATION_BATCH = before


def test_a_loss_that_is_no_number_stops_the_run(make_learner, splits):
    splits["train"].face[:] = float("nan")
    with pytest.raises(loop.NotFinite, match="no number"):
        train(make_learner("prompt"), splits)


def broken_from(step, value):
    """A loss term of `dc` that is 1 up to a step, and then `value(out)`."""

    def loss(self, out, batch, ctx):
        return {"dc": (1.0, value(out) if ctx.step >= step else out.logits.sum() * 0 + 1)}

    return loss


@pytest.mark.parametrize(
    ("step", "value", "said"),
    [
        (1, lambda out: (out.logits.sum() * 0).log(), "dc, then cls"),
        (2, lambda out: (out.logits.sum() * 0).log(), "dc"),  # the last step: nothing has caught it
        (1, lambda out: (out.logits.sum() * 0).sqrt(), "cls, dc"),  # its gradient is none, and all go at once
    ],
)
def test_the_term_that_broke_first_is_named_first(step, value, said, make_learner, splits, monkeypatch):
    told = []
    monkeypatch.setattr(Decorrelation, "loss", broken_from(step, value))
    with pytest.raises(loop.NotFinite, match=f"no number any more: {said}; look at what the first"):
        train(make_learner("prompt+dc"), splits, tell=told.append)
    (alarm,) = (alarm for alarm in told if alarm.sentinel == "not-finite")
    assert f"not finite: {said}. The run ends" in alarm.message


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda rows: 1.1 * rows, "ldl.kernel must give .* rows sum to 1.1 at least and 1.1 at most"),
        (lambda rows: rows + torch.tensor([[0.1, 0, -0.1]]), r"ldl.kernel .* least entry is -0.\d+ — divide each row"),
        (lambda rows: (rows - 1).log(), "ldl.kernel .* rows sum to nan at least"),
    ],
)
def test_targets_that_are_no_distributions_are_refused_by_the_component_that_made_them(
    after, said, make_learner, splits, monkeypatch
):
    kernel = LabelDistribution.kernel
    monkeypatch.setattr(LabelDistribution, "kernel", lambda self, rows, ctx: after(kernel(self, rows, ctx)))
    with pytest.raises(ValueError, match=said):
        train(make_learner("prompt+ldl+lsr+warmup(epochs=0)"), splits)


def test_targets_that_are_no_distributions_from_a_later_epoch_on_are_refused_then(make_learner, splits, monkeypatch):
    kernel, done = LabelSmoothing.kernel, []
    monkeypatch.setattr(LabelSmoothing, "kernel", lambda self, rows, ctx: (1 + ctx.epoch) * kernel(self, rows, ctx))
    monkeypatch.setattr(Silent, "epoch", lambda self, row: done.append(row))
    with pytest.raises(ValueError, match="lsr.kernel .* rows sum to 2 at least"):
        train(make_learner("lsr+prompt"), splits)
    assert len(done) == 1


def test_targets_made_of_text_that_is_no_number_are_not_blamed_on_who_made_them(make_learner, splits):
    learner = make_learner("prompt+ldl")
    with torch.no_grad():
        next(p for p in learner.model.text.parameters() if p.requires_grad).fill_(float("nan"))
    with pytest.raises(loop.NotFinite, match="no number"):
        train(learner, splits)


def test_an_epochs_row_tells_terms_weights_rates_and_target(make_learner, splits):
    row = train(make_learner("prompt+ldl(temperature=0.05)+moco(weight=0.5)"), splits).history[0]
    assert set(row["losses"]) == {"total", "cls", "moco"}
    assert row["losses"]["total"] == pytest.approx(row["losses"]["cls"] + 0.5 * row["losses"]["moco"], rel=1e-5)
    assert row["weights"] == {"cls": 1.0, "moco": 0.5}
    assert set(row["lr"]) == {"prompt", "head"}
    assert 0 < row["target"]["entropy"] < 1


def test_learning_rates_step_by_the_epoch(make_learner, splits):
    history = train(make_learner("prompt"), splits, epochs=3, schedule="steps", milestones=(1, 2), lr=0.1).history
    assert [row["lr"]["head"] for row in history] == pytest.approx([0.1, 0.01, 0.001])


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_a_micro_batch_knows_its_place_in_the_global_batch(size, world, accumulation):
    step = as_picks(range(size), range(size))
    for rank in range(world):
        for micro in share(step, rank, world, accumulation):
            assert micro.picks == step[micro.first : micro.first + len(micro.picks)]


class Reads(TorchDispatchMode):
    """Notes what makes a GPU's host wait: numbers read back, and shapes that depend on data."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition(".")[0]
        masks = name == "aten::index" and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
        if masks or name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal"):
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "method", ["prompt", "prompt+ldl+warmup+mixup+moco(queue=16)+dc+mi", "balanced+ldam+adapter+blv"]
)
def test_no_step_but_an_epochs_first_reads_a_number_back(method, make_learner, splits, monkeypatch):
    reads, step = Reads(), loop._Loop.step

    def watched(self, *inputs):
        with reads if self.ctx.step else contextlib.nullcontext():
            step(self, *inputs)

    monkeypatch.setattr(loop._Loop, "step", watched)
    train(make_learner(method), splits)
    assert not reads.found
    with reads:
        torch.ones(2).sum().item()
    assert reads.found == {"aten::_local_scalar_dense"}


def test_predictions_that_are_no_numbers_stop_the_run(make_learner, splits, monkeypatch):
    monkeypatch.setattr(loop, "predict", lambda learner, split, accelerator: np.full((len(split), 3), np.nan))
    with pytest.raises(loop.NotFinite, match="predictions are no numbers"):
        train(make_learner("prompt"), splits)
