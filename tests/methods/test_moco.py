"""MoCo Rank: the loss against its formula, the ring of keys, the momentum copy."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Steps, clips, learner, log_softmax
from torch.nn import functional as F

from harness.methods import Context, Output
from harness.protocol import Train


def queue_of(component):
    """(label, feature) of the filled places, oldest first."""
    size, at = len(component.queue), int(component.next)
    order = [(at + i) % size for i in range(size)]
    return [(int(component.labels[i]), component.queue[i]) for i in order if component.labels[i] >= 0]


def push(component, labels):
    rows = F.normalize(torch.randn(len(labels), component.queue.shape[1]), dim=-1)
    component._push(rows, torch.tensor(labels, dtype=torch.long))
    return list(rows)


def emptied(component):
    component.labels.fill_(-1)
    component.next.zero_()
    component._keys.clear()
    return component


@pytest.fixture(scope="module")
def ring():
    return {size: learner(f"prompt+moco(queue={size})").components["moco"] for size in range(1, 13)}


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 12), pushes=st.lists(st.integers(0, 15), min_size=1, max_size=8))
def test_the_queue_holds_the_newest_keys_for_any_batch_size(ring, size, pushes):
    component, pushed, count = emptied(ring[size]), [], 0
    for batch in pushes:
        labels = [(count + i) % 3 for i in range(batch)]
        pushed += list(zip(labels, push(component, labels), strict=True))
        count += batch
    kept = queue_of(component)
    assert [label for label, _ in kept] == [label for label, _ in pushed[-size:]]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(kept, pushed[-size:], strict=True))


COMBINATIONS = list(itertools.product(("text", "video"), ("text", "video"), ("true", "false")))


@pytest.fixture(scope="module")
def combinations():
    def make(positive, queued, mask, temperature):
        settings = f"queue=8,temperature={temperature},mask_same_class={mask},positive={positive},queue_of={queued}"
        return learner(f"prompt+moco({settings})")

    return {
        key: make(*key)
        for key in itertools.product(("text", "video"), ("text", "video"), ("true", "false"), (0.001, 0.2))
    }


@pytest.mark.parametrize(("positive", "queued", "mask"), COMBINATIONS)
@settings(deadline=None, max_examples=12)
@given(
    temperature=st.sampled_from([0.001, 0.2]),
    labels=st.lists(st.integers(0, 2), max_size=11),
    size=st.integers(1, 4),
    mixed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_is_cross_entropy_of_the_positive_against_the_allowed_queue(
    combinations, positive, queued, mask, temperature, labels, size, mixed, seed
):
    made = combinations[positive, queued, mask, temperature]
    component = emptied(made.components["moco"])
    torch.manual_seed(seed)
    push(component, labels)
    batch = clips(size, seed)
    if mixed:
        batch.target = 0.7 * batch.target + 0.3 * batch.target.roll(1, 0)
    text, video = (F.normalize(torch.randn(n, made.model.width).double(), dim=-1) for n in (3, size))
    ctx = Context(made.model)
    value = component.loss(Output(video @ text.T, video, text, text), batch, ctx)["moco"][1]
    with torch.no_grad():
        own = F.normalize(made.model.head.eval()(batch.face, batch.context), dim=-1).double()
    losses = []
    for i in range(size):
        for y in range(3):
            negatives = [k.double() for label, k in queue_of(component) if not (mask == "true" and label == y)]
            key = text[y] if positive == "text" else own[i]
            scores = np.array([float(video[i] @ k) for k in [key, *negatives]]) / temperature
            losses.append(-float(batch.target[i, y]) * log_softmax(scores)[0])
    assert float(value) == pytest.approx(sum(losses) / size, rel=1e-4, abs=1e-6)


def test_its_gradient_is_right_also_while_the_queue_fills():
    made = learner("prompt+moco(queue=8,temperature=0.5)")
    component = emptied(made.components["moco"])
    batch = clips(3)
    text, video = (F.normalize(torch.randn(3, made.model.width).double(), dim=-1).requires_grad_() for _ in range(2))

    def loss(video, text):
        return component.loss(Output(video @ text.T, video, text, text), batch, Context(made.model))["moco"][1]

    assert torch.autograd.gradcheck(loss, (video, text)), "an empty queue"
    push(component, [0, 1, 1])
    assert torch.autograd.gradcheck(loss, (video, text)), "a class without entries"


def test_the_momentum_copy_follows_slowly_and_only_after_a_step():
    made = learner("prompt+moco(momentum=0.9)")
    component, fast = made.components["moco"], made.model.text.vectors
    before = component.slow_text.vectors.clone()
    with torch.no_grad():
        fast += 1
    component._keys = [(torch.zeros(1, made.model.width), torch.tensor([0]))]
    component.after_step(Context(made.model))
    assert torch.allclose(component.slow_text.vectors, 0.9 * before + 0.1 * fast, atol=1e-6)


@pytest.mark.parametrize(("positive", "queued", "mask"), COMBINATIONS)
def test_keys_are_the_copys_features_and_carry_their_labels(positive, queued, mask):
    run = Steps(f"prompt(prompts=2)+moco(queue=32,positive={positive},queue_of={queued},mask_same_class={mask})")
    component = run.learner.components["moco"]
    batch = clips(seed=0)
    wanted = {name: rows.clone() for name, rows in component._momentum_features(batch).items()}
    run.step(0)
    kept = queue_of(component)
    assert [label for label, _ in kept] == batch.label.tolist()
    rows = wanted["text"][batch.label] if queued == "text" else wanted["video"]
    assert torch.equal(torch.stack([row for _, row in kept]), rows)
    assert component._keys == []


def test_keys_of_all_processes_enter_in_the_order_of_the_global_batch():
    made = learner("prompt+moco(queue=8)")
    component = made.components["moco"]
    component._keys = [
        (torch.ones(1, made.model.width), torch.tensor([1])),
        (torch.zeros(1, made.model.width), torch.tensor([2])),
    ]
    ctx = Context(made.model, gather=lambda rows: torch.cat([rows, rows + 0]))  # two processes with the same keys
    component.after_step(ctx)
    assert [label for label, _ in queue_of(component)] == [1, 2, 1, 2]


def test_a_mixed_clip_is_drawn_to_both_its_classes_and_queued_under_the_larger():
    made = learner("prompt+moco(queue=8)")
    component = made.components["moco"]
    batch = clips(2)
    batch.target = torch.tensor([[0.2, 0.8, 0.0], [0.0, 1.0, 0.0]])
    video = F.normalize(torch.randn(2, made.model.width), dim=-1)
    text = F.normalize(torch.randn(3, made.model.width), dim=-1)
    component.loss(Output(video @ text.T, video, text, text), batch, Context(made.model))
    assert component._keys[0][1].tolist() == [1, 1]


def test_the_momentum_copy_stays_in_evaluation_mode():
    made = learner("prompt+moco(queue_of=video)")
    made.train()
    assert not any(module.training for module in made.components["moco"].modules())
    assert made.model.head.training


def test_the_copy_holds_the_adapters_too():
    made = learner("adapter+moco(queue_of=video)+prompt")
    names = [name for name, _ in made.components["moco"].slow_video.named_parameters()]
    assert any(name.startswith("adapt.face") for name in names)


def test_momentum_copies_and_queues_are_in_the_state_and_outside_the_optimiser():
    made = learner("prompt+moco(queue=8)")
    assert {"components.moco.queue", "components.moco.labels", "components.moco.next"} <= set(made.state_dict())
    trained = {id(p) for group in made.groups(Train()) for p in group["params"]}
    assert not trained & {id(p) for p in made.components["moco"].parameters()}
    assert trained == {id(p) for p in made.parameters() if p.requires_grad}
