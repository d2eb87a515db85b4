"""Face boxes held against the sizes of the pictures they lie on: another scale, x and y swapped, too small.

Boxes as published overhang the picture a little, on every side, where a face leaves it. So only what reaches well
past the right or bottom edge counts, in many clips, and in many more than past the left or top one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.data.clips import Box, Clip

if TYPE_CHECKING:
    from harness.data.probe import Probe

MANY = 0.05  # of the clips that have boxes
PIXELS, SHARE = 4, 0.05  # of the picture's side: what a box may overhang
SMALL = 8  # pixels: a smaller face shows nothing
ONE_SIDED = 3  # times as many clips past right or bottom as past left or top

Seen = tuple[Clip, "Probe"]
Fault = tuple[list[Clip], str, str]  # the clips, what befell them, the mend


def faults(readable: Sequence[Seen]) -> Iterator[Fault]:
    """What is wrong with the boxes of many clips."""
    seen = [(clip, probe) for clip, probe in readable if clip.face]
    past = [one for one in seen if _past(*one)]
    before = sum(_before(*one) for one in seen)
    if past and len(past) >= max(MANY * len(seen), ONE_SIDED * before):
        what, mend = _cause(seen, past)
        yield [clip for clip, _ in past], f"the face boxes reach past the picture: {what}", mend
    small = [clip for clip, _ in seen if all(_side(box) < SMALL for box in _boxes(clip))]
    if small and len(small) >= MANY * len(seen):
        mend = "take boxes in pixels of these pictures"
        yield small, f"the face boxes are less than {SMALL} pixels wide or high: of smaller pictures?", mend


def _cause(seen: Sequence[Seen], past: Sequence[Seen]) -> tuple[str, str]:
    still = sum(_past(clip, probe, swapped=True) for clip, probe in seen)
    if still < MANY * len(past):
        return "x and y swapped? Swapped, they fit", "write x1, y1, x2, y2, not y1, x1, y2, x2"
    (width, height), _ = Counter((probe.width, probe.height) for _, probe in past).most_common(1)[0]
    ends = [box for clip, probe in seen if (probe.width, probe.height) == (width, height) for box in _boxes(clip)]
    needs = f"{max(box[2] for box in ends):.0f} × {max(box[3] for box in ends):.0f}"
    what = f"another scale? These are {width} × {height}, the boxes need at least {needs}"
    return what, "scale the boxes to these pictures, or take the pictures on which they were found"


def _boxes(clip: Clip) -> list[Box]:
    return list((clip.face or {}).values())


def _side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


def _past(clip: Clip, probe: Probe, swapped: bool = False) -> bool:
    """Whether a box of the clip reaches well past the right or the bottom edge."""
    right, bottom = probe.width + _spare(probe.width), probe.height + _spare(probe.height)
    ends = ((box[3], box[2]) if swapped else (box[2], box[3]) for box in _boxes(clip))
    return any(x > right or y > bottom for x, y in ends)


def _before(clip: Clip, probe: Probe) -> bool:
    """Whether a box of the clip reaches well past the left or the top edge."""
    return any(box[0] < -_spare(probe.width) or box[1] < -_spare(probe.height) for box in _boxes(clip))


def _spare(side: int) -> float:
    return max(PIXELS, SHARE * side)
