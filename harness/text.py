"""The text side: CLIP's frozen text tower on as few positions as its prompts need, and fixed prompts encoded once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import BadInput
from harness.trunk import Clip


def class_features(raw: Tensor) -> Tensor:
    """Normalised text features `[K, D]`; of several prompts a class `[K, P, D]`, the mean of the normalised ones."""
    unit = F.normalize(raw, dim=-1)
    return unit if raw.ndim == 2 else unit.mean(dim=1)


class TextTower(nn.Module):
    """CLIP's frozen text tower on as many positions as its input has.

    Its attention is causal, so cutting off what follows the longest [EOS] changes nothing: running 14 to 20
    positions instead of 77 gives the same features.
    """

    mask: Tensor

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        parts = getattr(clip.model, "text", clip.model)  # both of open_clip's layouts of a CLIP
        pool = getattr(parts, "text_pool_type", getattr(parts, "pool_type", None))
        if getattr(parts, "attn_mask", None) is None or pool != "argmax":
            raise BadInput("model.name", "its text tower is not a causal CLIP transformer", "choose a CLIP model")
        self.transformer, self.ln_final = parts.transformer, parts.ln_final
        self.projection, self.positions = parts.text_projection, parts.positional_embedding
        self.register_buffer("mask", parts.attn_mask, persistent=False)
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

    def forward(self, vectors: Tensor, ends: Tensor, shared: int = 0) -> Tensor:
        """Embedded prompts `[K, L, W]` and the place of their [EOS] `[K]` to text features `[K, D]`.

        `shared` first positions, the same in all prompts, are run once for all: what follows looks back at them
        and they at nothing that follows. An [EOS] stands behind them.
        """
        rows = vectors + self.positions[: vectors.shape[1]]
        if shared and self._plain:
            rows, ends = self._behind(rows[:1, :shared], rows[:, shared:]), ends - shared
        else:
            length = rows.shape[1]
            rows = self.transformer(rows, attn_mask=self.mask[:length, :length])
        rows = self.ln_final(rows)[torch.arange(len(rows), device=rows.device), ends]
        return _project(rows, self.projection)

    @property
    def _plain(self) -> bool:
        """Whether all blocks are the usual ones, whose attention can be taken apart."""
        wanted = ("ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2")
        return all(hasattr(block, part) for block in self.transformer.resblocks for part in wanted)

    def _behind(self, prefix: Tensor, rest: Tensor) -> Tensor:
        """The rows `[K, L − P, W]` behind a prefix `[1, P, W]` that goes through the blocks beside them."""
        for block in self.transformer.resblocks:
            attended = _attention(block.attn, block.ln_1(prefix), block.ln_1(rest))
            prefix, rest = (x + block.ls_1(a) for x, a in zip((prefix, rest), attended, strict=True))
            prefix, rest = (x + block.ls_2(block.mlp(block.ln_2(x))) for x in (prefix, rest))
        return rest


class FixedText(nn.Module):
    """The text side without learned prompts: the class descriptions, encoded once."""

    encoded: Tensor

    def __init__(self, tower: TextTower, descriptions: tuple[str, ...]) -> None:
        super().__init__()
        tokens, ends = tower.tokenize(descriptions)
        with torch.no_grad():
            self.register_buffer("encoded", tower(tower.embed(tokens), ends))

    def forward(self) -> Tensor:
        return self.encoded


def _attention(attn: nn.MultiheadAttention, prefix: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Causal self-attention of a shared prefix `[1, P, W]` and of the rows `[K, R, W]` behind it."""

    def heads(rows: Tensor) -> tuple[Tensor, ...]:
        packed = F.linear(rows, attn.in_proj_weight, attn.in_proj_bias)
        return tuple(part.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for part in packed.chunk(3, dim=-1))

    def merged(rows: Tensor) -> Tensor:
        return attn.out_proj(rows.transpose(1, 2).flatten(-2))

    (q, k, v), (q_rest, k_rest, v_rest) = heads(prefix), heads(rest)
    before, count = prefix.shape[1], rest.shape[1]
    keys, values = (
        torch.cat([shared.expand(len(rest), -1, -1, -1), own], dim=2) for shared, own in ((k, k_rest), (v, v_rest))
    )
    sees = torch.ones(count, before + count, dtype=torch.bool, device=rest.device).tril(before)
    attended = F.scaled_dot_product_attention(q_rest, keys, values, attn_mask=sees)
    return merged(F.scaled_dot_product_attention(q, k, v, is_causal=True)), merged(attended)


def _project(rows: Tensor, projection: Any) -> Tensor:
    if projection is None:
        return rows
    return projection(rows) if isinstance(projection, nn.Module) else rows @ projection
