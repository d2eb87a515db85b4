"""Miniatures: rendered stand-ins for licensed data sets, so that everything runs without them.

`render` writes short face-and-context videos in each set's native layout, `ensure` does so once per cache.
They are a world of our own and never presented as the real thing. `pretrain` makes the tiny model that
knows this world; nothing else here needs torch.
"""

from harness.miniature.layouts import VERSION, ensure, render

__all__ = ["VERSION", "ensure", "render"]
