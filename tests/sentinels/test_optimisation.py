"""The edges of the sentinels of optimisation and evaluation: what must stay quiet, and what each setting turns."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import Silent, small_learner
from torch.nn import functional as F
from turning import turned

from harness import plugins
from harness.data.loading import as_picks
from harness.grid import grammar
from harness.methods import Component
from harness.protocol import Train
from harness.sentinels import Epoch, Sentinel, Setup, Watching
from harness.sentinels.dead_gradient import DeadGradient
from harness.sentinels.overflow import Overflow
from harness.sentinels.schedule_stuck import _factor
from harness.settings import plain, recording, unread
from harness.training import loop, optimisation
from harness.training.watch import Watch
from sentinels.defects.schedule_stuck import own_groups_dropped

OURS = {
    "frozen-group",
    "dead-gradient",
    "overflow",
    "schedule-stuck",
    "unused-setting",
    "partial-checkpoint",
    "train-mode-evaluation",
    "double-count",
}


def alarms(learner, splits, settings=None, **train):
    """The alarms of these sentinels in a short run on synthetic features."""
    found = []
    watch = Watch(settings or {}, found.append)
    watch.sentinels = [sentinel for sentinel in watch.sentinels if sentinel.name in OURS]
    chosen = recording(Train(**{"epochs": 3, "batch_size": 8, "lr": 0.01, **train}))
    loop.train(learner, splits, chosen, "war", 0, Accelerator(cpu=True), Silent(), [], watch)
    return found


def an_epoch(**facts) -> Epoch:
    """An epoch of two clips, both right, with these facts."""
    right = {"war": 1.0, "uar": 1.0}
    usual = {
        "number": 0,
        "row": {"train": right, "val": right},
        "confusion": np.eye(2),
        "picked": np.ones(2),
        "order": np.arange(2),
        "probabilities": np.eye(2),
        "labels": np.arange(2),
        "rates": {},
        "learner": None,
        "steps": 40,
        "skipped": 0,
        "scale": None,
    }
    return Epoch(**usual | facts)


def turned_settings():
    """Each setting of each component away from its default, alone."""
    for name in plugins.names("methods"):
        cls = plugins.get("methods", name).Settings
        for field in dataclasses.fields(cls):
            if (name, field.name) not in {("mixup", "level"), ("mixup", "connected")}:  # pixels; a defect on purpose
                yield name, cls(**{field.name: turned(field, field.default)})


@pytest.mark.parametrize(("name", "settings"), list(turned_settings()), ids=str)
def test_no_setting_that_acts_is_called_unused(name, settings, make_learner, splits):
    parts = {
        part: plugins.get("methods", part).Settings() for part in ("prompt", *plugins.get("methods", name).requires)
    }
    method = str(grammar.Method(tuple(sorted({**parts, name: settings}.items()))))
    assert not [a for a in alarms(make_learner(method), splits, epochs=2) if a.sentinel == "unused-setting"]


@pytest.mark.parametrize(
    "train", [{"accumulation": 3}, {"optimizer": "sgd"}, {"schedule": "steps", "milestones": (1, 2)}]
)
def test_the_ways_to_train_raise_nothing(train, make_learner, splits):
    assert not alarms(make_learner("prompt+adapter+mixup+moco(queue_of=video,positive=video)+mi+dc"), splits, **train)


def test_milestones_without_steps_are_called_unused(make_learner, splits):
    (found,) = alarms(make_learner("prompt"), splits, milestones=(1, 2))
    assert (found.sentinel, found.severity, found.evidence["setting"]) == (
        "unused-setting",
        "warning",
        "train.milestones",
    )


def test_who_only_watches_leaves_no_trace_in_what_was_read():
    settings = recording(Train(lr=0.5))
    assert plain(settings).lr == 0.5
    assert unread(settings) == ["lr"]
    assert settings.lr == 0.5
    assert unread(settings) == []


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps"])
def test_the_schedules_closed_form_is_what_the_loop_multiplies_by(schedule):
    train = Train(schedule=schedule, epochs=20, milestones=(3, 9))
    for epoch in range(20):
        assert _factor(train, epoch) == pytest.approx(optimisation.rate(train, epoch), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        ({"skipped": 16}, None),
        ({"skipped": 17}, "warning"),
        ({"skipped": 40}, "error"),
        ({"skipped": 2, "steps": 2}, "warning"),
        ({"skipped": 16, "steps": 16}, "warning"),
        ({"skipped": 17, "steps": 17}, "error"),
        ({"scale": 1.0}, None),
        ({"scale": 0.5}, "error"),
    ],
)
def test_a_gradient_scaler_may_look_for_its_factor_and_no_longer(facts, severity, make_learner):
    found = list(_overflow(make_learner).on_epoch(an_epoch(**facts)))
    assert [finding.severity or "error" for finding in found] == ([severity] if severity else [])


def test_a_scaler_that_goes_on_leaving_out_all_steps_is_an_error_in_the_end(make_learner):
    watching = _overflow(make_learner)
    found = [finding for _ in range(9) for finding in watching.on_epoch(an_epoch(skipped=2, steps=2))]
    assert [finding.severity for finding in found] == ["warning"] * 8 + ["error"]
    assert len({finding.about for finding in found}) == 2, "the error is told although the warning was"


def test_the_share_of_skipped_steps_is_a_setting(make_learner):
    watching = _overflow(make_learner, skipped=0.5)
    assert not list(watching.on_epoch(an_epoch(skipped=17)))


def test_the_share_of_float16s_range_is_a_setting(make_learner):
    for limit, alarmed in ((0.5, False), (0.1, True)):
        watching = _overflow(make_learner, range=limit)
        watching._follow("head", torch.tensor([20000.0, -3.0], dtype=torch.float16))
        assert bool(list(watching.on_epoch(an_epoch()))) is alarmed


def _overflow(make_learner, **settings) -> Overflow:
    watching = Overflow(Overflow.Settings(**settings))
    list(watching.on_setup(_setup(make_learner("prompt"))))
    return watching


def _setup(learner) -> Setup:
    return Setup(learner, (), Train(), "war", 3)


def test_how_far_a_gradient_may_collapse_is_a_setting(make_learner):
    for collapse, alarmed in ((1e-6, False), (1e-2, True)):
        learner = make_learner("prompt")
        watching = DeadGradient(DeadGradient.Settings(collapse=collapse))
        list(watching.on_setup(_setup(learner)))
        for number, factor in ((0, 1.0), (1, 1e-3)):
            for name, parameter in learner.named_parameters():
                parameter.grad = torch.full_like(parameter, factor if name == "model.text.vectors" else 1.0)
            watching.on_step(None)
            found = list(watching.on_epoch(an_epoch(number=number, learner=learner)))
        assert [finding.about for finding in found] == (["text.vectors"] if alarmed else [])


def test_a_component_is_let_alone_until_its_term_has_a_weight(make_learner, splits):
    for method, parts in (("prompt+dc(delay=9)", []), ("prompt+dc", ["dc"])):
        learner = make_learner(method)
        learner.components["dc"].scale = torch.nn.Parameter(torch.ones(()))  # that its term never uses
        found = [alarm for alarm in alarms(learner, splits) if alarm.sentinel == "dead-gradient"]
        assert [alarm.evidence["part"] for alarm in found] == parts


# ── components from outside ─────────────────────────────────────────────────────────────────────────────────────


def outside(patch, cls, splits, method="prompt+outside", **train):
    """The alarms of a run with this component."""
    patch.setitem(plugins._from_files["methods"], "outside", cls)
    return alarms(small_learner(method), splits, **train)


class FrozenExpert(Component):
    name = "outside"

    def extend(self, model):
        model.head.adapt["face"] = torch.nn.Linear(model.width, model.width).requires_grad_(False)


class TextNorm(Component):
    """Fine-tunes the last norm of the text tower, at a rate of its own."""

    name = "outside"

    def extend(self, model):
        model.tower.ln_final.requires_grad_(True)

    def parameter_groups(self, model):
        yield "norm", 1e-4, list(model.tower.ln_final.parameters())


class Teacher(Component):
    """A mean teacher beside the head, asked in training what it and the network say of the batch."""

    name = "outside"

    def extend(self, model):
        model.teacher = copy.deepcopy(model.head).requires_grad_(False)

    def train(self, mode=True):
        return super().train(False)

    def loss(self, out, batch, ctx):
        self.batch = batch
        ctx.model.teacher.eval()
        said = F.normalize(ctx.model.teacher(batch.face, batch.context), dim=-1)
        return {"teacher": (0.1, (out.video - said).square().mean())}

    def after_step(self, ctx):
        ctx.model(self.batch)
        ctx.model(batch=self.batch)
        for old, new in zip(ctx.model.teacher.parameters(), ctx.model.head.parameters(), strict=True):
            old.lerp_(new, 0.1)


@pytest.mark.parametrize("cls", [FrozenExpert, TextNorm, Teacher])
def test_what_a_component_freezes_trains_or_moves_of_its_own_raises_nothing(cls, splits, monkeypatch):
    assert not outside(monkeypatch, cls, splits)


def test_a_tower_that_is_opened_without_a_group_is_named(splits, monkeypatch):
    class Opened(TextNorm):
        parameter_groups = Component.parameter_groups

    assert {a.sentinel for a in outside(monkeypatch, Opened, splits)} == {"frozen-group"}


def test_what_components_find_frozen_must_not_move(splits, monkeypatch):
    class Nudged(FrozenExpert):
        def after_step(self, ctx):
            ctx.model.tower.ln_final.weight.mul_(0.999)

    (alarm,) = outside(monkeypatch, Nudged, splits)
    assert (alarm.sentinel, alarm.evidence["first"]) == ("frozen-group", "model.tower.ln_final.weight")


def test_dropped_groups_are_named_by_who_declared_them(make_learner, splits, monkeypatch):
    own_groups_dropped(monkeypatch, None)
    found = {alarm.sentinel: alarm.evidence for alarm in alarms(make_learner("prompt(lr=0.5)"), splits)}
    assert set(found) == {"schedule-stuck", "unused-setting"}
    assert found["schedule-stuck"]["group"] == "prompt" and found["schedule-stuck"]["held_in"] == "head"
    assert found["unused-setting"]["setting"] == "prompt.lr"


def test_evaluation_is_followed_however_the_network_is_called_and_hooks_go_afterwards(make_learner, splits):
    learner = make_learner("prompt")
    watching = plugins.get("sentinels", "train-mode-evaluation")(Watching())
    list(watching.on_setup(_setup(learner)))
    (batch,) = splits["val"].batches([as_picks(np.arange(9), [None] * 9)])
    learner.train()
    learner.model(batch)
    for number, mode in enumerate((True, False, True)):
        learner.train(mode)
        watching.on_evaluation()
        said = learner.model(batch=batch).logits.softmax(dim=-1)
        found = watching.on_epoch(an_epoch(number=number, learner=learner, probabilities=said.detach().numpy()))
        assert [finding.about for finding in found] == (["evaluation"] if number == 0 else [])
        assert not learner.model._forward_hooks and not learner.model._forward_pre_hooks


@pytest.mark.parametrize("leaves", [True, False])
def test_an_evaluation_that_adds_or_drops_a_tensor_is_named(leaves, make_learner, splits):
    learner = make_learner("prompt")
    watching = plugins.get("sentinels", "train-mode-evaluation")(Watching())
    list(watching.on_setup(_setup(learner)))
    learner.eval()
    if leaves:
        learner.register_buffer("extra", torch.zeros(1))
    watching.on_evaluation()
    if leaves:
        del learner.extra
    else:
        learner.register_buffer("extra", torch.zeros(1))
    (finding,) = watching.on_epoch(an_epoch(learner=learner))
    assert finding.about == "state" and finding.evidence == {"tensors": 1, "first": "extra"}
    assert "added or dropped 1 tensor of" in finding.message


def test_a_sentinels_settings_must_be_able_to_switch_it_off():
    @dataclasses.dataclass(frozen=True)
    class Free:
        share: float = 0.5

    hooks = {"on_epoch": lambda self, epoch: iter(())}
    assert not type("Good", (Sentinel,), hooks).problem()
    assert "Watching" in type("Bad", (Sentinel,), {**hooks, "Settings": Free}).problem()
    assert "no hook" in type("Idle", (Sentinel,), {}).problem()


def test_who_waits_by_a_rule_of_its_own_is_let_alone(splits, monkeypatch):
    class Later(Component):
        """A scale that acts, and a target that is soft, from the third epoch on."""

        name = "outside"

        def __init__(self, settings):
            super().__init__(settings)
            self.scale = torch.nn.Parameter(torch.ones(()))

        def waits(self, epoch):
            return epoch < 2

        def kernel(self, targets, ctx):
            share = 0.0 if self.waits(ctx.epoch) else 0.1
            return (1 - share) * targets + share / len(targets)

        def on_logits(self, logits, batch, ctx):
            return logits if self.waits(ctx.epoch) else logits * self.scale

    assert not outside(monkeypatch, Later, splits, "outside")
    monkeypatch.setattr(Later, "waits", lambda self, epoch: False)
    monkeypatch.setattr(Later, "on_logits", lambda self, logits, batch, ctx: logits)
    assert [a.evidence["part"] for a in outside(monkeypatch, Later, splits, "outside")] == ["outside"]
