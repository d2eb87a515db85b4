"""The method grammar: one method has one spelling, and any text is a method or bad input."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plugins
from harness.errors import BadInput
from harness.grid import grammar
from harness.grid.grammar import Incompatible, resolve
from harness.methods import Component
from harness.settings import describe, knob

positive = st.floats(1e-6, 1e6)
COMPONENTS = {
    "prompt": {"tokens": st.integers(1, 99), "per_class": st.sampled_from(["true", "false"]), "lr": positive},
    "ldl": {"temperature": positive, "prediction_temperature": positive},
    "lsr": {"epsilon": st.floats(0, 1)},
    "mixup": {"alpha": positive, "level": st.sampled_from(["feature", "input", '"input"'])},
    "moco": {"queue": st.integers(1, 10**6), "momentum": st.floats(0, 1), "positive": st.sampled_from(["text"])},
    "warmup": {"epochs": st.integers(0, 99), "ramp": st.integers(0, 9)},
}


@st.composite
def spellings(draw: st.DrawFn) -> list[str]:
    """The components of a method that can work, each written in some way."""
    chosen = draw(st.lists(st.sampled_from(sorted(COMPONENTS)), unique=True, min_size=1))
    if "warmup" in chosen and "ldl" not in chosen:
        chosen.append("ldl")
    pieces = []
    for name in chosen:
        values = draw(st.fixed_dictionaries({}, optional=COMPONENTS[name]))
        space = draw(st.sampled_from(["", " "]))
        inside = f",{space}".join(f"{key}{space}={space}{value}" for key, value in values.items())
        pieces.append(f"{space}{name}({inside})" if inside or draw(st.booleans()) else name + space)
    return pieces


@given(spellings(), st.randoms())
def test_the_canonical_text_is_a_fixed_point_and_does_not_depend_on_the_order(pieces: list[str], random) -> None:
    method = resolve("+".join(pieces))
    random.shuffle(pieces)
    assert resolve("+".join(pieces)) == method == resolve(str(method))
    assert str(resolve(str(method))) == str(method)
    assert list(method.names) == sorted(method.names)


@given(st.text() | st.text("promtldsw()+=,.|0123456789\"'- \n", max_size=40))
def test_any_text_gives_a_method_or_bad_input(text: str) -> None:
    try:
        method = resolve(text)
    except BadInput as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert resolve(str(method)) == method


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("prompt+ldl", "ldl+prompt"),
        ("lsr(epsilon=0.05)", "lsr"),  # the default is not shown
        ("lsr(epsilon=5e-2)", "lsr"),
        ("ldl( temperature = 1e+3 )", "ldl(temperature=1000)"),
        ("ldl(temperature=2.0)", "ldl(temperature=2)"),
        ("lsr(epsilon=-0.0)", "lsr(epsilon=0)"),
        ("prompt()", "prompt"),
        ("mixup(level=input,alpha=0.4)", "mixup(alpha=0.4,level=input)"),
        (" plain ", "plain"),
    ],
)
def test_a_method_has_one_spelling(text: str, canonical: str) -> None:
    assert str(resolve(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "can't read"), ("prompt+", "can't read"), ("prompt++ldl", "can't read"), ("(prompt)", "can't read"),
        ("prompt(tokens=4", "can't read"), ("prompt(tokens)", "write key=value"), ("ldl(temperature==1)", "key=value"),
        ("prompt+prompt", "twice"), ("ldl(temperature=1,temperature=2)", "set twice"),
        ("promt", "did you mean prompt"), ("plain+ldl", "no such component"),
        ("ldl(temprature=1)", "did you mean temperature"), ("ldl(temperature=hot)", "not a number"),
        ("ldl(temperature=0)", "out of range"), ("ldl(temperature=inf)", "out of range"),
        ("ldl(temperature=nan)", "out of range"), ("moco(queue=1e3)", "not a whole number"),
        ("mixup(level=pixel)", "did you mean input|one of|known"), ("prompt(per_class=1)", "true or false"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_says_why(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve(text)


def test_a_component_without_the_one_it_needs_is_incompatible_with_the_reason() -> None:
    with pytest.raises(Incompatible, match="warmup needs ldl: .* — add ldl or drop warmup"):
        resolve("prompt+warmup")


def test_components_that_exclude_each_other_are_incompatible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins.get("methods", "lsr"), "excludes", {"ldl": "both make the target"})
    with pytest.raises(Incompatible, match="both make the target"):
        resolve("lsr+ldl")


def test_defaults_fill_what_the_method_does_not_set() -> None:
    defaults = {"ldl": {"temperature": 0.2, "prediction_temperature": 3.0}}
    assert str(resolve("ldl(temperature=0.5)", defaults)) == "ldl(prediction_temperature=3,temperature=0.5)"
    assert str(resolve("prompt", defaults)) == "prompt"


def test_a_resolved_method_tells_every_setting() -> None:
    resolved = resolve("lsr(epsilon=0.2)+warmup+ldl").resolved()
    assert resolved["lsr"] == {"epsilon": 0.2}
    for name in ("ldl", "warmup"):
        assert resolved[name] == {
            row["name"]: row["default"] for row in describe(plugins.get("methods", name).Settings)
        }


@pytest.mark.parametrize("value", ["a,b", "f(x)", "a=b"])
def test_text_that_no_method_string_can_hold_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Settings:
        note: str = knob("", "any text")

    noted = type("Noted", (Component,), {"name": "noted", "Settings": Settings})
    real = plugins.get
    monkeypatch.setattr(plugins, "get", lambda kind, name: noted if name == "noted" else real(kind, name))
    assert str(resolve("noted", {"noted": {"note": "5 o'clock"}})) == "noted(note=5 o'clock)"
    assert resolve(str(resolve("noted", {"noted": {"note": " 1e5 "}}))).resolved() == {"noted": {"note": " 1e5 "}}
    with pytest.raises(BadInput, match="can't be read back"):
        resolve("noted", {"noted": {"note": value}})


def test_reading_needs_no_plugin_to_be_known() -> None:
    assert grammar.read("gone(a=1)+prompt") == {"gone": {"a": "1"}, "prompt": {}}
    assert grammar.read("plain") == {}
