"""The network: the text tower on few tokens, the seam between trunk and head, weights that can't be had."""

import pytest
import torch

from harness.errors import BadInput
from harness.model import trunk
from harness.model.network import Batch, VideoModel
from harness.model.packing import Layout
from harness.model.text import TextTower
from harness.protocol import Model

TEXTS = ("a smiling face", "a person with a deep frown and clenched teeth in a dark room", "tears")


@pytest.fixture(scope="module")
def clip():
    return trunk.load(Model())


def test_running_the_tower_on_the_tokens_that_matter_gives_open_clips_features(clip):
    tower = TextTower(clip)
    tokens, ends = tower.tokenize(TEXTS)
    assert tokens.shape[1] == int(ends.max()) + 1 < 77
    with torch.no_grad():
        assert torch.allclose(
            tower(tower.embed(tokens), Layout(ends, tokens.shape[1])),
            clip.model.encode_text(clip.tokenizer(list(TEXTS))),
            atol=1e-5,
        )


def test_a_prompt_that_does_not_fit_the_tower_is_refused(clip):
    with pytest.raises(BadInput, match="does not fit the 77"):
        TextTower(clip).tokenize(TEXTS, room=70)
    with pytest.raises(BadInput, match="does not fit"):
        TextTower(clip).tokenize(("word " * 100,))


def test_learned_prompts_move_the_text_features_and_the_tower_stays(make_learner):
    learner = make_learner("prompt")
    learner.model.text().sum().backward()
    assert learner.model.text.vectors.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in learner.model.tower.parameters())


def test_pixels_and_features_of_the_same_pictures_give_the_same_logits(clip):
    torch.manual_seed(0)
    model = VideoModel(clip, Model(), TEXTS, pixels=True).eval()
    pixels = torch.randint(0, 256, (2, 3, clip.size, clip.size, 3), dtype=torch.uint8)
    label = torch.tensor([0, 1])
    batch = Batch(pixels, pixels.flip(1), label, torch.eye(3)[label], "pixels")
    with torch.no_grad():
        ready = Batch(clip.trunk(batch.face), clip.trunk(batch.context), label, batch.target)
        assert torch.equal(model(model.features(batch)).logits, model(ready).logits)


def test_the_trunk_sees_pictures_as_open_clips_own_preprocessing_would(clip):
    picture = torch.randint(0, 256, (1, clip.size, clip.size, 3), dtype=torch.uint8)
    mean, std = torch.tensor(clip.model.visual.image_mean), torch.tensor(clip.model.visual.image_std)
    usual = ((picture.float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert torch.allclose(clip.trunk(picture), clip.model.encode_image(usual), atol=1e-4)


def test_a_frozen_trunk_gets_no_gradient_and_a_trainable_one_does():
    for state, expected in (("frozen", False), ("trainable", True)):
        settings = Model(trunk=state)
        clip = trunk.load(settings)
        model = VideoModel(clip, settings, TEXTS, pixels=True).train()
        pixels = torch.randint(0, 256, (1, 2, clip.size, clip.size, 3), dtype=torch.uint8)
        label = torch.tensor([0])
        model(model.features(Batch(pixels, pixels, label, torch.eye(3)[label], "pixels"))).logits.sum().backward()
        assert any(p.grad is not None for p in model.trunk.parameters()) is expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Model(name="ViT-B-23"), "ViT-B-32"),
        (Model(name="ViT-B-32"), "has no weights"),
        (Model(name="ViT-B-32", pretrained="/nowhere/weights.pt"), "no weights file"),
    ],
)
def test_a_model_that_can_not_be_had_is_bad_input_with_the_mend(settings, words):
    with pytest.raises(BadInput, match=words):
        trunk.load(settings)


def test_weights_of_another_architecture_are_refused(tmp_path):
    from safetensors.torch import save_file

    file = tmp_path / "other.safetensors"
    save_file({"nothing": torch.zeros(1)}, file)
    with pytest.raises(BadInput, match=r"can't load .*other\.safetensors"):
        trunk.load(Model(pretrained=str(file)))


def test_weights_on_the_hub_without_a_network_say_what_to_do(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadInput, match="copy its HF_HOME here"):
        trunk.load(Model(name="ViT-B-32", pretrained="laion2b_s34b_b79k"))
