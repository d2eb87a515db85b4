"""Pretrains the tiny CLIP model that ships as `harness/assets/tiny`, from pictures drawn as they are needed.

Symmetric InfoNCE between pictures and captions, where pairs that share a caption count as positives. People
are numbered apart from those of the miniatures, so nobody in a miniature was seen here. It was stopped
early on purpose: a trunk that solves its world would leave methods nothing to differ by.

    python -m harness.miniature.pretrain --out harness/assets/tiny
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from safetensors.torch import save as serialize
from torch import Tensor

from harness.miniature.captions import descriptions, dress, face_caption, scene_caption
from harness.miniature.face import Picture
from harness.miniature.moods import SETTINGS
from harness.miniature.motion import NAMES, Curves, mirrored
from harness.miniature.world import film

ASSETS = Path(__file__).parents[1] / "assets" / "tiny"
FIRST_PERSON = 1_000_000
MARGIN = 20  # pixels around a face box, as the product crops it
SIZE = 64
SIGHT = np.array([0.0 if name == "lean" else 2.0 for name in NAMES])  # a crop does not show the distance


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the code."""

    steps: int = 800
    clips: int = 32  # per batch; each gives three face crops and a whole picture
    rate: float = 1.5e-3
    weight_decay: float = 0.05
    named: float = 0.04  # share of captions that are class descriptions instead of visible cues
    pose: float = 3.0  # weight of reading the drawn expression off the features; see `pretrain`
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    pictures: NDArray[np.uint8]  # [pictures, size, size, 3]
    captions: list[str]
    texts: list[str]  # the captions, each in some template
    poses: Curves  # [faces, parameters]; every fourth picture is a whole one and has none


# ---------------------------------------------------------------- pictures and captions


def batch(step: int, recipe: Recipe) -> Batch:
    """The batch of a step: a pure function of the step and the seed."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([recipe.seed, step])
    described = descriptions()
    pictures, captions, poses = [], [], []
    for _ in range(recipe.clips):
        setting = str(rng.choice(list(SETTINGS)))
        mood = str(rng.choice(list(SETTINGS[setting].moods)))
        person, seed = FIRST_PERSON + int(rng.integers(100_000)), int(rng.integers(1 << 31))
        only = sorted(rng.choice(24, 3, replace=False).tolist())
        clip = film(setting, mood, person=person, seed=seed, frames=24, only=only)
        for frame, box, pose in zip(clip.frames, clip.faces, clip.curves, strict=True):
            unboxed = SETTINGS[setting].centred and rng.random() < 0.5
            view = _centre(frame) if unboxed else _crop(frame, box.tolist())
            picture, seen = _augment(view, pose, rng)
            pictures.append(picture)
            captions.append(face_caption(pose, rng))
            poses.append(seen)
        pictures.append(_augment(clip.frames[0], clip.curves[0], rng)[0])
        place = scene_caption(clip.place, clip.things, rng)
        captions.append(place if rng.random() < 0.5 else f"{captions[-3]}, {place}")
        for i in range(-4, 0):
            if rng.random() < recipe.named:
                captions[i] = described[setting][mood]
    return Batch(np.stack(pictures), captions, [dress(text, rng) for text in captions], np.stack(poses))


def _crop(frame: Picture, box: list[int]) -> Picture:
    left, upper, right, lower = box
    return frame[max(0, upper - MARGIN) : lower + MARGIN, max(0, left - MARGIN) : right + MARGIN]


def _centre(frame: Picture) -> Picture:
    """The square in the middle, as the product crops a set without boxes."""
    spare = (frame.shape[1] - frame.shape[0]) // 2
    return frame[:, spare : frame.shape[1] - spare]


def _shrink(picture: NDArray[Any]) -> Picture:
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _augment(picture: Picture, pose: Curves, rng: Generator) -> tuple[Picture, Curves]:
    """Squeeze to the model's size with a light rotation, flip and grey; the pose flips with the picture."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-4, 4), 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    small = _shrink(turned)
    if rng.random() < 0.5:
        small, pose = small[:, ::-1], mirrored(pose)
    if rng.random() < 0.1:
        small = np.repeat(cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
    return np.ascontiguousarray(small, np.uint8), pose


def batches(recipe: Recipe) -> Iterator[Batch]:
    """All batches in order, drawn ahead by another process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        ahead: list[Future[Batch]] = [pool.submit(batch, step, recipe) for step in range(4)]
        for step in range(recipe.steps):
            ready = ahead.pop(0)
            ahead.append(pool.submit(batch, step + 4, recipe))
            yield ready.result()


# ---------------------------------------------------------------- the model


def build() -> Any:
    """An untrained model of the shipped configuration."""
    config = json.loads((ASSETS / "open_clip_config.json").read_text())["model_cfg"]
    return open_clip.CLIP(**config)


def normalise(pictures: NDArray[np.uint8]) -> Tensor:
    mean, std = torch.tensor(open_clip.OPENAI_DATASET_MEAN), torch.tensor(open_clip.OPENAI_DATASET_STD)
    return ((torch.from_numpy(pictures) / 255 - mean) / std).permute(0, 3, 1, 2)


def encode_text(model: Any, tokens: Tensor) -> Tensor:
    """As open_clip's, on no more positions than the longest caption needs: the tower is causal."""
    ends = tokens.argmax(-1)
    tokens = tokens[:, : int(ends.max()) + 1]
    x = model.token_embedding(tokens) + model.positional_embedding[: tokens.shape[1]]
    x = model.transformer(x, attn_mask=model.attn_mask[: tokens.shape[1], : tokens.shape[1]])
    features: Tensor = model.ln_final(x)[torch.arange(len(x)), ends] @ model.text_projection
    return features


def contrast(images: Tensor, texts: Tensor, captions: list[str], scale: Tensor) -> Tensor:
    """Symmetric InfoNCE whose target spreads evenly over all pairs of the same caption."""
    index = {caption: i for i, caption in enumerate(captions)}
    label = torch.tensor([index[caption] for caption in captions])
    same = (label[:, None] == label[None]).float()
    target = same / same.sum(1, keepdim=True)
    logits = scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def pretrain(recipe: Recipe) -> Any:
    """Train from scratch. A linear reader of the expression, thrown away afterwards, helps the tower to see
    brows and lids within minutes; captions alone would take it hours, since places are easier to tell apart.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)  # one core learns while another draws; and sums come out the same everywhere
    model, tokenizer = build(), open_clip.SimpleTokenizer(context_length=77)
    matrices = {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay}
    vectors = {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}
    reader = torch.nn.Linear(model.text_projection.shape[1], len(NAMES))
    parts = [matrices, vectors, {"params": reader.parameters(), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(parts, lr=recipe.rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.1)
    started, losses = time.monotonic(), []
    for step, pairs in enumerate(batches(recipe), 1):
        images = model.encode_image(normalise(pairs.pictures))
        texts = encode_text(model, tokenizer(pairs.texts))
        faces = images.unflatten(0, (-1, 4))[:, :3].flatten(0, 1)
        read = reader(8 * F.normalize(faces, dim=-1))  # 8: a unit vector's entries are small
        loss = contrast(images, texts, pairs.captions, model.logit_scale)
        loss = loss + recipe.pose * F.mse_loss(read, torch.tensor(pairs.poses * SIGHT, dtype=torch.float32))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, np.log(100))
        losses.append(loss.item())
        if step % 50 == 0:
            seconds = time.monotonic() - started
            print(f"step {step} loss {np.mean(losses[-50:]):.3f} {seconds:.0f} s", flush=True)
    return model.eval()


# ---------------------------------------------------------------- what it knows, and the files


@torch.no_grad()
def zero_shot(model: Any, setting: str, per_class: int = 40) -> float:
    """Mean recall on clips of people never seen: 8 frames, both streams, class descriptions."""
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    texts = F.normalize(encode_text(model, tokenizer(list(descriptions()[setting].values()))), dim=-1)
    recalls = []
    for label, mood in enumerate(SETTINGS[setting].moods):
        hits = 0
        for number in range(per_class):
            person = FIRST_PERSON + 200_000 + number
            clip = film(setting, mood, person=person, seed=number, frames=24, only=range(1, 24, 3))
            crops = [_crop(f, box.tolist()) for f, box in zip(clip.frames, clip.faces, strict=True)]
            views = np.stack([_shrink(picture) for picture in [*crops, *clip.frames]])
            features = F.normalize(model.encode_image(normalise(views)), dim=-1)
            hits += int((features.mean(0) @ texts.T).argmax()) == label
        recalls.append(hits / per_class)
    return float(np.mean(recalls))


CARD = """# tiny: the embedded CLIP model

An open_clip model for the rendered miniatures ({parameters:.2f} M parameters, half precision): pictures of
64 × 64, a ViT of width 128 and 4 layers, a text tower of width 56 and 3 layers, 64-dimensional features. It
knows drawn faces in drawn places and nothing else; it is of no use on real video.

Made by `python -m harness.miniature.pretrain --out DIR` in {minutes:.1f} minutes on two CPU cores:
{steps} steps of {pictures} pictures drawn on the fly, people disjoint from those of the miniatures.
Captions name visible cues; {named:.0f} % of them are class descriptions.

Zero-shot on people it never saw (8 frames, face and whole picture, class descriptions; mean recall):

| set | zero-shot | chance |
|---|---|---|
{rows}
"""


def save(model: Any, out: Path, recipe: Recipe, minutes: float) -> None:
    """Weights at half precision, the configuration, and a card with what the model was measured to know."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    (out / "model.safetensors").write_bytes(serialize(weights, metadata={"format": "pt"}))
    if out.resolve() != ASSETS.resolve():
        shutil.copy(ASSETS / "open_clip_config.json", out)
    rows = [
        f"| {name} | {100 * zero_shot(model, name):.0f} % | {100 / len(SETTINGS[name].moods):.0f} % |"
        for name in SETTINGS
    ]
    card = CARD.format(
        parameters=sum(tensor.numel() for tensor in weights.values()) / 1e6,
        minutes=minutes,
        steps=recipe.steps,
        pictures=4 * recipe.clips,
        named=100 * recipe.named,
        rows="\n".join(rows),
    )
    (out / "README.md").write_text(card)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps)
    started = time.monotonic()
    model = pretrain(recipe)
    save(model, options.out, recipe, (time.monotonic() - started) / 60)


if __name__ == "__main__":
    main()
