"""A trained run looks at videos: their class, with probabilities, and what the network saw of them.

Frames are sampled, cropped and put through the network by the rooms that did it in training, so that a test clip of the
run's data set is predicted as its stored prediction says. What stood in for something (a face box that was not given,
frames that a short clip lacks) is said with each prediction.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.cache import Views, augmented, pictures
from harness.data.clips import Box, Clip
from harness.data.video import Streams, Unreadable, lies_in
from harness.errors import BadInput
from harness.files import write_bytes
from harness.model.network import Batch
from harness.trained import Trained
from harness.words import plural

_STAND_IN = {"center-crop": "the largest centred square", "full-frame": "the whole frame"}
_GAP = 4  # pixels between two pictures of a contact sheet


@dataclass(frozen=True)
class Prediction:
    """What a run says of one video; `notes` are what stood in for something. `streams` holds the crops that it saw."""

    path: str
    label: str
    probabilities: dict[str, float]
    notes: list[str]
    boxes: dict[str, int]
    streams: Streams = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """What `harness predict --json` prints of it."""
        return {name: value for name, value in vars(self).items() if name != "streams"}

    def sheet(self) -> NDArray[np.uint8]:
        """The crops as one picture (RGB): a column a frame in order, faces above, their context below."""
        rows = [np.concatenate([_framed(picture) for picture in stream], axis=1) for stream in self._seen()]
        return np.concatenate(rows, axis=0)

    def save(self, path: Path) -> Path:
        """Writes the sheet as a PNG. Raises `Unwritable`."""
        _, png = cv2.imencode(".png", cv2.cvtColor(self.sheet(), cv2.COLOR_RGB2BGR))
        write_bytes(path, png.tobytes())
        return path

    def _seen(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return self.streams.face, self.streams.context


class Classifier:
    """A trained run that predicts videos, folders of frames and pictures, on a GPU where there is one."""

    def __init__(self, trained: Trained) -> None:
        self.trained, self.facts = trained, trained.facts
        self.classes = tuple(trained.facts.classes)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = trained.model.to(self.device)
        self.views = Views(self.facts.settings("clips"), self.facts.settings("face"), trained.clip.size)

    def __repr__(self) -> str:
        return f"<{self.facts.method} of {self.facts.dataset} ({self.facts.run_id}): {', '.join(self.classes)}>"

    def predict(
        self, path: str | Path, face: Box | Mapping[str, Box] | None = None, body: Box | None = None
    ) -> Prediction:
        """The class of a video. Boxes are x1, y1, x2, y2 in pixels: `face` for the whole video, or by frame.

        Raises `BadInput` for what can't be read, for a body where the run looks at none, and where the run was trained
        to refuse clips without a face box.
        """
        path = Path(path)
        if not path.exists():
            raise BadInput(str(path), "is not there", "give a video, a folder of frames, or a picture")
        whole = Path(os.path.abspath(path))  # `.` has no name of its own
        boxes = face if face is None or isinstance(face, Mapping) else {"": face}
        for box in (*(boxes or {}).values(), *([body] if body else [])):
            _check(box)
        if body and (context := self.views.clips.context) != "body":
            what = f"is a box for runs whose second stream is the body, and this one's is clips.context={context}"
            raise BadInput("body", what, "leave it out")
        if not boxes and (policy := self.views.face.missing) in ("skip", "error"):
            what = f"no face box is given, and this run takes no clip without one (face.missing={policy})"
            raise BadInput(str(path), what, "say where the face is: --face, or face=")
        clip = Clip(whole.stem, whole.name, 0, "test", face=boxes, body=body)
        try:
            (streams,) = pictures(whole.parent, clip, self.views, [None])
        except Unreadable as error:
            raise BadInput("video", str(error), "check the file, and the box if there is one") from error
        found = self._probabilities(streams, clip)
        label = self.classes[int(found.argmax())]
        told = dict(zip(self.classes, found.tolist(), strict=True))
        shown = str(path if path.name == whole.name else whole)
        return Prediction(shown, label, told, list(self._notes(streams, clip)), dict(streams.boxes), streams)

    @torch.inference_mode()
    def _probabilities(self, streams: Streams, clip: Clip) -> NDArray[np.float32]:
        pixels = augmented(streams, clip, self.views, None, self.device)
        label, target = torch.zeros(1, dtype=torch.long), torch.zeros(1, len(self.classes))
        batch = self.network.features(Batch(pixels[:1], pixels[1:], label, target, "pixels"))
        return torch.softmax(self.network(batch).logits.float(), dim=-1)[0].cpu().numpy()

    def _notes(self, streams: Streams, clip: Clip) -> Iterator[str]:
        counts, frames = Counter(streams.boxes), len(streams.face)
        for name, what in _STAND_IN.items():
            if counts[name]:
                why = "lies outside the picture" if clip.face else "was given"
                none = "the face box" if clip.face else "no face box"
                yield f"{none} {why}: {what} stood in for the face in {counts[name]} of {plural(frames, 'frame')}"
        if counts["nearest"]:
            yield f"{counts['nearest']} of {plural(frames, 'frame')} took the face box of the nearest frame with one"
        if counts["mask: none"]:
            yield f"the face is not blacked out of the context in {counts['mask: none']} of {plural(frames, 'frame')}"
        if counts["body: full-frame"]:
            why = "the body box lies outside the picture" if clip.body else "no body box was given"
            yield f"{why}: the whole frame stood in in {counts['body: full-frame']} of {plural(frames, 'frame')}"
        if streams.count < frames:
            yield f"it has {plural(streams.count, 'frame')} and {frames} are sampled, so some come more than once"
        if self.facts.precision != "fp32":
            yield f"the run was evaluated in {self.facts.precision} and this is fp32: the last digits differ"


def _check(box: Box) -> None:
    usable = len(box) == 4 and all(map(math.isfinite, box)) and box[2] > box[0] and box[3] > box[1]
    if not usable or not lies_in(box, 2**31, 2**31):
        raise BadInput(
            "box", f"{tuple(box)} is no area of a picture", "give x1, y1, x2, y2 in pixels, x2 > x1, y2 > y1"
        )


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(picture, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
