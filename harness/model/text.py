"""The text side: CLIP's frozen text tower on as few positions as its prompts need, and fixed prompts encoded once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import BadInput
from harness.model import packing
from harness.model.packing import Layout
from harness.model.trunk import Loaded


def class_features(raw: Tensor) -> Tensor:
    """Normalised text features `[K, D]`; of several prompts a class `[K, P, D]`, the mean of the normalised ones."""
    unit = F.normalize(raw, dim=-1)
    return unit if raw.ndim == 2 else unit.mean(dim=1)


class TextTower(nn.Module):
    """CLIP's frozen text tower on as many positions as its input has.

    Its attention is causal, so leaving out what follows [EOS] changes nothing (see `packing`): running 14 to 20
    positions instead of 77 gives the same features.
    """

    mask: Tensor

    def __init__(self, clip: Loaded) -> None:
        super().__init__()
        parts = getattr(clip.model, "text", clip.model)  # both of open_clip's layouts of a CLIP
        pool = getattr(parts, "text_pool_type", getattr(parts, "pool_type", None))
        if getattr(parts, "attn_mask", None) is None or pool != "argmax":
            raise BadInput("model.name", "its text tower is not a causal CLIP transformer", "choose a CLIP model")
        self.transformer, self.ln_final = parts.transformer, parts.ln_final
        self.projection, self.positions = parts.text_projection, parts.positional_embedding
        self.register_buffer("mask", parts.attn_mask.to(parts.positional_embedding.device), persistent=False)
        self.context_length, self.width = parts.positional_embedding.shape
        self._embedding, self._tokenizer = [parts.token_embedding], clip.tokenizer  # a list: no submodule
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TextTower:
        return super().train(False)

    def tokenize(self, texts: tuple[str, ...], *, room: int = 0) -> tuple[Tensor, Tensor]:
        """Token ids `[K, L]` cut to the longest text, and the position of each [EOS] `[K]`.

        Raises `BadInput` when a text with `room` further tokens does not fit the tower.
        """
        tokens = self._tokenizer(list(texts))
        ends = tokens.argmax(dim=-1)
        longest = int(ends.max()) + 1
        if longest + room > self.context_length or bool((tokens[:, -1] != 0).any()):
            text = texts[int(ends.argmax())]
            what = f"{text!r} with {room} learned tokens does not fit the {self.context_length} of the text tower"
            raise BadInput("prompt", what, "shorten the description or prompt.tokens")
        return tokens[:, :longest], ends

    def embed(self, tokens: Tensor) -> Tensor:
        """`[K, L]` ids to `[K, L, W]` vectors, without positions."""
        with torch.no_grad():
            return self._embedding[0](tokens)

    def forward(self, vectors: Tensor, layout: Layout) -> Tensor:
        """Embedded prompts `[K, L, W]`, laid out as `layout` says, to text features `[K, D]`."""
        rows = vectors + self.positions[: vectors.shape[1]]
        if packing.plain(self.transformer.resblocks):
            rows = packing.run(self.transformer.resblocks, rows, layout)
        else:
            length = rows.shape[1]
            rows = self.transformer(rows, attn_mask=self.mask[:length, :length]).flatten(0, 1)
            rows = rows.index_select(0, layout.rows.index_select(0, layout.ends))
        return _project(self.ln_final(rows), self.projection)


class FixedText(nn.Module):
    """The text side without learned prompts: the class descriptions, encoded once."""

    encoded: Tensor

    def __init__(self, tower: TextTower, descriptions: tuple[str, ...]) -> None:
        super().__init__()
        tokens, ends = tower.tokenize(descriptions)
        with torch.no_grad():
            there = tower.positions.device  # where an earlier run has moved it
            layout = Layout(ends, tokens.shape[1]).to(there)
            self.register_buffer("encoded", tower(tower.embed(tokens).to(there), layout))

    def forward(self) -> Tensor:
        return self.encoded


def _project(rows: Tensor, projection: Any) -> Tensor:
    if projection is None:
        return rows
    return projection(rows) if isinstance(projection, nn.Module) else rows @ projection
