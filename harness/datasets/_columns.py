"""Which columns of a Hugging Face data set are the clips, their classes, persons and face boxes.

Read off the columns' types; where these leave a doubt, the settings tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import BadInput, nearest
from harness.protocol import Data
from harness.settings import knob

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Settings(Data):
    """Which columns are meant, where their types leave a doubt; `root` is a folder or a name on the hub."""

    media: str = knob("", "column of videos, images or lists of images; empty: the only one there is")
    label: str = knob("", "column of classes; empty: the only `ClassLabel`, else the text column `label`")
    classes: tuple[str, ...] = knob((), "the classes that a column of whole numbers counts from 0")
    subject_column: str = knob("", "column that tells the person; empty: `subject`, where there is one")


@dataclass(frozen=True)
class Columns:
    """The columns that are read; empty where there is none."""

    media: str
    label: str
    subject: str
    face: str


def columns_of(splits: Mapping[str, datasets.Dataset], settings: Settings) -> Columns:
    """The columns to read, the same in all splits."""
    import datasets as hf

    name, features = next((name, split.features) for name, split in splits.items())

    def of(fits: Callable[[Any], bool]) -> list[str]:
        return [column for column, feature in features.items() if fits(feature)]

    media = of(lambda feature: isinstance(_inner(feature), hf.Image) or isinstance(feature, hf.Video))
    classes = of(lambda feature: isinstance(feature, hf.ClassLabel))
    texts = of(lambda feature: feature in (hf.Value("string"), hf.Value("large_string")))
    plain = of(lambda feature: isinstance(feature, hf.Value))
    whole = of(lambda feature: bool(re.fullmatch("u?int[0-9]+", str(getattr(feature, "dtype", "")))))
    whole = [column for column in whole if column not in classes]
    named = [column for column in (texts, whole)[bool(settings.classes)] if column == "label"]
    _refuse_unnamed(settings, features, whole, not classes and not named)
    likely = named if settings.classes else classes or named
    subject = [column for column in plain if column == "subject"]
    told = _column("media", settings.media, media, media, "videos, images or lists of images")
    columns = Columns(
        media=told,
        label=_column("label", settings.label, likely, whole if settings.classes else classes + texts, "classes"),
        subject=_column("subject_column", settings.subject_column, subject or [""], plain, "persons"),
        face=_boxes_in(features, told) if "face" not in {*media, *classes, settings.label} else "",
    )
    for other, split in splits.items():
        for column in filter(None, astuple(columns)):
            if split.features.get(column) != features[column]:
                what = f"column {column!r} is {split.features.get(column)} in {other} and {features[column]} in {name}"
                raise BadInput(settings.root, what, "give all splits the same columns")
    return columns


def _refuse_unnamed(settings: Settings, features: Mapping[str, Any], whole: list[str], none: bool) -> None:
    """Whole numbers don't tell which classes they are."""
    column = settings.label or ("label" if none else "")
    if column in whole and not settings.classes:
        what = f"{column} is {features[column].dtype}: the numbers don't tell their classes"
        mend = f"cast it with class_encode_column({column!r}), or name the classes in data.hf.classes"
        raise BadInput("data.hf.label", what, mend)


def _column(setting: str, told: str, likely: list[str], possible: list[str], what: str) -> str:
    """The column that the setting names, or the only likely one."""
    if told:
        if told not in possible:
            raise BadInput(f"data.hf.{setting}", f"{told!r} is no column that can hold {what}", nearest(told, possible))
        return told
    if len(likely) != 1:
        which = f"columns that hold {what}: {', '.join(likely) or 'none'}"
        mend = f"name one of {', '.join(possible)}" if possible else "the set needs such a column"
        raise BadInput(f"data.hf.{setting}", which, mend)
    return likely[0]


def _boxes_in(features: Mapping[str, Any], media: str) -> str:
    """The column `face`, where there is one; refused if it can't be read as boxes."""
    if "face" not in features:
        return ""
    one = _inner(features["face"])
    each = _inner(one)
    by_image = each is not one and _inner(features[media]) is not features[media]
    number = each if by_image else one
    if number is features["face"] or not re.match("u?int|float", str(getattr(number, "dtype", ""))):
        what = f"column 'face' is {features['face']}, not boxes"
        mend = "write [x1, y1, x2, y2] for a row, or one for each of its images; or call the column otherwise"
        raise BadInput("data.hf.root", what, mend)
    return "face"


def _inner(feature: Any) -> Any:
    """What a list holds; any other feature is itself."""
    return getattr(feature, "feature", feature)
