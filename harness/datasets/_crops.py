"""What DFEW, FERV39k and MAFW share: clips are folders of face crops, named by number wherever they may lie.

Their lists come from many machines and name one clip in many ways (`/data/x/DFEW_Frame_Face/02522`, `2522`,
`02522.mp4`), and copies keep the crops in folders of many names. So a clip is what the last parts of its path
say, and the folder of the clips is found by what lies in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.data.lists import Line
from harness.data.paths import existing, home_of, plain, stem
from harness.datasets import Adapter


class FaceCrops(Adapter):
    """A set whose clips are known by the last parts of their paths."""

    homes: ClassVar[tuple[str, ...]] = ()  # where the clips may lie, the most usual first
    parts: ClassVar[int] = 1  # how many last parts of a path name a clip
    stand_in = "full-frame"  # the frames are faces already
    digits: ClassVar[int] = 0  # a clip's number is filled with zeros to this width

    def placed(self, lines: Sequence[Line], where: str) -> list[tuple[str, str]]:
        ids = [self._id(line.path) for line in lines]
        forms = [self._forms(id) for id in ids]
        home = home_of(self.root, forms, self.homes, self.note)
        places = [self._there(home, each) for each in forms]
        if (self.root / home).is_dir():  # with folds the lists leave clips out on purpose: those of several labels
            self.unlabelled([home], places, "" if self.folds else "complete the lists")
        return list(zip(places, ids, strict=True))

    def _id(self, path: str) -> str:
        return "/".join(stem(plain(path)).split("/")[-self.parts :]).zfill(self.digits)

    def _forms(self, id: str) -> tuple[str, ...]:
        return (id, str(int(id))) if self.digits and id.isascii() and id.isdigit() else (id,)

    def _there(self, home: str, forms: Sequence[str]) -> str:
        paths = [f"{home}/{form}" if home else form for form in forms]
        return next((there for path in paths if (there := existing(self.root, path))), paths[0])
