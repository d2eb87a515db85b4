"""MoCo Rank: a video must be nearer to its class's text than to a queue of features of other classes."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.methods import Batch, Component, Context, Output, VideoModel, Weighted
from harness.settings import knob


class MocoRank(Component):
    """L = −log exp(v·k⁺/T) / (exp(v·k⁺/T) + Σ_queue exp(v·k⁻/T)), averaged over the batch.

    `k⁺` is the text feature of the clip's class (or the momentum copy's video feature), the queue holds old
    text (or video) features of a momentum copy, newest first out of the copy in evaluation mode. Each entry
    carries its label, since with K classes about 1/K of the entries are of the clip's own class.
    """

    name = "moco"
    paper = "He et al., MoCo, CVPR 2020 (arXiv 1911.05722), as the ranking loss of the RAPT-CLIP-CAER code family"
    queue: Tensor
    labels: Tensor
    next: Tensor
    last = True  # it copies what the others have added to the network

    @dataclass(frozen=True)
    class Settings(Weighted):
        queue: int = knob(4096, "features that the queue holds", low=1)
        momentum: float = knob(0.999, "share of the copy that stays at each step", low=0, high=1)
        temperature: float = knob(0.07, "T that divides the cosines", above=0)
        positive: str = knob("text", "what a video is drawn to", choices=("text", "video"))
        queue_of: str = knob("text", "which features are queued as negatives", choices=("text", "video"))
        mask_same_class: bool = knob(True, "entries of the clip's own class are not negatives")

    def extend(self, model: VideoModel) -> None:
        used = {self.settings.positive, self.settings.queue_of}
        self.slow_text = _copy(model.text, model) if self.settings.queue_of == "text" else None
        self.slow_video = _copy(model.head, model) if "video" in used else None
        size = self.settings.queue
        self.register_buffer("queue", torch.zeros(size, model.width))
        self.register_buffer("labels", torch.full((size,), -1))  # -1: not filled yet
        self.register_buffer("next", torch.zeros((), dtype=torch.long))
        self._keys: list[tuple[Tensor, Tensor]] = []

    def train(self, mode: bool = True) -> "MocoRank":
        """The momentum copy never trains: dropout in its keys would be noise in the queue."""
        return super().train(False)

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        label, keys = batch.label, self._momentum_features(batch)
        positive = out.text[label] if self.settings.positive == "text" else keys["video"]
        queued = keys["text"][label] if self.settings.queue_of == "text" else keys["video"]
        self._keys.append((queued, label))
        near = (out.video * positive).sum(-1, keepdim=True)
        far = out.video @ self.queue.T
        allowed = (self.labels >= 0)[None]
        if self.settings.mask_same_class:
            allowed = allowed & (self.labels[None] != label[:, None])
        far = far.masked_fill(~allowed, float("-inf"))
        scores = torch.cat([near, far], dim=1) / self.settings.temperature
        return {"moco": (self.settings.at(ctx.epoch), -F.log_softmax(scores.float(), dim=1)[:, 0].mean())}

    def after_step(self, ctx: Context) -> None:
        """First the copy follows the weights that the optimiser has just changed, then the new keys go in."""
        for slow, fast in ((self.slow_text, ctx.model.text), (self.slow_video, ctx.model.head)):
            if slow is not None:
                self._follow(slow, fast)
        keys = ctx.gather(torch.cat([rows for rows, _ in self._keys]))
        labels = ctx.gather(torch.cat([label for _, label in self._keys]))
        self._keys.clear()
        self._push(keys.to(self.queue.dtype), labels)

    @torch.no_grad()
    def _momentum_features(self, batch: Batch) -> dict[str, Tensor]:
        keys = {}
        if self.slow_text is not None:
            keys["text"] = F.normalize(self.slow_text().float(), dim=-1)
        if self.slow_video is not None:
            keys["video"] = F.normalize(self.slow_video(batch.face, batch.context).float(), dim=-1)
        return keys

    @torch.no_grad()
    def _follow(self, slow: nn.Module, fast: nn.Module) -> None:
        for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
            if new.requires_grad:
                old.lerp_(new.detach(), 1 - self.settings.momentum)

    @torch.no_grad()
    def _push(self, keys: Tensor, labels: Tensor) -> None:
        """Writes the newest keys round the ring; of more keys than places, the last ones stay."""
        size = len(self.queue)
        places = (self.next + torch.arange(len(keys), device=keys.device)) % size
        self.queue[places[-size:]] = keys[-size:]
        self.labels[places[-size:]] = labels[-size:]
        self.next.copy_((self.next + len(keys)) % size)


def _copy(module: nn.Module, model: VideoModel) -> nn.Module:
    """A frozen copy that shares the text tower, which never changes."""
    return copy.deepcopy(module, {id(model.tower): model.tower}).requires_grad_(False)
