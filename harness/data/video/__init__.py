"""From a clip on disk to two streams of frames: decode, sample, crop.

`frames` picks frames from any medium, `films` decodes video files, `images` still pictures, and `streams` crops what
the model sees. What can't be read raises `Unreadable`; nothing stands in for a video.
"""

from harness.data.video.frames import Frames, read, sample
from harness.data.video.images import Picture, Unreadable
from harness.data.video.streams import Streams, cropped, face_box, lies_in, pixels, views_of

__all__ = [
    "Frames",
    "Picture",
    "Streams",
    "Unreadable",
    "cropped",
    "face_box",
    "lies_in",
    "pixels",
    "read",
    "sample",
    "views_of",
]
