"""What holds for every component, found by introspection: pairs, state, evaluation, gradients, extremes."""

import dataclasses
import itertools
from types import SimpleNamespace

import pytest
import torch
from conftest import make_watch
from hypothesis import given, settings
from situations import Case, Steps, cases, clips, closure, cls, learner

from harness import plugins
from harness.grid import grammar
from harness.grid.grammar import Incompatible
from harness.methods import Component

NAMES = plugins.names("methods")
HOOKS = ("on_batch", "kernel", "on_logits", "weigh", "loss", "after_step", "sampler")


def allowed(*names: str) -> bool:
    pairs = itertools.permutations(set(closure(*names).split("+")), 2)
    return not any(other in plugins.get("methods", name).excludes for name, other in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    part = plugins.get("methods", name)
    assert part.paper and part.__doc__
    assert all(field.metadata["help"] for field in dataclasses.fields(part.Settings))
    for other, why in {**part.requires, **part.excludes}.items():
        assert other in NAMES and len(why) > 20


@pytest.mark.parametrize("one", NAMES)
def test_it_trains_two_steps_beside_every_other_that_is_allowed(one):
    for other in NAMES[NAMES.index(one) + 1 :]:
        method = closure(one, other)
        if not allowed(one, other):
            with pytest.raises(Incompatible, match="exclude each other"):
                grammar.resolve(method)
            continue
        run = Steps(method)
        for number in range(2):
            loss = run.step(number)
            assert torch.isfinite(loss.total), method
        assert all(torch.isfinite(p).all() for p in run.learner.parameters()), method


@pytest.mark.parametrize("without", [{"logit-adjust", "focal"}, {"ldam", "balanced", "ldl", "warmup"}])
def test_all_that_are_allowed_together_train_together(without):
    method = closure(*(name for name in NAMES if name not in without))
    run = Steps(method)
    before = [p.detach().clone() for p in run.learner.parameters() if p.requires_grad]
    run.step(0)
    after = [p for p in run.learner.parameters() if p.requires_grad]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True)), "a parameter did not move"


@pytest.mark.parametrize("name", NAMES)
def test_its_state_survives_saving_into_a_fresh_learner(name, tmp_path):
    run, fresh = Steps(closure(name)), Steps(closure(name))
    for number in range(2):
        run.step(number)
    torch.save({"learner": run.learner.state_dict(), "optimizer": run.optimizer.state_dict()}, tmp_path / "state")
    state = torch.load(tmp_path / "state", weights_only=True)
    fresh.learner.load_state_dict(state["learner"], strict=True)
    fresh.optimizer.load_state_dict(state["optimizer"])
    assert torch.equal(run.step(2).total, fresh.step(2).total)
    states = run.learner.state_dict(), fresh.learner.state_dict()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize("name", NAMES)
def test_no_hook_reaches_evaluation(name, monkeypatch):
    made = learner(closure(name)).eval()

    def never(*args):
        raise AssertionError("called in evaluation")

    for hook in HOOKS:
        monkeypatch.setattr(type(made.components[name]), hook, never)
    with torch.no_grad():
        logits = made.model(made.model.features(clips())).logits
        assert torch.equal(logits, made.model(clips()).logits), "evaluation is random"
        if plugins.get("methods", name).extend is Component.extend or name in ("mi", "moco"):
            rest = closure(name).split("+")
            rest.remove(name)
            assert torch.equal(logits, learner("+".join(rest) or "plain").eval().model(clips()).logits)


def target_of(name: str) -> str:
    """The component with what it requires; a warm-up that is over."""
    return closure(name).replace("warmup", "warmup(epochs=0)")


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=12)
@given(cases)
def test_the_classification_loss_is_finite_and_has_finite_gradients(name, case):
    for dtype in (torch.float64, torch.float32):
        batch, ctx = case.make()
        batch.target, ctx.out.text, ctx.out.text_raw = (
            rows.to(dtype) for rows in (batch.target, ctx.out.text, ctx.out.text_raw)
        )
        logits = ctx.out.logits = ctx.out.logits.to(dtype).requires_grad_()
        loss = cls(target_of(name), batch, ctx)
        loss.sum().backward()
        assert loss.shape == (case.size,) and loss.dtype == dtype
        assert torch.isfinite(loss).all() and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mixed", [False, True])
def test_the_gradient_of_the_classification_loss_is_right(name, mixed):
    batch, ctx = Case(size=3, classes=3, temperature=0.1, mixed=mixed).cosines()

    def loss(logits):
        torch.manual_seed(0)
        return cls(target_of(name), batch, ctx, logits)

    assert torch.autograd.gradcheck(loss, ctx.out.logits.clone().requires_grad_())


def test_half_precision_stops_before_targets_and_losses():
    made, run = learner("dc+ldl+mi+moco+prompt"), Steps("dc+ldl+mi+moco+prompt")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = made(clips(), run.ctx)
    assert loss.logits.dtype == loss.total.dtype == loss.targets.dtype == torch.float32
    assert torch.allclose(loss.targets.sum(-1), torch.ones(3), atol=1e-6)
    video, text = run.ctx.out.video, run.ctx.out.text
    assert torch.allclose(loss.logits, video @ text.T / 0.01, atol=1e-3)


def test_components_that_need_counts_say_so():
    batch, ctx = Case().make()
    ctx.counts = None
    for name in ("ldam", "logit-adjust", "blv"):
        with pytest.raises(AssertionError, match="how many clips"):
            cls(name, batch, ctx)


def test_counts_are_of_the_training_labels_before_any_sampler(splits, monkeypatch):
    from accelerate import Accelerator

    from harness.protocol import Train
    from harness.training import loop

    seen = []
    made = learner("balanced+ldam")
    monkeypatch.setattr(
        type(made.components["ldam"]),
        "on_logits",
        lambda self, logits, batch, ctx: (seen.append(ctx.counts.tolist()), logits)[1],
    )
    silent = SimpleNamespace(step=lambda *args: None, epoch=lambda *args: None, alarm=print)
    loop.train(made, splits, Train(epochs=1), "war", 0, Accelerator(cpu=True), silent, [], make_watch(splits))
    assert set(map(tuple, seen)) == {(8, 8, 7)}
