"""What differs between two copies, from their manifests: grouped, counted, with three examples each.

The words follow the ways in which copies of a set come to differ: labels read from 1, frames extracted with
another tool, pictures scaled or encoded again, faces cropped by another detector.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.data.manifest import Entry, Manifest
from harness.words import SHOWN, plural

NEAR = 9  # of 64 bits: measured on renderings encoded again, at half and at double size (median 3, largest 9)
GROUPS = 4  # ways of differing that are told one by one
Pair = tuple[Entry, Entry]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which clips differ, and how many do."""

    kind: str
    message: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """How copy B differs from copy A. `pictures` counts the clips in both by what is seen of them."""

    a: Manifest
    b: Manifest
    common: int
    pictures: dict[str, int]
    differences: list[Difference]

    def as_json(self) -> dict[str, Any]:
        sides = {
            side: {"dataset": m.dataset, "clips": len(m.entries), "hash": m.hash}
            for side, m in (("a", self.a), ("b", self.b))
        }
        rows = [asdict(difference) for difference in self.differences]
        equal = not self.differences
        return {"equal": equal, **sides, "common": self.common, "pictures": self.pictures, "differences": rows}


def compare(a: Manifest, b: Manifest) -> Comparison:
    """Every difference between two manifests; none exactly where their hashes are equal."""
    in_a, in_b = ({entry.id: entry for entry in manifest.entries} for manifest in (a, b))
    pairs = [(entry, in_b[id]) for id, entry in in_a.items() if id in in_b]
    differences = list(_headers(a, b))
    differences += _alone("A", [entry for id, entry in in_a.items() if id not in in_b])
    differences += _alone("B", [entry for id, entry in in_b.items() if id not in in_a])
    differences += _labels(a, b, pairs)
    seen = [(x, y) for x, y in pairs if bool(x.content) == bool(y.content)]  # else one has no frames, size, length
    differences += [*_splits(pairs), *_frames(seen), *_sizes(seen), *_durations(seen), *_faces(pairs), *_bodies(pairs)]
    groups = _pictures(pairs)
    if a.sampled != b.sampled:
        groups = {kind: ids for kind, ids in groups.items() if kind == BROKEN}
    differences += [Difference(kind, SEEN[kind], len(ids), ids[:SHOWN]) for kind, ids in groups.items() if kind in SEEN]
    pictures = {kind: len(ids) for kind, ids in groups.items()}
    return Comparison(a, b, len(pairs), pictures, differences)


def text(comparison: Comparison) -> str:
    """The comparison for people."""
    a, b = comparison.a, comparison.b
    lines = [f"{side}: {m.dataset}, {len(m.entries):,} clips, {m.hash}" for side, m in (("A", a), ("B", b))]
    lines.append(f"in both: {plural(comparison.common, 'clip')}")
    if comparison.pictures:
        seen = ", ".join(f"{count:,} {kind}" for kind, count in comparison.pictures.items())
        lines.append(f"pictures: {seen}")
    if not comparison.differences:
        return "\n".join([*lines, "", "no differences"])
    lines.append("")
    for difference in comparison.differences:
        count = plural(difference.count, "clip") if difference.count else ""
        lines.append(f"{count:>13}  {difference.kind}: {difference.message}")
        lines += [f"{'':>13}    {example}" for example in difference.examples]
    return "\n".join(lines)


# --- what is there ----------------------------------------------------------------------------------------------


def _headers(a: Manifest, b: Manifest) -> Iterator[Difference]:
    if a.dataset != b.dataset:
        yield Difference("dataset", f"{a.dataset} in A, {b.dataset} in B", 0)
    if a.classes != b.classes:
        how = "the same classes in another order" if set(a.classes) == set(b.classes) else "other classes"
        yield Difference("classes", f"{how}: {', '.join(a.classes)} in A, {', '.join(b.classes)} in B", 0)
    if a.sampled != b.sampled:
        message = f"pictures can't be compared: hashed are {a.sampled} in A, {b.sampled} in B"
        yield Difference("sampled", message, 0)


def _alone(side: str, entries: Sequence[Entry]) -> Iterator[Difference]:
    by_split: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_split[_spelled(entry)].append(entry)
    for split, alone in by_split.items():
        ids = tuple(entry.id for entry in alone[:SHOWN])
        yield Difference(f"only-in-{side.lower()}", f"clips of {split} that only {side} has", len(alone), ids)


def _spelled(entry: Entry) -> str:
    if isinstance(entry.split, str):
        return entry.split
    names = set(entry.split.values())
    return names.pop() if len(names) == 1 else ", ".join(f"{s} in fold {f}" for f, s in sorted(entry.split.items()))


# --- labels and splits ------------------------------------------------------------------------------------------


def _labels(a: Manifest, b: Manifest, pairs: Sequence[Pair]) -> Iterator[Difference]:
    """By name where both know the same names, so that another order of the classes isn't told of every clip."""
    by_name = set(a.classes) == set(b.classes)
    differ = [(x, y) for x, y in pairs if (a.classes[x.label] != b.classes[y.label] if by_name else x.label != y.label)]
    if differ:
        shifts = Counter(y.label - x.label for x, y in differ)
        shift, count = shifts.most_common(1)[0]
        message = "labels differ"
        if abs(shift) == 1 and count == len(differ) > 1:
            message += f", each by {shift:+d}: it looks as though one list were read from 0 and the other from 1"
        names = tuple(f"{x.id}: {a.classes[x.label]} in A, {b.classes[y.label]} in B" for x, y in differ[:SHOWN])
        yield Difference("labels", message, len(differ), names)


def _splits(pairs: Sequence[Pair]) -> Iterator[Difference]:
    def moved(x: Entry, y: Entry) -> str:
        if isinstance(x.split, str) and isinstance(y.split, str):
            return f"{x.split} in A, {y.split} in B"
        one, other = (s if isinstance(s, dict) else {"": s} for s in (x.split, y.split))
        folds = [fold for fold in sorted(one.keys() | other.keys()) if one.get(fold) != other.get(fold)]
        return "another split in fold " + ", ".join(fold or "(none)" for fold in folds)

    yield from _grouped("splits", [(x, y) for x, y in pairs if x.split != y.split], moved)


# --- media ------------------------------------------------------------------------------------------------------


def _frames(pairs: Sequence[Pair]) -> Iterator[Difference]:
    def more(x: Entry, y: Entry) -> str:
        by = abs(y.frames - x.frames)
        number = "one frame" if by == 1 else f"{by:,} frames"
        return f"have {number} {'more' if y.frames > x.frames else 'fewer'} in B"

    differ = [(x, y) for x, y in pairs if x.frames != y.frames]
    yield from _grouped("frames", differ, more, lambda x, y: f"{x.id}: {x.frames} in A, {y.frames} in B")


def _sizes(pairs: Sequence[Pair]) -> Iterator[Difference]:
    def scaled(x: Entry, y: Entry) -> str:
        wide, high = (after / before if before else 0.0 for before, after in ((x.width, y.width), (x.height, y.height)))
        if wide and abs(wide - high) <= 0.02 * wide:
            return f"are scaled by {wide:.3g} in B"
        return "have another size and shape in B"

    differ = [(x, y) for x, y in pairs if (x.width, x.height) != (y.width, y.height)]
    example = lambda x, y: f"{x.id}: {x.width}×{x.height} in A, {y.width}×{y.height} in B"  # noqa: E731
    yield from _grouped("sizes", differ, scaled, example)


def _durations(pairs: Sequence[Pair]) -> Iterator[Difference]:
    differ = [(x, y) for x, y in pairs if x.seconds != y.seconds]
    if differ:
        middle = statistics.median(y.seconds - x.seconds for x, y in differ)
        message = f"clips last longer or shorter, by {middle:+.3g} s in the median"
        examples = tuple(f"{x.id}: {x.seconds:g} s in A, {y.seconds:g} s in B" for x, y in differ[:SHOWN])
        yield Difference("durations", message, len(differ), examples)


# --- boxes ------------------------------------------------------------------------------------------------------


def _faces(pairs: Sequence[Pair]) -> Iterator[Difference]:
    yield from _boxes("faces", "face", pairs)


def _bodies(pairs: Sequence[Pair]) -> Iterator[Difference]:
    yield from _boxes("bodies", "body", pairs)


def _boxes(kind: str, what: str, pairs: Sequence[Pair]) -> Iterator[Difference]:
    def how(x: Entry, y: Entry) -> str:
        one, other = getattr(x, what), getattr(y, what)
        if one is None or other is None:
            return f"have a {what} box only in {'B' if one is None else 'A'}"
        if isinstance(one, list) and isinstance(other, list):
            return f"have another {what} box"
        if isinstance(one, dict) and isinstance(other, dict):
            same = one["boxes"] == other["boxes"]
            return f"have other {what} boxes by frame" + ("" if same else ", and another number of them")
        return f"have one {what} box in one copy and boxes by frame in the other"

    def example(x: Entry, y: Entry) -> str:
        return f"{x.id}: {_box_words(getattr(x, what))} in A, {_box_words(getattr(y, what))} in B"

    differ = [(x, y) for x, y in pairs if getattr(x, what) != getattr(y, what)]
    yield from _grouped(kind, differ, how, example)


def _box_words(box: Any) -> str:
    if box is None:
        return "none"
    return f"{box['boxes']} boxes" if isinstance(box, dict) else "[" + ", ".join(f"{n:g}" for n in box) + "]"


# --- pictures ---------------------------------------------------------------------------------------------------

EQUAL, AGAIN, OTHER, BROKEN = "equal", "encoded-again", "other-pictures", "unreadable-in-one"
SEEN = {
    AGAIN: "the same pictures, encoded again or scaled (or cropped by very little)",
    OTHER: "other pictures: other frames, or cropped or aligned otherwise",
    BROKEN: "can be read in one copy only",
}


def _pictures(pairs: Sequence[Pair]) -> dict[str, tuple[str, ...]]:
    """Clip ids by how their pictures compare."""
    groups: dict[str, list[str]] = {kind: [] for kind in (EQUAL, AGAIN, OTHER, BROKEN)}
    for x, y in pairs:
        if x.content == y.content and x.looks == y.looks:
            kind = EQUAL
        elif not (x.content and y.content):
            kind = BROKEN
        else:
            kind = AGAIN if bits(x.looks, y.looks) <= NEAR else OTHER
        groups[kind].append(x.id)
    return {kind: tuple(ids) for kind, ids in groups.items() if ids}


def bits(one: str, other: str) -> int:
    """In how many of 64 bits two looks differ."""
    return (int(one or "0", 16) ^ int(other or "0", 16)).bit_count()


# --- grouping ---------------------------------------------------------------------------------------------------


def _grouped(
    kind: str,
    pairs: Sequence[Pair],
    how: Callable[[Entry, Entry], str],
    example: Callable[[Entry, Entry], str] = lambda x, y: x.id,
) -> Iterator[Difference]:
    """One difference for each of the most frequent ways of differing, and one for all others."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for x, y in pairs:
        groups[how(x, y)].append((x, y))
    frequent = sorted(groups.items(), key=lambda group: -len(group[1]))
    rest = [pair for _, members in frequent[GROUPS:] for pair in members]
    for words, members in [*frequent[:GROUPS], *([("differ in other ways", rest)] if rest else [])]:
        yield Difference(kind, words, len(members), tuple(example(x, y) for x, y in members[:SHOWN]))
