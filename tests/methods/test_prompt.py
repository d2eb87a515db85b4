"""Learned prompts: where the description stands, and several prompts a class."""

import pytest
import torch
from situations import DESCRIPTIONS, clips, learner
from torch.nn import functional as F

from harness.errors import BadInput
from harness.model.packing import Layout
from harness.model.text import TextTower
from harness.protocol import Train


def sequence(tower: TextTower, text: str, vectors: torch.Tensor, position: str):
    """One prompt put together by hand, without padding: its rows, and the place of [EOS]."""
    tokens, ends = tower.tokenize((text,))
    words = tower.embed(tokens)[0]
    name = words[1 : int(ends)]
    half = len(vectors) // 2
    middle = {
        "end": [vectors, name],
        "middle": [vectors[:half], name, vectors[half:]],
        "front": [name, vectors],
    }[position]
    return torch.cat([words[:1], *middle, words[int(ends) : int(ends) + 1]]), int(ends) + len(vectors)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("prompts", [1, 3])
@pytest.mark.parametrize("per_class", ["true", "false"])
def test_every_prompt_is_put_together_as_described(position, prompts, per_class):
    made = learner(f"prompt(tokens=5,position={position},prompts={prompts},per_class={per_class})").model
    sets = made.text.vectors.detach().view(-1, prompts, 5, made.tower.width)
    with torch.no_grad():
        ours = made.text().view(len(DESCRIPTIONS), prompts, -1)
        for k, text in enumerate(DESCRIPTIONS):
            for p in range(prompts):
                vectors = sets[k if per_class == "true" else 0, p]
                rows, end = sequence(made.tower, text, vectors, position)
                alone = made.tower(rows[None], Layout(torch.tensor([end]), len(rows)))[0]
                assert torch.allclose(ours[k, p], alone, atol=1e-5)
    assert len(sets) == (3 if per_class == "true" else 1)


def test_logits_of_several_prompts_are_mean_cosines():
    made = learner("prompt(prompts=3)").eval().model
    with torch.no_grad():
        out, raw = made(clips()), made.text()
        assert raw.shape == (3, 3, made.width)
        each = torch.stack([out.video @ F.normalize(raw[:, p], dim=-1).T / 0.01 for p in range(3)])
        assert torch.allclose(out.logits, each.mean(0), atol=1e-4)
        assert out.text_raw.shape == out.text.shape == (3, made.width)


def test_a_single_prompt_is_one_of_several():
    with torch.no_grad():
        one = learner("prompt").eval().model
        many = learner("prompt(prompts=2)").eval().model
        many.text.vectors.copy_(one.text.vectors.repeat_interleave(2, dim=0))
        assert torch.allclose(one(clips()).logits, many(clips()).logits, atol=1e-4)


def test_all_vectors_get_a_gradient_and_the_tower_none():
    for position in ("end", "middle", "front"):
        made = learner(f"prompt(position={position},prompts=2)").model
        made.text().square().sum().backward()
        assert (made.text.vectors.grad.flatten(1).abs().sum(1) > 0).all()
        assert not any(p.requires_grad for p in made.tower.parameters())


def test_too_many_tokens_are_refused():
    with pytest.raises(BadInput, match="does not fit"):
        learner("prompt(tokens=76)")


def test_prompts_and_norms_have_no_weight_decay_and_their_own_rates():
    groups = {
        (g["name"], g["weight_decay"]): g for g in learner("prompt(lr=0.5)").groups(Train(weight_decay=0.3, lr=0.1))
    }
    assert set(groups) == {("prompt", 0.0), ("head", 0.0), ("head", 0.3)}
    assert groups["prompt", 0.0]["lr"] == 0.5
    assert all(p.ndim >= 2 for p in groups["head", 0.3]["params"])
    assert groups["head", 0.3]["lr"] == pytest.approx(0.1)
