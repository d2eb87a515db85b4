"""Video files: which frame is the k-th, exactly, and no damaged frame passes for a sound one.

The k-th frame is the k-th that the decoder gives out: presentation order, which time stamps only claim (AVI has none
of its own). So packets are counted first, because lists and containers miscount, and then everything up to the last
wanted frame is decoded, on one thread: parallelism is over clips. Only wanted frames are converted. Where order can't
be in doubt (MJPEG, and MPEG-4 without B-frames) decoding starts anew at the key frame before each wanted frame.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from harness.data.video.images import MOST_PIXELS, Picture, Unreadable, refuse_large, refuse_many

MOST_FRAMES = 100_000  # of one clip: nearly an hour at 30 a second
MOST_BYTES = 1 << 30  # of one clip's packets, which are all held
CONTAINERS = (  # as FFmpeg calls what may be in a video file; playlists, which name other files or hosts, are none
    *("avi", "mov", "matroska", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "ogg"),
    *("h264", "hevc", "m4v", "mjpeg", "dv", "rm", "nut", "ivf", "gif"),
)
_CLOSED = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
# Titles need not be UTF-8. PyAV 19 reads them when asked for, and knows no such option any more.
_TITLES: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
IN_ORDER = ("mjpeg", "mpeg4")  # codecs that decode one packet into one frame unless there are B-frames
SKIPPED = 8  # bytes: an MPEG-4 packet up to this size may say "as before" and hold no frame


@dataclass
class Film:
    """An open video file: its stream and its packets, which are held so that nothing seeks between two passes."""

    path: Path
    stream: Any
    packets: list[Any]
    seconds: float

    def __post_init__(self) -> None:
        self._to_rgb = VideoReformatter()  # one for all frames: making it anew costs more than a small frame

    @property
    def count(self) -> int:
        """Packets that are shown; those before an edit list's start are decoded but aren't."""
        return sum(not packet.is_discard for packet in self.packets)

    def pictures(self, wanted: set[int]) -> tuple[dict[int, Picture], int]:
        """The wanted frames that there are, by index, and how many frames there are up to the last of them."""
        codec = self.stream.codec_context
        refuse_many(self.path, len(wanted) * codec.width * codec.height)
        found = self._by_key_frames(sorted(wanted)) if self._in_order() else None
        return (found, max(wanted) + 1) if found is not None else self._through(wanted)

    def _in_order(self) -> bool:
        """Whether the k-th packet is the k-th frame and a key frame needs nothing before it."""
        codec = self.stream.codec_context
        plain = all(packet.size > SKIPPED and not packet.is_discard for packet in self.packets)
        return codec.name in IN_ORDER and not codec.has_b_frames and self.packets[0].is_keyframe and plain

    def _by_key_frames(self, wanted: list[int]) -> dict[int, Picture] | None:
        """Each wanted frame, decoded from the key frame before it; None where the order turns out to be in doubt."""
        keys = [i for i, packet in enumerate(self.packets) if packet.is_keyframe]
        found: dict[int, Picture] = {}
        at = -1
        for index in wanted:
            key = keys[bisect_right(keys, index) - 1]
            if at < key:
                self.stream.codec_context.flush_buffers()
                at = key
            while at <= index:
                frames = self._decode(self.packets[at], at)
                if len(frames) != 1 or (at == key and not frames[0].key_frame):
                    return None
                at += 1
            found[index] = self._picture(frames[0])
        return found

    def _through(self, wanted: set[int]) -> tuple[dict[int, Picture], int]:
        found: dict[int, Picture] = {}
        last, index = max(wanted), 0
        self.stream.codec_context.flush_buffers()
        for packet in [*self.packets, None]:  # None: hand out the frames still held back
            for frame in self._decode(packet, index):
                if index in wanted:
                    found[index] = self._picture(frame)
                index += 1
                if index > last:
                    return found, index
        return found, index

    def _decode(self, packet: Any, index: int) -> list[Any]:
        """The frames that come out after a packet goes in; later frames build on them, so none may be damaged."""
        if packet is not None and packet.is_corrupt:
            raise Unreadable(f"{self.path}: breaks at frame {index} (its data is cut off)")
        try:
            frames = list(self.stream.codec_context.decode(packet))
        except av.error.FFmpegError as error:
            raise Unreadable(f"{self.path}: breaks at frame {index} ({error.strerror})") from error
        for i, frame in enumerate(frames):
            if frame.is_corrupt:
                raise Unreadable(f"{self.path}: frame {index + i} is damaged")
        return frames

    def _picture(self, frame: Any) -> Picture:
        refuse_large(self.path, frame.width, frame.height)
        picture = self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return self._upright(cast(Picture, picture), frame)

    def _upright(self, picture: Picture, frame: Any) -> Picture:
        """Turned as the display matrix says: published boxes and frames come from tools that do so (FFmpeg, OpenCV)."""
        matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
        if matrix is None:
            return picture
        # ISO/IEC 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y; each row of the matrix has a third number
        a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
        if a and d and not b and not c:
            across, down = a, d
        elif b and c and not a and not d:
            picture, across, down = picture.transpose(1, 0, 2), c, b
        else:
            raise Unreadable(f"{self.path}: is to be shown at an angle that is no quarter turn")
        return np.ascontiguousarray(picture[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])


@contextmanager
def opened(path: Path) -> Iterator[Film]:
    """A video file with all its packets; `Unreadable` when it has none, or too many."""
    try:
        if path.is_file() and not path.stat().st_size:
            raise Unreadable(f"{path}: is empty")
        container = av.open(f"file:{path}", options=_CLOSED, **_TITLES)
    except av.error.ArgumentError as error:  # what FFmpeg says of a format that is not on the list
        raise Unreadable(f"{path}: is none of the containers that are read: {', '.join(CONTAINERS)}") from error
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(f"{path}: can't be opened as a video ({error.strerror or error})") from error
    with container:
        if not container.streams.video:
            raise Unreadable(f"{path}: has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise Unreadable(f"{path}: holds a kind of video that can't be decoded")
        refuse_large(path, stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # also when it grows later on
        packets = _packets(path, container, stream)
        if not packets:
            raise Unreadable(f"{path}: has no frames")
        yield Film(path, stream, packets, (container.duration or 0) / av.time_base)


def _packets(path: Path, container: Any, stream: Any) -> list[Any]:
    packets, size = [], 0
    try:
        for packet in container.demux(stream):
            if packet.size:
                packets.append(packet)
                size += packet.size
            if len(packets) > MOST_FRAMES or size > MOST_BYTES:
                raise Unreadable(f"{path}: has over {MOST_FRAMES:,} frames or {MOST_BYTES:,} bytes: no clip")
    except av.error.FFmpegError as error:
        raise Unreadable(f"{path}: breaks while its packets are counted ({error.strerror})") from error
    return packets
