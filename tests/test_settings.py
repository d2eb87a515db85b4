"""Settings: what is written is what is read, and nothing wrong gets through."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import protocol, settings
from harness.errors import BadInput, nearest
from harness.settings import Word, describe, knob, literal, parse, spell


@dataclass(frozen=True)
class Sample:
    count: int = knob(3, "a count", low=1, high=100, unit="clips")
    rate: float = knob(0.5, "a rate", above=0)
    free: float = knob(0.0, "any number")
    on: bool = knob(True, "a switch")
    kind: str = knob("mean", "a choice", choices=("mean", "none", "1"))
    text: str = knob("", "any text")
    steps: tuple[int, ...] = knob((10, 15), "epochs", low=1)
    maybe: int | None = knob(None, "a number or nothing", low=0)
    words: Mapping[str, str] = knob({}, "a text for each name")


numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]))
toml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.times(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(numbers | st.booleans() | st.none() | st.lists(numbers | st.booleans(), max_size=5).map(tuple))
def test_literal_reads_back_what_spell_writes(value: Any) -> None:
    again = literal(spell(value))
    assert again == value and isinstance(again, bool) == isinstance(value, bool)


@given(st.text())
def test_a_spelled_literal_is_a_fixed_point(word: str) -> None:
    value = literal(word)
    if value == value and not isinstance(value, str | tuple):  # nan is no value, and text may look like a number
        assert spell(literal(spell(value))) == spell(value)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(1, 100),
            "rate": st.floats(min_value=0, exclude_min=True, allow_infinity=False),
            "free": st.floats(allow_nan=False, allow_infinity=False),
            "on": st.booleans(),
            "kind": st.sampled_from(["mean", "none", "1"]),
            "text": text,
            "steps": st.lists(st.integers(1, 10**6), max_size=4).map(tuple),
            "maybe": st.none() | st.integers(0, 10**6),
            "words": st.dictionaries(text, text, max_size=4),
        },
    )
)
def test_a_setting_reads_the_word_that_spells_it(values: dict[str, Any]) -> None:
    words = {key: Word(spell(value)) for key, value in values.items()}
    assert parse(Sample, words, "sample") == parse(Sample, values, "sample") == Sample(**values)


@given(st.dictionaries(st.sampled_from([*(row["name"] for row in describe(Sample)), "other"]), toml))
def test_any_toml_value_gives_settings_or_bad_input(values: dict[str, Any]) -> None:
    try:
        found = parse(Sample, values, "sample")
    except BadInput as error:
        assert error.where.startswith("sample.") and "\n" not in str(error)
    else:
        assert math.isfinite(found.rate) and found.rate > 0 and all(step >= 1 for step in found.steps)


@given(st.sampled_from([field["name"] for field in describe(Sample)]), st.text())
def test_any_word_gives_settings_or_bad_input(key: str, word: str) -> None:
    try:
        parse(Sample, {key: Word(word)}, "sample")
    except BadInput as error:
        assert error.where == f"sample.{key}"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("none", None), ("5", 5), ("-5", -5), ("1e-4", 1e-4), ("1_000", 1000),
        ("5|8", (5, 8)), ("5|", (5,)), ("|", ()), ("adamw", "adamw"), ('"5"', "5"), ("'a|b'", "a|b"), ("'", "'"),
        ("inf", math.inf),
    ],
)  # fmt: skip
def test_a_word_is_read_as_what_it_looks_like(word: str, value: Any) -> None:
    assert literal(word) == value and type(literal(word)) is type(value)


@pytest.mark.parametrize("word", ["none", "007", "1e5", "true", "1|2", "/data/1_000", "~/CAER", "it's"])
def test_a_text_setting_keeps_its_word_as_it_stands(word: str) -> None:
    assert parse(Sample, {"text": Word(word)}, "sample").text == word


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", "5"), ("count", 5.0), ("count", True), ("count", 0), ("count", 101), ("count", None), ("count", [5]),
        ("count", datetime.date(2024, 1, 1)), ("count", {"a": 1}), ("count", 10**400),
        ("rate", 0.0), ("rate", math.inf), ("rate", math.nan), ("rate", 10**400), ("rate", True), ("rate", "fast"),
        ("free", -math.inf), ("on", 1), ("on", "yes"), ("kind", "median"), ("kind", ["mean"]),
        ("text", True), ("text", "two\nlines"), ("text", "null\0"), ("text", {}),
        ("words", "a"), ("words", ["a"]), ("words", Word("{a = 'b'")), ("words", Word("{a = 'b'}\nc = 'd'")),
        ("words", {"two\nlines": "a"}), ("words", Word("[" * 10**5)),
        ("steps", [10, 0]), ("steps", [[10]]), ("steps", ["ten"]), ("steps", None), ("maybe", -1), ("maybe", "x"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_place(key: str, value: Any) -> None:
    with pytest.raises(BadInput) as caught:
        parse(Sample, {key: value}, "sample")
    assert caught.value.where == f"sample.{key}" and caught.value.mend


@pytest.mark.parametrize("table", [{"Very low": True}, Word("{'Very low' = 1979-05-27}"), {"Very low": {"a": "b"}}])
def test_a_wrong_text_in_a_table_is_named_with_its_key(table: Any) -> None:
    with pytest.raises(BadInput, match=r"sample\.words\.Very low: .* is not text"):
        parse(Sample, {"words": table}, "sample")


def test_a_table_is_written_as_toml_writes_it() -> None:
    read = parse(Sample, {"words": Word("""{Sad = "a 'tear'", 'Very low' = 'x | y = "z"'}""")}, "sample")
    assert read.words == {"Sad": "a 'tear'", "Very low": 'x | y = "z"'}
    assert spell(read.words) == """{"Sad" = "a 'tear'", "Very low" = "x | y = \\"z\\""}"""


def test_settings_with_a_table_can_be_hashed_and_their_order_does_not_matter() -> None:
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    assert len({Sample(words=settings.Table(words)) for words in (one, other)}) == 1
    assert parse(Sample, {"words": one}, "s") == parse(Sample, {"words": other}, "s")
    assert hash(Sample()) == hash(parse(Sample, {}, "s"))


@pytest.mark.parametrize(
    "kind",
    [
        tuple[tuple[float, ...], ...], tuple[float, float], tuple, list[int], Path, int | str, tuple[int, ...] | None,
        dict[str, float], Literal["a", "b"], Any,
    ],
)  # fmt: skip
def test_a_type_that_no_word_can_spell_is_refused_before_any_value_is_read(kind: Any) -> None:
    cls = make_dataclass("Odd", [("fine", int, knob(1, "fine")), ("odd", kind, knob(None, "odd"))], frozen=True)
    for use in (lambda: parse(cls, {}, "odd"), lambda: describe(cls)):
        with pytest.raises(BadInput, match=r"Odd\.odd: no setting can be of the type .* — declare it as bool, int"):
            use()


def test_an_unknown_setting_names_the_nearest_ones() -> None:
    with pytest.raises(BadInput, match=r"train\.epoch: no such setting — did you mean epochs"):
        parse(protocol.Train, {"epoch": 3}, "train")


def test_minus_zero_is_zero_so_that_one_value_has_one_spelling() -> None:
    assert spell(parse(Sample, {"free": -0.0}, "sample").free) == "0"


def test_only_what_differs_from_the_defaults_counts_as_given() -> None:
    assert settings.given(parse(Sample, {"count": 3, "rate": 0.25}, "sample")) == {"rate": 0.25}


def test_a_description_tells_name_type_default_range_unit_and_help() -> None:
    row = describe(Sample)[0]
    assert row == {
        "name": "count", "type": "int", "default": 3, "range": "from 1 up to 100", "unit": "clips", "help": "a count"
    }  # fmt: skip


@pytest.mark.parametrize("group", protocol.GROUPS)
def test_every_default_of_the_protocol_passes_its_own_check(group: str) -> None:
    cls = protocol.GROUPS[group]
    defaults = {row["name"]: row["default"] for row in describe(cls)}
    assert parse(cls, defaults, group) == cls()


def test_bad_input_is_one_line_whatever_it_quotes() -> None:
    assert str(BadInput("a.toml", "line one\nline two\r\n", "mend\u2028it")).splitlines() == [
        "a.toml: line one line two — mend it"
    ]


def test_nearest_lists_only_some_of_many_known_names() -> None:
    assert nearest("zzz", [f"name{i}" for i in range(500)]).count(",") <= 20
    assert nearest("zzz", []) == "known: none"
