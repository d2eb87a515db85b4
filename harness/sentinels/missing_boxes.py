"""Clips without a face box, or with one that is not theirs: the face stream shows something else than the face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.sentinels import Finding, Reading, Sentinel, Watching
from harness.sentinels._shares import differ, exceeds
from harness.settings import knob

KEYS = "look at the keys of the box file beside the clips' (`harness data check` shows the nearest)"


class MissingBoxes(Sentinel):
    """A stand-in for the face is a picture as any other, so nothing in the loss says that the face is not in it."""

    name = "missing-boxes"
    watches = "how the face of every clip and frame was found, by split"
    reason = (
        "published box lists lack 0.6 to 0.8 % of their clips, a key that is spelt otherwise lacks all. A share is too "
        "high when a binomial at `share` would reach it once in 1000 copies; two splits see different things when "
        "Fisher's exact test says so at the same level and they are more than `gap` apart; half of a split without "
        "boxes, or half of all frames with their neighbour's, is no gap in a list but another list"
    )
    failures = (4, 5, 32)

    @dataclass(frozen=True)
    class Settings(Watching):
        share: float = knob(0.01, "share of clips without a box that is worth a warning", low=0, high=1)
        gap: float = knob(0.05, "difference in that share between splits that is an error", low=0, high=1)

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        faces, stand_in = reading.scan.faces, reading.face.missing
        if reading.cropped and not reading.scan.has_boxes:
            return  # the whole frame is the face
        if not reading.scan.has_boxes:
            total = sum(map(sum, (count.values() for count in faces.values())))
            yield Finding(
                f"this copy has no face boxes, so the face stream of all {total} clips is a {stand_in}",
                f"give data.{reading.dataset}.faces, or say so beside the results",
                {"clips": total, "stand_in": stand_in},
                severity="warning",
            )
            return
        yield from self._splits(faces, "left out" if stand_in == "skip" else f"shown as a {stand_in}")
        yield from self._frames(reading)

    def _splits(self, faces: dict[str, dict[str, int]], fate: str) -> Iterator[Finding]:
        gone = sum(count["missing"] for count in faces.values())
        total = gone + sum(count["found"] for count in faces.values())
        apart = False
        for split, count in faces.items():
            here, size = count["missing"], count["missing"] + count["found"]
            elsewhere, others = gone - here, total - size
            evidence = {"split": split, "missing": here, "clips": size, "elsewhere": elsewhere, "others": others}
            if 2 * here > size:
                why = "most of the split"
            elif self._apart(here, size, elsewhere, others):
                why = f"of the other splits {elsewhere} of {others}, so the splits show the model different things"
            else:
                continue
            apart = True
            message = f"{here} of {size} clips of {split} have no face box and are {fate}: {why}"
            yield Finding(message, KEYS, evidence, split)
        if not apart and exceeds(gone, total, self.settings.share):
            message = f"{gone} of {total} clips have no face box and are {fate}"
            yield Finding(message, KEYS, {"missing": gone, "clips": total}, "all", "warning")

    def _apart(self, here: int, size: int, elsewhere: int, others: int) -> bool:
        wide = others > 0 and here / size - elsewhere / others > self.settings.gap
        return wide and differ(here, size, elsewhere, others)

    def _frames(self, reading: Reading) -> Iterator[Finding]:
        """A box of another frame, or of another picture, is a box by its looks only."""
        found = {how: reading.boxes.get(how, 0) for how in ("frame", "nearest", "clip", "outside")}
        total = found["frame"] + found["nearest"] + found["clip"]
        if found["nearest"] > found["frame"]:
            message = f"{found['nearest']} of {total} frames take the box of another frame, {found['frame']} have "
            message += "their own: the names of the frames in the box file are not those of the pictures"
            yield Finding(message, "name the frames in the box file as the pictures are called", found, "frames")
        clips = len(reading.scan.clips)  # a clip's frames share their fate, so they count as one
        outside = round(clips * found["outside"] / max(total + found["outside"], 1))
        if exceeds(outside, clips, self.settings.share):
            message = f"the boxes of {found['outside']} frames lie outside the picture: they belong to other pictures"
            yield Finding(message, "take boxes that were found on pictures of this size and crop", found, "outside")
