"""Which rows of a causal text tower have to be run: each once, without padding, and in the last block [EOS] alone.

Prompts differ in length, begin alike ([SOS] at least, shared context vectors as well) and are read at [EOS]. So the
rows of K prompts are packed into one matrix: those of the common beginning once, then each prompt's own up to its
[EOS]. Everything but attention works row by row; attention looks the packed rows up. The features are those of the
padded prompts: what is left out was computed twice, or looked at by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WANTED = ("ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2")


class Layout(nn.Module):
    """Where the rows of K prompts `[K, L]` stand, given the place of each [EOS] and how many first positions all share.

    N rows are packed: P shared ones, then each prompt's own.
    """

    rows: Tensor  # [N] places in the flat [K · L]
    ends: Tensor  # [K] packed places of [EOS]

    def __init__(self, ends: Tensor, length: int, shared: int = 1) -> None:
        super().__init__()
        last = ends.tolist()
        own = [range(shared, end + 1) for end in last]  # an [EOS] stands behind what is shared
        starts = [shared + sum(map(len, own[:k])) for k in range(len(own))]
        packed = [*range(shared), *(k * length + at for k, places in enumerate(own) for at in places)]
        sequences = [list(range(start, start + len(places))) for start, places in zip(starts, own, strict=True)]
        self.register_buffer("rows", torch.tensor(packed), persistent=False)
        self.register_buffer("ends", torch.tensor([rows[-1] for rows in sequences]), persistent=False)
        self.every = _View([*sequences, list(range(shared))], [*sequences, []], shared, answers=len(packed))
        self.final = _View([[rows[-1]] for rows in sequences], sequences, shared, answers=0)


class _View(nn.Module):
    """One attention over packed rows: S sequences of queries, which see the shared rows and rows of their own.

    `asking [S, Q]` and `seen [S, P + R]` are packed places, padded with row 0; `mask [S, 1, Q, P + R]` says what a
    query may look at; `back` brings the answers into the order of the packed rows. There are `answers` of them (0: one
    of each sequence).
    """

    asking: Tensor
    seen: Tensor
    mask: Tensor
    back: Tensor

    def __init__(self, asking: Sequence[list[int]], own: Sequence[list[int]], shared: int, *, answers: int) -> None:
        super().__init__()
        queries, keys = max(map(len, asking)), max(map(len, own))
        seen = [[*range(shared), *rows, *[0] * (keys - len(rows))] for rows in own]
        padded = [[*rows, *[0] * (queries - len(rows))] for rows in asking]
        there = torch.tensor([[True] * (shared + len(rows)) + [False] * (keys - len(rows)) for rows in own])
        asks, sees = torch.tensor(padded), torch.tensor(seen)
        mask = (sees[:, None] <= asks[..., None]) & there[:, None]  # packed places grow along each prompt
        mask[..., 0] = True  # a padded query must see something
        back = {row: s * queries + place for s, rows in enumerate(asking) for place, row in enumerate(rows)}
        order = sorted(back) if answers else [rows[0] for rows in asking]
        assert not answers or len(order) == answers
        for name, value in (("asking", asks), ("seen", sees), ("mask", mask[:, None])):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("back", torch.tensor([back[row] for row in order]), persistent=False)


def plain(blocks: Any) -> bool:
    """Whether all blocks are the usual ones, which can be taken apart."""
    return all(hasattr(block, part) for block in blocks for part in _WANTED)


def run(blocks: Any, rows: Tensor, layout: Layout) -> Tensor:
    """Rows `[K, L, W]` through the blocks; what comes out at each [EOS], `[K, W]`."""
    packed = rows.flatten(0, 1).index_select(0, layout.rows)
    *first, last = blocks
    for block in first:
        packed = _behind(block, packed, _attended(block, packed, layout.every))
    return _behind(last, packed.index_select(0, layout.ends), _attended(last, packed, layout.final))


def _behind(block: Any, rows: Tensor, attended: Tensor) -> Tensor:
    rows = rows + block.ls_1(attended)
    return rows + block.ls_2(block.mlp(block.ln_2(rows)))


def _attended(block: Any, rows: Tensor, view: _View) -> Tensor:
    """Self-attention's answers for the view's queries `[M, W]`."""
    attn, width = block.attn, rows.shape[-1]
    normed, weight, bias = block.ln_1(rows), attn.in_proj_weight, attn.in_proj_bias
    asking = normed if len(view.back) == len(rows) else normed.index_select(0, view.asking.flatten())
    query = F.linear(asking, weight[:width], bias[:width])
    if asking is normed:
        query = query.index_select(0, view.asking.flatten())
    both = F.linear(normed, weight[width:], bias[width:]).index_select(0, view.seen.flatten())

    def heads(flat: Tensor, sequences: int) -> Tensor:
        return flat.view(sequences, -1, attn.num_heads, width // attn.num_heads).transpose(1, 2)

    key, value = (heads(part, len(view.seen)) for part in both.chunk(2, dim=-1))
    found = F.scaled_dot_product_attention(heads(query, len(view.seen)), key, value, attn_mask=view.mask)
    return attn.out_proj(found.transpose(1, 2).reshape(-1, width).index_select(0, view.back))
