"""What the labels of lists mean: where they start, whether they are names, whether they agree with the class folders.

No line can answer that by itself: it is decided over all lists of a set together, and reported.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.data.lists import Line, places
from harness.data.paths import Noting, plain
from harness.errors import BadInput
from harness.words import plural, some

_AGREES = 0.9  # share of a list's labels from which on it is on the side of the class folders


def first_label(
    lines: Sequence[Line], classes: Sequence[str], told: str, setting: str, known: Mapping[str, int]
) -> tuple[int, str]:
    """Whether labels start at 0 or 1, and why: decided over all lists together, unless `told`.

    A label is never shifted by a guess: where the labels fit both or neither, the user has to say.
    """
    if any(line.named for line in lines):
        _refuse_mixture(lines)
        return 0, "they are written as names"
    low, high, count = min(line.label for line in lines), max(line.label for line in lines), len(classes)
    if told != "auto":
        first, why = int(told), f"{setting} says so"
    elif low == 0 and high != count:
        first, why = 0, "a label 0 occurs"
    elif low >= 1 and high == count:
        first, why = 1, f"labels go up to {count} and 0 never occurs"
    else:
        raise _doubt(lines, classes, setting, known)
    if outside := [line for line in lines if not 0 <= line.label - first < count]:
        line, others = outside[0], outside[1:]
        what = f"label {line.label} of {line.path!r} is outside {first}..{first + count - 1}"
        if others:
            what += f", and so are {len(others):,} more: {places(line.where for line in others)}"
        mend = "mend the list" if told == "auto" else f"mend the list, or {setting}"
        raise BadInput(line.where, what, mend)
    return first, why


def refuse_other_bases(lists: Iterable[Sequence[Line]], classes: int) -> None:
    """Refuses lists that start their labels at different numbers: no one setting could put them right."""
    spans, bases, where = [], set(), ""
    for part in (part for part in lists if part and not any(line.named for line in part)):
        low, high = min(line.label for line in part), max(line.label for line in part)
        where = part[0].where.rpartition(":")[0]
        spans.append(f"{os.path.basename(where)} is {low}..{high}")
        bases |= {0} if low == 0 and high < classes else set()
        bases |= {1} if low == 1 and high == classes else set()
    if len(bases) > 1:
        what = f"the lists start their labels at different numbers: {', '.join(spans)}"
        raise BadInput(os.path.dirname(where), what, "write the labels of all lists from the same number on")


def refuse_one_shifted(
    lists: Iterable[Sequence[Line]], first: int, classes: Sequence[str], known: Mapping[str, int]
) -> None:
    """Refuses a list whose every label is off its class folder by one step, where another list agrees with its own.

    Lists that are all shifted alike may be right, in folders that are called otherwise: that is only noted.
    """
    steps: dict[str, Counter[int]] = {}
    for part in lists:
        folders = ((line, _folder_label(line.path, known)) for line in part)
        told = Counter((line.label - first - folder) % len(classes) for line, folder in folders if folder is not None)
        if told:
            steps[part[0].where.rpartition(":")[0]] = told
    right = [os.path.basename(file) for file, told in steps.items() if told[0] >= _AGREES * told.total()]
    for file, told in steps.items():
        if right and len(told) == 1 and not told[0] and told.total() > len(classes):
            step = next(iter(told))
            what = f"all {told.total():,} labels are {step} above their class folders, counted round from the last"
            mend = "fetch the list again, or number its labels as in the other lists"
            raise BadInput(file, f"{what}; the labels of {some(right)} agree with theirs", mend)


def compare_splits(
    paths: Sequence[str], splits: Sequence[str], known: Mapping[str, str], where: str, note: Noting
) -> None:
    """Notes clips whose folder names another split (`known`) than their list.

    Lists may draw their own: the validation images of the common CAER-S lists lie under `train/`.
    """
    folders = (known.get(path.split("/", 1)[0].casefold()) for path in paths)
    told = zip(paths, splits, folders, strict=True)
    other = [f"{path} is {split}" for path, split, folder in told if folder and folder != split]
    if other:
        message = f"the lists decide, though the folder names another split: {some(other)}"
        note("split-by-list", where, message, "", len(other))


def compare_with_folders(
    lines: Sequence[Line], first: int, classes: Sequence[str], known: Mapping[str, int], setting: str, note: Noting
) -> None:
    """Notes the labels that contradict the class folder in their path; the list is believed all the same.

    A list that is shifted by one, or orders the classes otherwise, reads without an error: this is how to see it.
    """
    labels = [(line, line.label - first, _folder_label(line.path, known)) for line in lines]
    told = [(line, label, folder) for line, label, folder in labels if folder is not None]
    wrong = [(line, label, folder) for line, label, folder in told if label != folder]
    if not wrong:
        return
    few = "; ".join(f"{line.path!r} is labelled {classes[label]} in {line.where}" for line, label, _ in wrong[:3])
    few += "; …" if len(wrong) > 3 else ""
    message, mend = f"the list says another class than the folder: {few}", "mend the lists, or rename the folders"
    shifts = {(label - folder) % len(classes) for _, label, folder in told}
    by_folder = defaultdict(set)
    for _, label, folder in told:
        by_folder[folder].add(label)
    order = {folder: next(iter(of)) for folder, of in by_folder.items() if len(of) == 1}
    if len(shifts) == 1 and shifts & {1, len(classes) - 1}:
        message += f". All {len(told)} differ by the same step: the list looks shifted by one"
        mend = f"check where its labels start ({setting})"
    elif len(order) == len(by_folder) == len(set(order.values())) > 1:
        pairs = ", ".join(f"{classes[folder]} is {label + first}" for folder, label in sorted(order.items()))
        message += f". Each folder has one label of its own ({pairs}): the list seems to order the classes otherwise"
        mend = "number the labels in the order of the classes, or rename the folders if the list is right"
    note("label-contradicts-folder", wrong[0][0].where, message, mend, len(wrong))


def _doubt(lines: Sequence[Line], classes: Sequence[str], setting: str, known: Mapping[str, int]) -> BadInput:
    """Labels that fit a start at 0 as well as at 1, or neither."""
    by_label: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        by_label[line.label].append(line)
    low, high, count = min(by_label), max(by_label), len(classes)
    what = f"labels from {low} to {high} with {count} classes don't tell their base"
    if low > 0 and high < count:
        return BadInput(by_label[low][0].where, what, f"complete the list, or set {setting} to 0 or 1")
    odd = min((low, high), key=lambda label: len(by_label[label])) if low == 0 else high
    few = by_label[odd]
    what += f": {plural(len(few), 'line')} with {odd} ({places(line.where for line in few)})"
    if low == 0:
        other = low + high - odd
        what += f" beside {len(by_label[other]):,} with {other}"
    folders = Counter(_folder_label(line.path, known) for line in few)
    if by_folder := ", ".join(f"{classes[at]} ({n})" for at, n in folders.most_common(3) if at is not None):
        what += f"; by their folders they are {by_folder}"
    return BadInput(few[0].where, what, "mend these lines")  # either start would put some label out of range


def _refuse_mixture(lines: Sequence[Line]) -> None:
    """All labels are names or all are numbers: a number among names has no known base."""
    kinds = Counter(bool(line.named) for line in lines)
    if len(kinds) > 1:
        few = min(kinds, key=lambda kind: kinds[kind])
        odd = [line for line in lines if bool(line.named) == few]
        what = f"label {odd[0].written!r} of {odd[0].path!r} is a {'name' if few else 'number'}, most others are not"
        what += f" ({len(odd):,} in all)" if len(odd) > 1 else ""
        raise BadInput(odd[0].where, what, "write all labels as names or all as numbers")


def _folder_label(path: str, known: Mapping[str, int]) -> int | None:
    folders = (part.casefold() for part in reversed(plain(path).split("/")[:-1]))
    return next((known[folder] for folder in folders if folder in known), None)
