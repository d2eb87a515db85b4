"""What a design says of itself: to the leaderboard as plain data, to people in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.grid.design import fractions
from harness.grid.design.layouts import Layout

SIGNS = {1: "", -1: "−"}
ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
_SHOWN = 7  # words of a defining relation
_COMBINED = {
    "full": "every combination of levels",
    "one-at-a-time": "the baseline, and each level of each factor alone on it; interactions can't be told",
    "leave-one-out": "everything on (level 1 of each factor), and each factor alone at its other levels",
    "list": "the methods that are named",
}


def as_json(layout: Layout) -> dict[str, Any]:
    """What the plan stores. Of all but a list: `factors`, in the order of the levels, and `nested`: what each needs.

    Where the levels of a factor don't need the same, `partly_nested` says of each that needs something what it is.
    Of a fractional design also `wanted` and `resolution` (null where every combination is trained), `fraction`: the
    factors that it is of, `words`: an even number of the factors of each is on in every run, and `aliases`: groups of
    effects that are one contrast of the runs, `["ldl×mixup", "moco×dc"]`, with a minus before those of opposite sign.
    """
    told: dict[str, Any] = {"kind": layout.kind}
    if layout.kind != "list":
        told |= {"factors": list(layout.factors), "nested": layout.nested}
    if layout.partly:
        partly = [{"factor": name, "level": level, "needs": needs} for (name, level), needs in layout.partly.items()]
        told |= {"partly_nested": partly}
    if layout.kind == "fractional":
        words = [[layout.fraction[place] for place in word] for word in layout.words]
        told |= {"wanted": layout.wanted, "resolution": fractions.resolution(layout.words)}
        told |= {"fraction": list(layout.fraction), "words": words, "aliases": list(_aliases(layout))}
    return told


def in_words(design: Mapping[str, Any]) -> list[str]:
    """A line for how levels are combined, and one for all that has to be known to read the results rightly."""
    lines = [_combined(design)]
    partly = {f"level {part['level']} of {part['factor']}": part["needs"] for part in design.get("partly_nested", ())}
    for child, needed in (design.get("nested", {}) | partly).items():
        parents = " and ".join(needed)
        lines.append(f"{child} exists only within {parents}: {_compared(design['kind'], child, parents)}")
    if design.get("words"):
        lines.append(_relation(design["words"]))
        lines += [f"confounded: {' = '.join(group)}" for group in design["aliases"]]
    return lines


def _combined(design: Mapping[str, Any]) -> str:
    kind = design["kind"]
    return f"{kind}: {_fraction(design) if kind == 'fractional' else _COMBINED[kind]}"


def _relation(words: Sequence[Sequence[str]]) -> str:
    """The words as an equation, the shortest first: those confound the most."""
    shown = [SIGNS[(-1) ** len(word)] + "×".join(word) for word in words[:_SHOWN]]
    more = f" = …, {len(words)} words in all" if len(words) > _SHOWN else ""
    return "defining relation: I = " + " = ".join(shown) + more


def _compared(kind: str, child: str, parents: str) -> str:
    """Against what the nested factor and those that it needs are judged."""
    if kind == "one-at-a-time":
        return f"it stands on top of {parents}, and is compared with that alone"
    if kind == "leave-one-out":
        return f"it goes back with {parents}, whose effect is the one without {child}"
    return f"its effect is the one within {parents}, and that of {parents} the one without {child}"


def _fraction(design: Mapping[str, Any]) -> str:
    inside, others = design["fraction"], [name for name in design["factors"] if name not in design["fraction"]]
    if not inside:
        return f"every combination of levels, since no smaller fraction has resolution {ROMAN[design['wanted']]}"
    every = 2 ** len(inside)
    part = every // (len(design["words"]) + 1)
    crossed = f", crossed with {', '.join(others)}" if others else ""
    resolution = ROMAN[design["resolution"]]
    return f"{part} of the {every} combinations of {', '.join(inside)}, of resolution {resolution}{crossed}"


def _aliases(layout: Layout) -> Iterator[list[str]]:
    """Groups of effects as text; those with a nested factor are confounded as their parts are where it exists."""
    inside = layout.fraction

    def spelled(group: Sequence[fractions.Signed], *more: str) -> list[str]:
        return [SIGNS[sign] + "×".join([*(inside[place] for place in effect), *more]) for sign, effect in group]

    yield from map(spelled, fractions.aliases(len(inside), layout.words))
    partly = {f"{name} (level {level})": needed for (name, level), needed in layout.partly.items()}
    for child, needed in (layout.nested | partly).items():
        on = [inside.index(name) for name in needed if name in inside]
        for group in fractions.aliases_within(len(inside), layout.words, on) if on else ():
            yield spelled(group, child)
