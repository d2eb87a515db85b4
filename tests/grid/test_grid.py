"""Grid files: every combination is a method or dropped with the reason, and nothing is lost in silence."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import plan, plugins, protocol
from harness.errors import BadInput
from harness.grid import Grid, build, load
from harness.store import Store

DEFAULT = str(Path(__file__).parents[2] / "grids" / "default.toml")
PLAIN: dict[str, Any] = {"datasets": ["caer"], "methods": ["prompt+ldl", "prompt"], "seeds": [0, 1]}
FACTORS = {
    "ldl": ["lsr(epsilon=0.05)", "ldl(temperature=0.1)"],
    "warmup": "warmup(epochs=5)",
    "moco": "moco(queue=64)",
    "mixup": "mixup(alpha=0.2)",
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates() | st.datetimes()
    | st.sampled_from(["caer", "raer", "prompt", "ldl", "prompt+ldl", "warmup", "full", "sgd", "../x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["caer", "root", "epochs", "lr", "kind", "temperature", "a"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
keys = ["datasets", "seeds", "baseline", "methods", "factors", "design", "data", "ldl", "x", *protocol.GROUPS]


def methods(grid: Grid) -> list[str]:
    return [str(arm.method) for arm in grid.arms]


@given(
    st.dictionaries(st.sampled_from(keys), values, max_size=6)
    | st.dictionaries(st.sampled_from(keys), values, max_size=3).map(lambda raw: PLAIN | raw)
)
def test_any_toml_gives_a_grid_or_bad_input(raw: dict[str, Any]) -> None:
    try:
        grid = build("name", raw)
    except BadInput as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert grid.datasets and grid.arms and grid.seeds
        assert len(set(methods(grid))) == len(grid.arms)


@given(st.text() | st.text("traindl.epochs=0123456789", max_size=25))
def test_any_override_gives_a_grid_or_bad_input(text: str) -> None:
    try:
        build("name", PLAIN, [text])
    except BadInput as error:
        assert str(error).splitlines() == [str(error)]


@given(st.lists(st.sampled_from(sorted(FACTORS)), unique=True))
def test_every_combination_of_levels_is_a_method_or_dropped_with_the_reason(chosen: list[str]) -> None:
    grid = build("g", {"datasets": ["caer"], "baseline": "prompt", "factors": {name: FACTORS[name] for name in chosen}})
    combinations = list(itertools.product((0, 1), repeat=len(chosen)))
    assert len(grid.arms) + len(grid.dropped) == len(combinations)
    assert all(arm.levels.keys() == set(chosen) for arm in grid.arms)
    assert all(drop["why"] for drop in grid.dropped)
    impossible = [c for c in combinations if "warmup" in chosen and c[chosen.index("warmup")]]
    impossible = [c for c in impossible if "ldl" not in chosen or not c[chosen.index("ldl")]]
    assert len(grid.dropped) == len(impossible)


def test_the_default_grid_is_the_four_factors_of_the_family() -> None:
    grid = load(DEFAULT)
    assert len(grid.arms) == 12 and len(grid.dropped) == 4
    assert all("warmup needs ldl" in drop["why"] for drop in grid.dropped)
    assert methods(grid)[0] == "lsr+prompt" and not any(grid.arms[0].levels.values())


def test_without_a_baseline_the_combination_of_nothing_is_plain() -> None:
    grid = build("g", {"datasets": ["caer"], "factors": {"prompt": "prompt", "mixup": "mixup"}})
    assert methods(grid) == ["plain", "mixup", "prompt", "mixup+prompt"]


def test_combinations_with_one_meaning_are_one_method() -> None:
    factors = {"a": ["lsr", "lsr(epsilon=0.05)"], "b": "mixup"}
    grid = build("g", {"datasets": ["caer"], "factors": factors})
    assert methods(grid) == ["lsr", "lsr+mixup"]
    assert len(grid.dropped) == 2 and all("same method" in drop["why"] for drop in grid.dropped)


def test_listed_methods_with_one_meaning_are_one_method() -> None:
    raw = PLAIN | {"methods": ["prompt+lsr", "lsr+prompt", "lsr(epsilon=0.05)+prompt"]}
    assert methods(build("g", raw)) == ["lsr+prompt"]


def test_repeated_data_sets_and_seeds_count_once() -> None:
    grid = build("g", PLAIN | {"datasets": ["caer", "raer", "caer"], "seeds": [1, 0, 1]})
    assert grid.datasets == ("caer", "raer") and grid.seeds == (1, 0)


def test_a_section_of_a_component_sets_its_defaults() -> None:
    grid = build("g", PLAIN | {"ldl": {"temperature": 0.2}})
    assert methods(grid) == ["ldl(temperature=0.2)+prompt", "prompt"]


def test_sections_and_data_settings_are_checked_and_typed() -> None:
    grid = build("g", PLAIN | {"train": {"epochs": 3, "lr": 1}, "data": {"caer": {"root": "/x"}}})
    assert grid.sections["train"].epochs == 3 and grid.sections["train"].lr == 1.0
    assert grid.data["caer"].root == "/x"


def test_set_reaches_sections_components_and_data_sets() -> None:
    words = ["train.epochs=5", "ldl.temperature=0.3", "data.caer.root=/data/007", "data.caer.first_label=1"]
    grid = build("g", PLAIN, [*words, "model.name=1e5", "train.milestones=3|"])
    assert grid.sections["train"].epochs == 5 and grid.sections["train"].milestones == (3,)
    assert methods(grid)[0] == "ldl(temperature=0.3)+prompt"
    assert grid.data["caer"].root == "/data/007" and grid.data["caer"].first_label == "1"
    assert grid.sections["model"].name == "1e5"


def test_changed_settings_make_another_grid_and_another_spelling_does_not() -> None:
    names = [build("g", PLAIN, words).name for words in ([], ["train.lr=1e-2"], ["train.lr=0.01"], ["train.lr=0.02"])]
    assert names[0] == "g" and names[1] == names[2] and len(set(names)) == 3
    assert build("g", PLAIN, ["data.caer.root=/x"]).name == "g"


def test_tiny_shrinks_all_but_what_was_set() -> None:
    grid = build("g", PLAIN, ["train.epochs=2"], tiny=True)
    train = grid.sections["train"]
    assert (train.epochs, grid.sections["clips"].frames) == (2, 4) and train.limit > 0
    assert grid.name.startswith("g-") and grid.name.endswith("-tiny")


def test_tiny_keeps_one_seed_of_a_file_and_all_that_were_asked_for() -> None:
    assert load(DEFAULT, tiny=True).seeds == (0,)
    assert build("selection", PLAIN | {"seeds": [3, 1]}, tiny=True).seeds == (3, 1)


DESIGNS = ["full", "one-at-a-time", "leave-one-out", "fractional"]


@pytest.mark.parametrize(("kind", "runs"), list(zip(DESIGNS, [12, 5, 5, 12], strict=True)))
def test_a_design_chooses_the_methods_and_every_method_has_a_level_of_each_factor(kind: str, runs: int) -> None:
    raw = {"datasets": ["caer"], "baseline": "prompt", "factors": FACTORS}
    grid = build("g", {**raw, "design": {"kind": kind}})
    assert len(grid.arms) == runs and grid.design["kind"] == kind
    assert all(arm.levels.keys() == FACTORS.keys() for arm in grid.arms)
    assert all(("warmup" in arm.method.names) == bool(arm.levels["warmup"]) for arm in grid.arms)
    assert build("g", {**raw, "design": kind}) == grid


@settings(deadline=None)
@given(st.sampled_from(DESIGNS), st.lists(st.sampled_from(sorted(FACTORS)), unique=True, min_size=1))
def test_all_designs_take_their_methods_from_the_full_one(kind: str, chosen: list[str]) -> None:
    raw = {"datasets": ["caer"], "baseline": "prompt", "factors": {name: FACTORS[name] for name in chosen}}
    if kind == "leave-one-out" and "warmup" in chosen and "ldl" not in chosen:
        with pytest.raises(BadInput, match="warmup needs ldl"):
            build("g", {**raw, "design": kind})
    else:
        every = {str(arm.method): arm.levels for arm in build("g", raw).arms}
        assert {
            str(arm.method): arm.levels for arm in build("g", {**raw, "design": kind}).arms
        }.items() <= every.items()


def test_the_plan_of_a_grid_stores_its_design(tmp_path: Path) -> None:
    for raw, told in (
        ({"baseline": "prompt", "factors": FACTORS}, {"kind": "full", "nested": {"warmup": ["ldl"]}}),
        ({"methods": ["prompt"]}, {"kind": "list"}),
    ):
        grid = build("g", {"datasets": ["caer"], **raw})
        stored = plan.as_json(plan.Plan(grid, {}, ()), Store(tmp_path), "")["design"]
        assert stored.items() >= told.items()
        assert stored.get("factors", []) == list(grid.factors)


def test_leave_one_out_begins_with_everything_on() -> None:
    grid = build("g", {"datasets": ["caer"], "baseline": "prompt", "factors": FACTORS, "design": "leave-one-out"})
    assert grid.arms[0].method.names == ("ldl", "mixup", "moco", "prompt", "warmup")


def test_a_list_may_be_said() -> None:
    assert build("g", PLAIN | {"design": "list"}) == build("g", PLAIN)


def test_methods_that_come_out_the_same_are_one_and_the_reason_is_told() -> None:
    grid = build("g", PLAIN | {"methods": ["prompt+ldl", "prompt", "ldl()+prompt"]})
    assert methods(grid) == ["ldl+prompt", "prompt"]
    assert grid.dropped == ({"method": "ldl()+prompt", "why": "the same method as another that is listed: ldl+prompt"},)


def test_a_fraction_of_levels_with_one_meaning_is_refused() -> None:
    factors = {"a": ["lsr", "lsr(epsilon=0.05)"], "moco": "moco", "mixup": "mixup", "dc": "dc"}
    with pytest.raises(BadInput, match="factors.a: both levels are the same"):
        build("g", {"datasets": ["caer"], "baseline": "prompt", "factors": factors, "design": "fractional"})


def test_selectors_choose_runs_and_keep_the_design() -> None:
    grid = load(DEFAULT).select(["raer"], ["prompt + lsr"], [2])
    assert len(grid.arms) == 12
    wanted = [
        (dataset, str(arm.method), seed)
        for dataset in grid.datasets for arm in grid.arms for seed in grid.seeds
        if grid.wants(dataset, arm.method, seed)
    ]  # fmt: skip
    assert wanted == [("raer", "lsr+prompt", 2)]


@pytest.mark.parametrize("overrides", [[], ["ldl.temperature=0.3"]])
@pytest.mark.parametrize("spelling", ["prompt+ldl", "ldl()+prompt"])
def test_methods_are_selected_as_the_grid_file_writes_them(spelling: str, overrides: list[str]) -> None:
    grid = build("g", PLAIN | {"ldl": {"prediction_temperature": 2.0}}, overrides).select([], [spelling], [])
    assert [grid.wants("caer", arm.method, 0) for arm in grid.arms] == [True, False]


def test_an_empty_selection_is_everything() -> None:
    grid = build("g", PLAIN).select([], [], [])
    assert all(grid.wants("caer", arm.method, seed) for arm in grid.arms for seed in grid.seeds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": [[]]}, "list of names"), ({"datasets": []}, "list of names"), ({"datasets": "caer"}, "list of"),
        ({"datasets": ["cear"]}, "did you mean caer"), ({"datasets": ["../caer"]}, "no such data set"),
        ({"seeds": [True]}, "seeds"), ({"seeds": [-1]}, "seeds"), ({"seeds": [2**32]}, "seeds"),
        ({"seeds": 3}, "seeds"), ({"seeds": [0.0]}, "seeds"), ({"seeds": []}, "seeds"),
        ({"seeds": [datetime.date(2024, 1, 1)]}, "seeds"),
        ({"methods": [1]}, "methods"), ({"baseline": "prompt"}, "keep one of the two"), ({"sedes": [1]}, "mean seeds"),
        ({"train": 5}, r"write a section \[train\]"), ({"data": {"caer": 5}}, r"write a section \[caer\]"),
        ({"data": {"cear": {}}}, "did you mean caer"), ({"data": {"caer": {"rot": "x"}}}, "did you mean root"),
        ({"train": {"epochs": "ten"}}, "whole number"), ({"design": {"kind": "half"}}, "known: frac"),
        ({"ldl": {"temp": 1}}, "did you mean temperature"), ({"design": "full"}, "full combines factors"),
        ({"design": {"kind": "fractional"}}, "names its methods"), ({"design": {"resolution": 3}}, "no resolution"),
        ({"design": "half"}, "known: frac"), ({"design": ["full"]}, r"write a section \[design\]"),
    ],
)  # fmt: skip
def test_a_wrong_grid_says_where_and_what_to_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build("g", PLAIN | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": 5}, "baseline"), ({"baseline": ["prompt"]}, "baseline"), ({"factors": {"a": 5}}, "factors.a"),
        ({"factors": {"a": ["ldl"]}}, "factors.a"), ({"factors": {"a": [1, 2]}}, "factors.a"),
        ({"factors": ["ldl"]}, "factors"), ({"baseline": "warmup"}, "no combination"),
        ({"baseline": "lsr", "factors": {"a": "lsr"}}, "twice"),
        ({"factors": {str(i): "ldl" for i in range(60)}}, "drop some factors"),
        ({"factors": {"a": "ldl"}, "design": "list"}, "none are.*write methods"), ({"design": "list"}, "write methods"),
        ({"factors": {"a": "ldl"}, "design": {"resolution": 3}}, 'write kind = "fractional"'),
        ({"factors": {"a": "ldl"}, "design": {"kind": "fractional", "resolution": 6}}, "resolution.*choice"),
        ({"factors": {"a": "ldl", "b": "focal"}, "design": "leave-one-out"}, "focal and ldl exclude"),
        ({"factors": {"a": "cutmix2", "b": "mixup"}, "design": "one-at-a-time"}, "did you mean|known"),
    ],
)  # fmt: skip
def test_wrong_factors_say_where_and_what_to_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build("g", {"datasets": ["caer"]} | change)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("train.epochs", "write it like"), ("epochs=5", "write it like"), ("", "write it like"),
        ("trian.epochs=5", "did you mean train"), ("train.epoch=5", "did you mean epochs"), ("train.a.b=5", "no such"),
        ("train.epochs=", "whole number"), ("train.epochs=0", "out of range"), ("train.lr=nan", "out of range"),
        ("moco.queue=5", "no method here has moco"), ("data.raer.root=/x", "raer is not in this grid"),
        ("data.cear.root=/x", "no such data set"), ("data.root=/x", "no such group"),
    ],
)  # fmt: skip
def test_a_set_that_is_wrong_or_without_effect_is_refused(word: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build("g", PLAIN, [word])


def test_a_set_that_every_method_overrides_is_refused() -> None:
    with pytest.raises(BadInput, match="gives its own value"):
        build("g", PLAIN | {"methods": ["ldl(temperature=0.5)"]}, ["ldl.temperature=0.3"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"datasets = [", "is not TOML"), (b"seeds = [0]\nseeds = [1]", "is not TOML"), (b"\xff\xfe", "is not TOML"),
        (b"a = " + b"9" * 5000, "is not TOML"), (b"a = " + b"[" * 100_000, "is not TOML"), (b"", "datasets"),
    ],
)  # fmt: skip
def test_a_broken_file_is_bad_input(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        load(str(file))


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_and_without_a_byte_order_mark(start: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(start + b'datasets = ["caer"]\r\nmethods = ["prompt"]\r\n')
    grid = load(str(file))
    assert grid.name == "mine" and methods(grid) == ["prompt"] and grid.seeds == (0,)


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(BadInput, match="no such grid file"):
            load(str(path))


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_any_component_can_be_a_factor(name):
    needs = plugins.get("methods", name).requires
    raw = {"datasets": ["raer"], "baseline": "+".join(needs), "factors": {name: name}}
    raw["baseline"] = "ldl+prompt" if name == "warmup" else raw["baseline"]
    assert [name in arm.method.names for arm in build("name", raw).arms] == [False, True]


def test_the_default_grid_comes_along_wherever_one_stands(tmp_path, monkeypatch):
    here = load(DEFAULT)
    monkeypatch.chdir(tmp_path)
    assert load("grids/default.toml") == here
    with pytest.raises(BadInput, match="no such grid file"):
        load("grids/other.toml")
