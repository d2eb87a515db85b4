"""Regular two-level fractions 2^(k−p): which part of all combinations, and what it can't tell apart.

A fraction is known by its words, products of factors that never change within it: here the points that have an even
number of each word's factors on, so that the point with nothing on, the baseline, is always one. The words are a
group: the product of two, in which shared factors cancel, is a word too. The shortest word's length is the
resolution. All of it is exclusive-or on bits; a library for it would bring more code than these lines.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from itertools import combinations, product

from harness.grid.design.levels import Levels

Word = tuple[int, ...]  # places of factors, in order
Signed = tuple[int, Word]  # an effect, the product of its factors, and its sign in a contrast
MOST = 12  # factors: of more, the search for the best fraction takes too long, and so do the runs


@cache
def points(factors: int, words: tuple[Word, ...]) -> tuple[Levels, ...]:
    """The combinations of levels 0 and 1 with an even number on in each word: without words, all of them."""
    every = product((0, 1), repeat=factors)
    return tuple(point for point in every if not any(sum(point[place] for place in word) % 2 for word in words))


@cache
def best(factors: int, resolution: int) -> tuple[Word, ...]:
    """The words of the smallest fraction of at least this resolution, no words where only all combinations have it.

    Of fractions of one size it is one of minimum aberration (Fries and Hunter 1980): with the fewest shortest words,
    of those the one with the fewest second shortest, and so on, which confounds the fewest low interactions.
    """
    for basic in range(1, factors):
        words = _search(basic, factors - basic, resolution)
        if words:
            return tuple(sorted((_places(word) for word in words), key=lambda word: (len(word), word)))
    return ()


def resolution(words: Sequence[Word]) -> int | None:
    """The length of the shortest word; None of all combinations, where nothing is confounded."""
    return min(map(len, words), default=None)


def aliases(factors: int, words: Sequence[Word]) -> list[list[Signed]]:
    """Main effects and interactions of two factors that are one contrast of the runs, each with its sign: a sign of
    −1 says that the contrast is the first effect of the group less this one."""
    effects = [effect for order in (1, 2) for effect in combinations(range(factors), order)]
    return _groups(effects, words)


def aliases_within(factors: int, words: Sequence[Word], on: Collection[int]) -> list[list[Signed]]:
    """Main effects that are one contrast of the part of the runs where the factors of `on` are on.

    They are interactions with what is nested in those: words of three hold in that part as words of two.
    """
    effects = [(factor,) for factor in range(factors) if factor not in on]
    return _groups(effects, words, on)


def _groups(effects: Sequence[Word], words: Sequence[Word], on: Collection[int] = ()) -> list[list[Signed]]:
    groups: list[list[Signed]] = []
    seen: set[Word] = set()
    for effect in effects:
        same = {tuple(sorted(set(effect) ^ set(word) - set(on))): (-1) ** len(word) for word in words}
        others = [(same[other], other) for other in effects if other in same and other != effect]
        if others and effect not in seen:
            groups.append([(1, effect), *others])
            seen.update(other for _, other in others)
    return groups


def _search(basic: int, added: int, resolution: int) -> list[int]:
    """All words, as bits, of the best fraction of `basic` free factors and `added` ones that are products of them."""
    columns = [mask for mask in range(1, 2**basic) if mask.bit_count() >= resolution - 1]
    columns.sort(key=lambda mask: (-mask.bit_count(), mask))
    found: list[int] = []
    fewest: list[int] | None = None

    def extend(words: list[int], start: int, bit: int) -> None:
        nonlocal found, fewest
        lengths = [word.bit_count() for word in words[1:]]
        pattern = [lengths.count(length) for length in range(resolution, basic + added + 1)]
        if fewest is not None and pattern >= fewest:
            return  # more generators only add words
        if bit == basic + added:
            found, fewest = words[1:], pattern
            return
        for place in range(start, len(columns)):
            generator = columns[place] | 1 << bit
            if bit == basic and columns[place] & (columns[place] + 1):
                continue  # the first, which is the longest, can be any of its length: the free factors are alike
            more = [word ^ generator for word in words]
            if all(word.bit_count() >= resolution for word in more):
                extend(words + more, place + 1, bit + 1)

    extend([0], 0, basic)
    return found


def _places(word: int) -> Word:
    return tuple(place for place in range(word.bit_length()) if word >> place & 1)
