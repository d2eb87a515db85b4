"""The default grid's work as the field writes it: one run of one method on one data set, in plain PyTorch.

The slow side of `grid_speed.py`, which makes the index that it reads; it knows nothing of the product. What is usual
here is what the published code of this family does: a process for each run; every frame of a film read to PIL, of
which a few are cropped and put through torchvision's transforms; the frozen image tower run again on both streams of
every clip in every epoch, for validation too; the text tower on all 77 positions in every step, since the prompts
learn. Network, method, optimiser, batch and epochs are the product's. Nothing is slowed down: no face detection, of
folders only the wanted frames are read, no prompts that no loss uses are encoded, the momentum copy is of the text
side alone, and only what trains is saved.
"""

import argparse
import copy
import json
import math
import os
import random
import time

import cv2
import numpy as np
import open_clip
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import functional as TF

# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────


class Clips(Dataset):
    """Both streams of a clip, `[T, 3, S, S]` each, and its label."""

    def __init__(self, index, split, frames, size, mean, std):
        self.root, self.clips = index["root"], [clip for clip in index["clips"] if clip["split"] == split]
        self.frames, self.size, self.train = frames, size, split == "train"
        self.tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
        self.resize = transforms.Resize((size, size))

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, position):
        clip = self.clips[position]
        path = os.path.join(self.root, clip["path"])
        if os.path.isdir(path):
            names = sorted(os.listdir(path))
            wanted = self.sample(len(names))
            pictures = [Image.open(os.path.join(path, names[i])).convert("RGB") for i in wanted]
        else:
            film = read_film(path)
            wanted = self.sample(len(film))
            names, pictures = [""] * len(film), [film[i] for i in wanted]
        boxes = clip["face"] or {}
        faces = [self.face(picture, boxes.get(names[i])) for i, picture in zip(wanted, pictures, strict=True)]
        contexts = [self.letterbox(picture) for picture in pictures]
        if self.train:
            faces, contexts = augmented(faces, contexts)
        face, context = (torch.stack([self.tensor(picture) for picture in stream]) for stream in (faces, contexts))
        return face, context, clip["label"]

    def sample(self, count):
        """One frame of each segment, any of it in training, else its middle; short clips repeat their last."""
        if count <= self.frames:
            return list(range(count)) + [count - 1] * (self.frames - count)
        length = count / self.frames
        if self.train:
            return [int(length * i + random.random() * length) for i in range(self.frames)]
        return [int(length * i + length / 2) for i in range(self.frames)]

    def face(self, picture, box):
        width, height = picture.size
        if box is None:
            side = min(width, height)
            return self.resize(TF.center_crop(picture, [side, side]))
        left, top, right, bottom = box
        area = max(0, left - 20), max(0, top - 20), min(width, right + 20), min(height, bottom + 20)
        return self.resize(picture.crop(area))

    def letterbox(self, picture):
        width, height = picture.size
        ratio = min(self.size / width, self.size / height)
        small = picture.resize((int(width * ratio), int(height * ratio)))
        framed = Image.new("RGB", (self.size, self.size))
        framed.paste(small, ((self.size - small.width) // 2, (self.size - small.height) // 2))
        return framed


def read_film(path):
    film, frames = cv2.VideoCapture(path), []
    while True:
        there, frame = film.read()
        if not there:
            break
        frames.append(Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))
    film.release()
    return frames


def augmented(*streams):
    """The same rotation, flip and grey for all frames of both streams."""
    angle, flip, grey = random.uniform(-4, 4), random.random() < 0.5, random.random() < 0.1
    changed = []
    for stream in streams:
        stream = [TF.rotate(picture, angle, TF.InterpolationMode.BILINEAR) for picture in stream]
        stream = [TF.hflip(picture) for picture in stream] if flip else stream
        changed.append([TF.to_grayscale(picture, 3) for picture in stream] if grey else stream)
    return changed


# ── network ─────────────────────────────────────────────────────────────────────────────────────────────────


class Prompts(nn.Module):
    """[SOS], 8 learned vectors, the class description, [EOS], padded to the tower's 77 positions."""

    def __init__(self, clip, tokenizer, descriptions, tokens=8):
        super().__init__()
        ids = tokenizer([" ".join(["X"] * tokens) + " " + text for text in descriptions])
        with torch.no_grad():
            rows = clip.token_embedding(ids)
        self.vectors = nn.Parameter(0.02 * torch.randn(len(descriptions), tokens, rows.shape[-1]))
        self.register_buffer("prefix", rows[:, :1])
        self.register_buffer("suffix", rows[:, 1 + tokens :])
        self.register_buffer("ends", ids.argmax(-1))

    def forward(self):
        return torch.cat([self.prefix, self.vectors, self.suffix], dim=1)


class Temporal(nn.Module):
    def __init__(self, width):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, 8, 2 * width, 0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 65, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames):
        rows = torch.cat([self.token.expand(len(frames), -1, -1), frames], dim=1)
        return self.norm(self.layers(rows + self.positions[:, : rows.shape[1]])[:, 0])


class Network(nn.Module):
    def __init__(self, clip, tokenizer, descriptions, width):
        super().__init__()
        self.clip = clip.requires_grad_(False)
        self.prompts = Prompts(clip, tokenizer, descriptions)
        self.face, self.context = Temporal(width), Temporal(width)
        self.fuse = nn.Linear(2 * width, width)

    def text(self, prompts):
        clip = self.clip
        rows = prompts() + clip.positional_embedding
        rows = clip.ln_final(clip.transformer(rows, attn_mask=clip.attn_mask))
        return F.normalize(rows[torch.arange(len(rows)), prompts.ends] @ clip.text_projection, dim=-1)

    def frames(self, pictures):
        return self.clip.visual(pictures.flatten(0, 1)).view(*pictures.shape[:2], -1)

    def forward(self, face, context, mix=None):
        face, context = self.frames(face), self.frames(context)
        if mix is not None:
            partner, share = mix
            face, context = (share * rows + (1 - share) * rows[partner] for rows in (face, context))
        video = F.normalize(self.fuse(torch.cat([self.face(face), self.context(context)], dim=-1)), dim=-1)
        text = self.text(self.prompts)
        return video @ text.T / 0.01, video, text


class Moco:
    """A queue of text features of the prompts' momentum copy, and the loss that draws a video nearer to its class."""

    def __init__(self, network, size, width):
        self.network, self.slow = network, copy.deepcopy(network.prompts).requires_grad_(False)
        self.queue, self.labels, self.next = torch.zeros(size, width), torch.full((size,), -1), 0

    def loss(self, video, text, label):
        near = (video * text[label]).sum(-1, keepdim=True)
        unfit = (self.labels == -1) | (self.labels == label[:, None])
        far = (video @ self.queue.T).masked_fill(unfit, -math.inf)
        return F.cross_entropy(torch.cat([near, far], dim=-1) / 0.07, torch.zeros_like(label))

    @torch.no_grad()
    def follow(self, label):
        self.slow.vectors.mul_(0.999).add_(self.network.prompts.vectors, alpha=0.001)
        places = (self.next + torch.arange(len(label))) % len(self.queue)
        self.queue[places] = self.network.text(self.slow)[label]
        self.labels[places], self.next = label, (self.next + len(label)) % len(self.queue)


# ── training ────────────────────────────────────────────────────────────────────────────────────────────────


def classification(logits, text, label, arguments, epoch):
    if arguments.ldl and epoch >= arguments.warmup:
        target = F.softmax(text.detach() @ text.detach().T / arguments.ldl, dim=-1)[label]
        return F.kl_div(F.log_softmax(logits, dim=-1), target, reduction="batchmean")
    return F.cross_entropy(logits, label, label_smoothing=arguments.lsr)


def train_epoch(network, loader, optimizer, moco, arguments, epoch):
    network.train()
    network.clip.eval()
    losses, right, seen = 0.0, 0, 0
    for face, context, label in loader:
        other, share, mix = label, 1.0, None
        if arguments.mixup:
            share, partner = np.random.beta(arguments.mixup, arguments.mixup), torch.randperm(len(label))
            other, mix = label[partner], (partner, share)
        logits, video, text = network(face, context, mix)
        loss = share * classification(logits, text, label, arguments, epoch)
        if moco is not None:
            loss = loss + share * moco.loss(video, text, label)
        if mix is not None:
            loss = loss + (1 - share) * classification(logits, text, other, arguments, epoch)
            if moco is not None:
                loss = loss + (1 - share) * moco.loss(video, text, other)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if moco is not None:
            moco.follow(label)
        losses += loss.item() * len(label)
        right += (logits.argmax(-1) == label).sum().item()
        seen += len(label)
    return losses / seen, right / seen


@torch.no_grad()
def evaluate(network, loader):
    """Weighted and unweighted average recall."""
    network.eval()
    said, labels = [], []
    for face, context, label in loader:
        said.append(network(face, context)[0].argmax(-1))
        labels.append(label)
    said, labels = torch.cat(said), torch.cat(labels)
    right = (said == labels).float()
    return right.mean().item(), np.mean([right[labels == label].mean().item() for label in labels.unique()])


def now():
    """Seconds by the clock and of this process's processors."""
    return np.array([time.perf_counter(), time.process_time()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True, help="clips, boxes and class descriptions of one data set")
    parser.add_argument("--model", required=True)
    parser.add_argument("--pretrained", help="a weights file, unless the model is a folder that holds its own")
    parser.add_argument("--times", required=True, help="file for the seconds of each part")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--lsr", type=float, default=0.0)
    parser.add_argument("--ldl", type=float, default=0.0)
    parser.add_argument("--warmup", type=int, default=0)
    parser.add_argument("--mixup", type=float, default=0.0)
    parser.add_argument("--moco", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)

    with open(arguments.index) as file:
        index = json.load(file)
    clip = open_clip.create_model(arguments.model, pretrained=arguments.pretrained)
    visual, tokenizer = clip.visual, open_clip.get_tokenizer(arguments.model)
    width = clip.text_projection.shape[1]
    network = Network(clip, tokenizer, index["descriptions"], width)
    moco = Moco(network, arguments.moco, width) if arguments.moco else None
    optimizer = torch.optim.AdamW(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=arguments.lr,
        weight_decay=arguments.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    loaders = {
        split: DataLoader(
            Clips(index, split, arguments.frames, visual.image_size[0], visual.image_mean, visual.image_std),
            arguments.batch_size,
            shuffle=split == "train",
            num_workers=arguments.workers,
        )
        for split in ("train", "val", "test")
    }

    times, best, saved = {"train": [], "val": [], "test": []}, -1.0, arguments.times + ".best.pth"
    for epoch in range(arguments.epochs):
        began = now()
        loss, accuracy = train_epoch(network, loaders["train"], optimizer, moco, arguments, epoch)
        schedule.step()
        times["train"].append(now() - began)
        began = now()
        war, uar = evaluate(network, loaders["val"])
        if war > best:
            best = war
            torch.save({name: p for name, p in network.named_parameters() if p.requires_grad}, saved)
        times["val"].append(now() - began)
        print(f"epoch {epoch}: loss {loss:.4f}, train {accuracy:.3f}, val WAR {war:.3f} UAR {uar:.3f}", flush=True)
    began = now()
    network.load_state_dict(torch.load(saved), strict=False)
    war, uar = evaluate(network, loaders["test"])
    times["test"].append(now() - began)
    print(f"test: WAR {war:.3f} UAR {uar:.3f}")
    with open(arguments.times, "w") as file:
        json.dump({part: np.transpose(rows).tolist() for part, rows in times.items()}, file)


if __name__ == "__main__":
    main()
