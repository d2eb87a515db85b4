"""Small pictures of test clips, kept in the store for the page that shows which clips the runs get wrong.

Only of miniatures: a leaderboard is sent around, and the faces of a licensed data set must not travel with it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from harness.data.clips import Clip
from harness.data.video.frames import read
from harness.data.video.images import Unreadable
from harness.files import write_bytes
from harness.plan import Copy
from harness.store import Store

HEIGHT = 72  # pixels


def keep(store: Store, copy: Copy) -> None:
    """Writes what is not there yet (`Store.thumbnail`): the middle frame of each test clip.

    Raises `Unwritable`.
    """
    if not copy.miniature:
        return
    for clip in copy.scan.clips:
        path = store.thumbnail(copy.adapter.name, clip.id)
        if clip.split == "test" and not path.exists():
            with suppress(Unreadable):  # the run counts it and tells
                write_bytes(path, _picture(copy.adapter.root, clip))


def _picture(root: Path, clip: Clip) -> bytes:
    (picture,) = read(root / clip.media, lambda count: np.array([count // 2])).pictures
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (round(width * HEIGHT / height), HEIGHT), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return jpeg.tobytes()
