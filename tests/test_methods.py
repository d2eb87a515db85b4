"""Components: the identities that their formulas must hold, on any batch."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from harness import grammar
from harness.learner import components_of, row_entropy
from harness.methods import Batch, Context, Output

WIDTH = 6
batches = st.tuples(st.integers(1, 9), st.integers(2, 7), st.integers(0, 10_000))


def situation(size: int, classes: int, seed: int):
    """A random batch, a context whose output is random, and raw logits in float64."""
    torch.manual_seed(seed)
    label = torch.randint(0, classes, (size,))
    batch = Batch(torch.randn(size, 4, WIDTH), torch.randn(size, 4, WIDTH), label, F.one_hot(label, classes).double())
    raw = 5 * torch.randn(classes, WIDTH, dtype=torch.float64)
    out = Output(torch.randn(size, classes).double() * 4, torch.randn(size, WIDTH), F.normalize(raw, dim=-1), raw)
    return batch, Context(model=None, out=out)


def kernel(method: str, ctx: Context, epoch: int = 0) -> torch.Tensor:
    ctx.epoch = epoch
    targets = torch.eye(len(ctx.out.text), dtype=torch.float64)
    parts = components_of(grammar.resolve(method)).values()
    for part in sorted(parts, key=lambda part: part.last):
        targets = part.kernel(targets, ctx)
    return targets


@settings(deadline=None)
@given(batches, st.floats(0, 1))
def test_label_smoothing_is_cross_entropy_and_its_uniform_share(shape, epsilon):
    batch, ctx = situation(*shape)
    classes, log_p = shape[1], F.log_softmax(ctx.out.logits, dim=-1)
    ours = -(batch.target @ kernel(f"lsr(epsilon={epsilon})", ctx) * log_p).sum(-1)
    right = log_p[range(len(batch.label)), batch.label]
    formula = (1 - epsilon) * -right + epsilon * (-1 / classes * log_p.sum(-1))
    assert torch.allclose(ours, formula, atol=1e-6)


@settings(deadline=None)
@given(batches, st.floats(0.01, 2))
def test_label_distribution_is_a_divergence(shape, temperature):
    batch, ctx = situation(*shape)
    targets = kernel(f"ldl(temperature={temperature})", ctx)
    text = F.normalize(ctx.out.text_raw, dim=-1)
    q = F.softmax(text @ text.T / temperature, dim=-1)[batch.label]
    log_p = F.log_softmax(ctx.out.logits, dim=-1)
    ours = -(batch.target @ targets * log_p).sum(-1) - batch.target @ row_entropy(targets)
    assert torch.allclose(ours, F.kl_div(log_p, q, reduction="none").sum(-1), atol=1e-5)


@settings(deadline=None)
@given(
    batches, st.sampled_from(["lsr(epsilon=0.3)", "ldl", "ldl+lsr", "ldl+warmup(epochs=2,ramp=3)"]), st.integers(0, 9)
)
def test_every_kernel_has_rows_that_sum_to_one(shape, method, epoch):
    targets = kernel(method, situation(*shape)[1], epoch)
    assert torch.allclose(targets.sum(-1), torch.ones(shape[1], dtype=targets.dtype), atol=1e-6)
    assert (targets >= 0).all()


def test_the_target_of_label_distributions_is_detached():
    _, ctx = situation(4, 3, 0)
    ctx.out.text_raw.requires_grad_()
    assert not kernel("ldl", ctx).requires_grad


def test_warm_up_means_hard_labels_then_a_ramp_then_the_method():
    _, ctx = situation(4, 3, 0)
    soft, eye = kernel("ldl", ctx), torch.eye(3, dtype=torch.float64)
    assert torch.equal(kernel("ldl+warmup(epochs=2)", ctx, 1), eye)
    assert torch.allclose(kernel("ldl+warmup(epochs=2)", ctx, 2), soft)
    ramp = [kernel("ldl+warmup(epochs=2,ramp=3)", ctx, epoch) for epoch in range(1, 7)]
    shares = [float((m - eye).abs().sum() / (soft - eye).abs().sum()) for m in ramp]
    assert shares == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])


@settings(deadline=None)
@given(batches)
def test_mixup_mixes_losses_as_it_mixes_labels_for_both_forms(shape):
    batch, ctx = situation(*shape)
    mixed = components_of(grammar.resolve("mixup(alpha=1)"))["mixup"].on_batch(batch, ctx)
    partner = torch.tensor([i ^ 1 if i ^ 1 < shape[0] else i for i in range(shape[0])])
    lam = ctx.rng("mixup").beta(1, 1)
    assert torch.allclose(mixed.face, lam * batch.face + (1 - lam) * batch.face[partner], atol=1e-6)
    assert torch.allclose(mixed.context, lam * batch.context + (1 - lam) * batch.context[partner], atol=1e-6)
    targets, log_p = kernel("ldl", ctx), F.log_softmax(ctx.out.logits, dim=-1)

    def loss(q):
        return -(q @ targets * log_p).sum(-1) - q @ row_entropy(targets)

    both = lam * loss(batch.target) + (1 - lam) * loss(batch.target[partner])
    assert torch.allclose(loss(mixed.target), both, atol=1e-6)


def test_mixup_with_all_weight_on_one_clip_changes_nothing(monkeypatch):
    batch, ctx = situation(5, 3, 1)
    monkeypatch.setattr(Context, "rng", lambda self, name: type("One", (), {"beta": staticmethod(lambda a, b: 1.0)}))
    mixed = components_of(grammar.resolve("mixup"))["mixup"].on_batch(batch, ctx)
    assert torch.equal(mixed.face, batch.face)
    assert torch.equal(mixed.target, batch.target)


def test_mixup_of_pixels_never_quietly_becomes_mixup_of_features():
    pixels = components_of(grammar.resolve("mixup(level=input)"))["mixup"]
    batch, ctx = situation(4, 3, 0)
    assert pixels.needs_pixels
    assert pixels.on_batch(batch, ctx) is batch
    assert not components_of(grammar.resolve("mixup"))["mixup"].needs_pixels


# ── MoCo Rank ───────────────────────────────────────────────────────────────────────────────────────────────


def queue_of(component):
    """(label, feature) of the filled places, oldest first."""
    size, at = len(component.queue), int(component.next)
    order = [(at + i) % size for i in range(size)]
    return [(int(component.labels[i]), component.queue[i]) for i in order if component.labels[i] >= 0]


def push(component, labels):
    rows = F.normalize(torch.randn(len(labels), component.queue.shape[1]), dim=-1)
    component._push(rows, torch.tensor(labels, dtype=torch.long))
    return list(rows)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.lists(st.integers(0, 15), min_size=1, max_size=8))
def test_the_queue_holds_the_newest_keys_for_any_batch_size(make_learner_once, size, pushes):
    component = make_learner_once(f"prompt+moco(queue={size})").components["moco"]
    component.labels.fill_(-1)
    component.next.zero_()
    pushed, count = [], 0
    for batch in pushes:
        labels = [(count + i) % 3 for i in range(batch)]
        pushed += list(zip(labels, push(component, labels), strict=True))
        count += batch
    kept = queue_of(component)
    assert [label for label, _ in kept] == [label for label, _ in pushed[-size:]]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(kept, pushed[-size:], strict=True))


@pytest.mark.parametrize("mask", [True, False])
def test_moco_is_cross_entropy_of_the_positive_against_the_allowed_queue(make_learner, mask):
    learner = make_learner(f"prompt+moco(queue=8,temperature=0.2,mask_same_class={str(mask).lower()})")
    component = learner.components["moco"]
    push(component, [0, 1, 2, 0, 1])
    torch.manual_seed(1)
    label = torch.tensor([0, 2, 2])
    width = learner.model.width
    text, video = (F.normalize(torch.randn(3, width), dim=-1) for _ in range(2))
    batch = Batch(torch.zeros(3, 4, width), torch.zeros(3, 4, width), label, F.one_hot(label, 3).float())
    weight, value = component.loss(Output(video @ text.T, video, text, text), batch, Context(learner.model))["moco"]
    losses = []
    for i in range(3):
        negatives = [k for y, k in queue_of(component) if not (mask and y == label[i])]
        scores = torch.stack([video[i] @ text[label[i]], *(video[i] @ k for k in negatives)]) / 0.2
        losses.append(-F.log_softmax(scores, dim=0)[0])
    assert weight == 1.0
    assert float(value) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_the_momentum_copy_follows_slowly_and_only_after_a_step(make_learner, splits):
    learner = make_learner("prompt+moco(momentum=0.9)")
    component, fast = learner.components["moco"], learner.model.text.vectors
    before = component.slow_text.vectors.clone()
    with torch.no_grad():
        fast += 1
    component._keys = [(torch.zeros(1, learner.model.width), torch.tensor([0]))]
    component.after_step(Context(learner.model))
    assert torch.allclose(component.slow_text.vectors, 0.9 * before + 0.1 * fast, atol=1e-6)


def test_the_momentum_copy_stays_in_evaluation_mode(make_learner):
    learner = make_learner("prompt+moco(queue_of=video)")
    learner.train()
    assert not any(module.training for module in learner.components["moco"].modules())
    assert learner.model.head.training


def test_momentum_copies_and_queues_are_in_the_state_and_outside_the_optimiser(make_learner):
    from harness.protocol import Train

    learner = make_learner("prompt+moco(queue=8)")
    assert {"components.moco.queue", "components.moco.labels", "components.moco.next"} <= set(learner.state_dict())
    trained = {id(p) for group in learner.groups(Train()) for p in group["params"]}
    assert not trained & {id(p) for p in learner.components["moco"].parameters()}
    assert trained == {id(p) for p in learner.parameters() if p.requires_grad}


def test_prompts_and_norms_have_no_weight_decay_and_their_own_rates(make_learner):
    from harness.protocol import Train

    learner = make_learner("prompt(lr=0.5)")
    groups = {(g["name"], g["weight_decay"]): g for g in learner.groups(Train(weight_decay=0.3, lr=0.1))}
    assert set(groups) == {("prompt", 0.0), ("head", 0.0), ("head", 0.3)}
    assert groups["prompt", 0.0]["lr"] == 0.5
    assert all(p.ndim >= 2 for p in groups["head", 0.3]["params"])
    assert math.isclose(groups["head", 0.3]["lr"], 0.1)
