"""MoCo Rank: a video must be nearer to its class's text than to a queue of features of other classes."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.methods import Batch, Component, Context, Output, VideoModel, Weighted
from harness.model.text import class_features
from harness.settings import knob


class MocoRank(Component):
    """L = Σ_y q_y L_y, L_y = −log exp(v·k⁺_y/T) / (exp(v·k⁺_y/T) + Σ_queue exp(v·k⁻/T)), averaged over the batch.

    `k⁺_y` is the text feature of class y (or the momentum copy's feature of the same video), q the label or
    mixup's mixture of labels. The queue holds text (or video) features of a momentum copy in evaluation mode, the
    newest for the oldest. Each entry carries its label, a mixed clip's its larger share, since with K classes
    about 1/K of the entries are of the clip's own class. The copy is of what stands behind the trunk; a trainable
    trunk is shared with it.
    """

    name = "moco"
    paper = "He et al., MoCo, CVPR 2020 (arXiv 1911.05722), as the ranking loss of the RAPT-CLIP-CAER code family"
    queue: Tensor
    labels: Tensor
    next: Tensor
    order = 1  # it copies what the others have added to the network

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
        label, keys = batch.target.argmax(dim=-1), self._momentum_features(batch)
        self._keys.append((keys["text"][label] if self.settings.queue_of == "text" else keys["video"], label))
        if self.settings.positive == "text":
            near = out.video @ out.text.T
        else:
            near = (out.video * keys["video"]).sum(-1, keepdim=True).expand_as(batch.target)
        near = near / self.settings.temperature
        far = _by_class(out.video @ self.queue.to(out.video).T / self.settings.temperature, self.labels, near.shape[1])
        own = torch.eye(near.shape[1], dtype=torch.bool, device=near.device) & self.settings.mask_same_class
        far = far[:, None].masked_fill(own, float("-inf"))  # [B, label y, class of the entry]
        each = torch.logsumexp(torch.cat([near[..., None], far], dim=-1), dim=-1) - near
        return {"moco": (self.settings.at(ctx.epoch), (batch.target * each).sum(-1).mean())}

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
            keys["text"] = class_features(self.slow_text())
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


def _by_class(scores: Tensor, labels: Tensor, classes: int) -> Tensor:
    """log Σ exp of the queue's scores `[B, Q]` by class of the entry `[B, K]`; −∞ for a class without entries.

    Each class is summed below its own maximum, so nothing is lost where one class outweighs another.
    """
    member = labels[:, None] == torch.arange(classes, device=labels.device)  # [Q, K]; none for unfilled places
    filled = (labels >= 0)[None]
    place = labels.clamp(min=0).expand_as(scores)
    lowest = scores.new_full((len(scores), classes), float("-inf"))
    shown = scores.detach().masked_fill(~filled, float("-inf"))
    top = lowest.scatter_reduce(1, place, shown, "amax").nan_to_num(neginf=0)
    sums = (scores - top.gather(1, place)).masked_fill(~filled, float("-inf")).exp() @ member.to(scores)
    return torch.where(member.any(dim=0), top + sums.clamp(min=1e-30).log(), lowest)


def _copy(module: nn.Module, model: VideoModel) -> nn.Module:
    """A frozen copy in evaluation mode that shares the text tower, which never changes."""
    return copy.deepcopy(module, {id(model.tower): model.tower}).requires_grad_(False).eval()
