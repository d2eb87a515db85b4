"""The edges of the sentinels of optimisation and evaluation: what must stay quiet, and what each setting turns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import Silent

from harness import grammar, plugins, training
from harness.protocol import Train
from harness.sentinels import Epoch, Setup
from harness.sentinels.dead_gradient import DeadGradient
from harness.sentinels.overflow import Overflow
from harness.sentinels.schedule_stuck import _factor
from harness.settings import plain, recording, unread
from harness.watch import Watch

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
    training.train(learner, splits, chosen, "war", 0, Accelerator(cpu=True), Silent(), [], watch)
    return found


def an_epoch(**facts) -> Epoch:
    """An epoch of two clips, both right, with these facts."""
    right = {"war": 1.0, "uar": 1.0}
    usual = {
        "number": 0,
        "row": {"train": right, "val": right},
        "confusion": np.eye(2),
        "picked": np.ones(2),
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
    from test_knobs import turned

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
        assert _factor(train, epoch) == pytest.approx(training._rate(train, epoch), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        ({"skipped": 16}, None),
        ({"skipped": 17}, "warning"),
        ({"skipped": 40}, "error"),
        ({"scale": 1.0}, None),
        ({"scale": 0.5}, "error"),
    ],
)
def test_a_gradient_scaler_may_look_for_its_factor_and_no_longer(facts, severity, make_learner):
    found = list(_overflow(make_learner).on_epoch(an_epoch(**facts)))
    assert [finding.severity or "error" for finding in found] == ([severity] if severity else [])


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
