"""A design in words: how levels are combined, what is compared with what, and what can't be told apart."""

from __future__ import annotations

import pytest

from design.invented import Factors, switches
from harness.grid.design import as_json, in_words

WITHIN = switches(2, x=("a", "b"))


@pytest.mark.parametrize(
    ("kind", "compared"),
    [
        ("full", "its effect is the one within a and b, and that of a and b the one without x"),
        ("one-at-a-time", "it stands on top of a and b, and is compared with that alone"),
        ("leave-one-out", "it goes back with a and b, whose effect is the one without x"),
    ],
)
def test_nested_factors_are_named_with_what_they_are_compared_with(kind: str, compared: str) -> None:
    first, *rest = in_words(as_json(WITHIN.lay(kind)))
    assert first.startswith(f"{kind}: ")
    assert rest == [f"x exists only within a and b: {compared}"]


def test_a_list_says_that_methods_are_named() -> None:
    assert in_words({"kind": "list"}) == ["list: the methods that are named"]


def test_a_fraction_says_its_size_and_what_it_confounds() -> None:
    chosen = Factors({**dict.fromkeys("abcd", 2), "t": 3}, {})
    assert in_words(as_json(chosen.lay("fractional"))) == [
        "fractional: 8 of the 16 combinations of a, b, c, d, of resolution IV, crossed with t",
        "defining relation: I = a×b×c×d",
        "confounded: a×b = c×d",
        "confounded: a×c = b×d",
        "confounded: a×d = b×c",
    ]


def test_signs_and_nested_factors_stand_in_what_is_confounded() -> None:
    assert in_words(as_json(switches(3, x=("a",)).lay("fractional", 3)))[2:] == [
        "defining relation: I = −a×b×c",
        "confounded: a = −b×c",
        "confounded: b = −a×c",
        "confounded: c = −a×b",
        "confounded: b×x = −c×x",
    ]


def test_where_no_fraction_will_do_that_is_said() -> None:
    assert in_words(as_json(switches(3).lay("fractional", 4))) == [
        "fractional: every combination of levels, since no smaller fraction has resolution IV"
    ]


def test_of_many_words_the_shortest_are_shown_and_the_rest_counted() -> None:
    relation = in_words(as_json(switches(8).lay("fractional", 4)))[1]
    assert relation.count("=") == 8 and relation.endswith("= …, 15 words in all")
