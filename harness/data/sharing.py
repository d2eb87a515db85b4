"""Who trains on which clips: an epoch's batches, and a process's share of each.

The global batch is what the settings speak of. It is shared out so that every clip counts once and neighbours stay
together, whatever the number of processes and micro-batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.loading import Pick, as_picks
from harness.methods import Component


@dataclass
class Share:
    """A micro-batch of one process and the share of the global batch's loss that it stands for.

    `first` is the place of its first clip in the global batch.
    """

    picks: list[Pick]
    weight: float
    first: int = 0


def epoch_picks(
    labels: np.ndarray, batch_size: int, seed: int, epoch: int, parts: Sequence[Component] = ()
) -> list[list[Pick]]:
    """The epoch's global batches: random order (or a component's), a random augmented view for each clip.

    The last batch is as uneven as it comes: no clip is dropped, none is doubled. A component that gives no order leaves
    everything as it is without it.
    """
    rng = np.random.default_rng([seed, epoch])
    orders = (part.sampler(labels, rng.spawn(1)[0]) for part in parts)  # draws nothing from `rng` itself
    order = next((order for order in orders if order is not None), None)
    order = rng.permutation(len(labels)) if order is None else order
    picks = as_picks(order, rng.integers(2**31, size=len(order)))
    return [picks[start : start + batch_size] for start in range(0, len(picks), batch_size)]


def share(step: list[Pick], rank: int, world: int, accumulation: int) -> list[Share]:
    """This process's micro-batches of a global batch: consecutive, of even size, so that neighbours stay together.

    Every process gets at least one (DDP waits for all): where there are too few clips, the first clip again
    with weight 0, which adds nothing to gradients or metrics.
    """
    everyone = _pieces(step, world)
    first, shares = sum(map(len, everyone[:rank])), []
    for piece in filter(None, _pieces(everyone[rank], accumulation)):
        shares.append(Share(piece, len(piece) / len(step), first))
        first += len(piece)
    return shares or [Share(step[:1], 0.0)]


def _pieces(picks: list[Pick], count: int) -> list[list[Pick]]:
    size = math.ceil(len(picks) / count / 2) * 2 if count > 1 else len(picks)
    return [picks[start * size : (start + 1) * size] for start in range(count)]
