"""Losses that fall without anything being learnt."""

from __future__ import annotations

from sentinels.defects import Defect

DEFECTS = [
    Defect("loss-accuracy-gap", "a target temperature of 1: the post-mortem", "prompt+ldl(temperature=1.0)"),
    Defect("loss-accuracy-gap", "the same, attached", "prompt+ldl(temperature=1.0,detach=false)"),
    Defect("loss-accuracy-gap", "label smoothing of 1", "prompt+lsr(epsilon=1.0)"),
]
