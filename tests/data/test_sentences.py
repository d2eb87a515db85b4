"""Class sentences are accused only where they must be another class's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sentences import faults

CLASSES = ("Happy", "Sad", "Neutral", "Very low", "Low")
OWN = ("a happy smile", "a sad mouth", "a calm face, neither happy nor sad", "a very low gaze", "a low gaze")


def test_a_sentence_may_name_another_class() -> None:
    assert faults(CLASSES, OWN) == []
    assert faults(CLASSES, ("raised cheeks", "drooping lips", *OWN[2:])) == []
    assert faults(CLASSES, ("raised cheeks", "not at all happy", *OWN[2:])) == []


@given(st.permutations(range(4)))
def test_exchanged_sentences_are_told(order: list[int]) -> None:
    named = ("Happy", "Sad", "Very low", "Low")
    found = faults(named, [f"the look of {named[i]}" for i in order])
    assert found == [
        f"the sentence for {name} speaks of {named[i]}: 'the look of {named[i]}'"
        for name, i in zip(named, order, strict=True)
        if named[i] != name
    ]


@pytest.mark.parametrize("sentences", [OWN[:4], (*OWN, "one more")])
def test_their_number_is_that_of_the_classes(sentences: tuple[str, ...]) -> None:
    assert faults(CLASSES, sentences) == [f"{len(sentences)} sentences for 5 classes"]


def test_two_classes_may_not_share_one() -> None:
    assert faults(CLASSES, (*OWN[:4], OWN[0])) == ["Happy, Low have the same sentence"]
