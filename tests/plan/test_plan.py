"""What a grid comes to before it is trained: runs with their addresses and states, and the cache that they need."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness import grid, plan
from harness.errors import BadInput
from harness.files import write_json
from harness.model import architectures
from harness.plan import Plan, Run, outlook
from harness.store import SCHEMA, Store

SMALL = {"train": {"limit": 4}, "clips": {"frames": 4, "views": 3}}
FACTORS = {"datasets": ["raer"], "baseline": "prompt", "factors": {"ldl": "ldl", "mixup": "mixup"}}


def planned(**raw: Any) -> Plan:
    return plan.plan(grid.build("test", {**FACTORS, "seeds": [0, 1], **SMALL, **raw}))


@pytest.fixture(scope="module")
def small() -> Plan:
    return planned()


def keep(store: Store, run: Run, **result: Any) -> None:
    folder = store.folder(run.dataset, run.run_id)
    write_json(folder / "spec.json", run.spec)
    if result:
        write_json(folder / "result.json", result)


def test_a_spec_names_the_whole_run(small: Plan) -> None:
    for run in small.runs:
        assert (run.spec["method"], run.spec["seed"]) == (str(run.method), run.seed)
        assert run.spec["components"] == run.method.resolved()
        assert run.spec["train"]["limit"] == 4 and run.spec["dataset"] == "raer"
    assert len({run.run_id for run in small.runs}) == len(small.runs) == 8


def test_an_address_does_not_depend_on_what_else_is_in_the_grid(small: Plan) -> None:
    alone = planned(seeds=[1], factors={"ldl": "ldl"})
    known = {(run.spec["method"], run.seed): run.run_id for run in small.runs}
    assert [run.run_id for run in alone.runs] == [known[run.spec["method"], run.seed] for run in alone.runs]


@pytest.mark.parametrize(
    "change", [{"train": {"limit": 4, "lr": 0.01}}, {"clips": {"frames": 3, "views": 3}}, {"ldl": {"temperature": 0.3}}]
)
def test_what_changes_the_numbers_changes_the_address(change: dict[str, Any], small: Plan) -> None:
    other = planned(**change)
    named = [run for run in other.runs if "ldl" in change and "ldl" not in run.method.names]
    known = {run.run_id for run in small.runs}
    assert {run.run_id for run in other.runs} & known == {run.run_id for run in named}


def test_states_come_from_the_store(small: Plan, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    done, failed, begun, *rest = small.runs
    keep(store, done, status="done", duration_s=4.0)
    keep(store, failed, status="failed", error={"type": "OSError", "message": "no room"})
    keep(store, begun)
    rows = plan.as_json(small, store, "harness run")["runs"]
    assert [row["status"] for row in rows] == ["done", "todo", "partial", *["todo"] * len(rest)]
    assert [row["eta_s"] for row in rows] == [0.0, *[4.0] * (len(rows) - 1)]
    assert small.todo(store) == [failed, begun, *rest]


def test_the_baseline_is_the_method_of_the_first_levels_where_a_design_has_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    made = {
        "full": planned(),
        "leave-one-out": planned(design="leave-one-out"),
        "dropped": planned(baseline="", factors={"prompt": "prompt", "mixup": ["warmup", "mixup"]}),
        "list": plan.plan(grid.build("test", {"datasets": ["raer"], "methods": ["prompt", "ldl"], **SMALL})),
    }
    told = {name: plan.as_json(each, store, "harness run")["baseline"] for name, each in made.items()}
    assert told == {"full": "prompt", "leave-one-out": "", "dropped": "", "list": ""}


def test_a_data_set_and_a_component_from_outside_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = {("datasets", "raer"): "a", ("methods", "ldl"): "b"}

    def source(kind: str, name: str) -> dict[str, str] | None:
        found = outside.get((kind, name))
        return {"kind": kind, "file": "", "hash": found} if found else None

    monkeypatch.setattr(plan.plugins, "source", source)
    both = [run.spec["plugins"] for run in planned().runs if run.spec["method"] == "ldl+prompt"]
    assert {each["kind"] for each in both[0].values()} == {"datasets", "methods"}
    outside["methods", "raer"] = outside.pop(("methods", "ldl"))
    monkeypatch.setattr(grid.grammar.Method, "names", property(lambda self: ["raer"]))
    with pytest.raises(BadInput, match="raer: names both a data set and a component from outside"):
        planned()


def test_the_runs_of_a_large_grid_share_what_they_have_in_common(small: Plan) -> None:
    first, *others = small.runs
    assert all(run.spec["train"] is first.spec["train"] and run.spec["data"] is first.spec["data"] for run in others)


def test_only_the_copies_of_wanted_runs_are_spoken_of(small: Plan) -> None:
    both = grid.build("test", {**FACTORS, "datasets": ["raer", "caer"], **SMALL})
    assert list(plan.plan(both).wanted_copies) == ["raer", "caer"]
    some = plan.plan(both.select(["raer"], ["prompt"], []))
    assert list(some.copies) == ["raer", "caer"] and list(some.wanted_copies) == ["raer"]
    assert outlook.cache(some)["rows"] == outlook.cache(small)["rows"]


# ── how long it takes ───────────────────────────────────────────────────────────────────────────────────────


def told_times(store: Store, made: Plan) -> dict[str, float | None]:
    return {row["method"]: row["eta_s"] for row in plan.as_json(made, store, "")["runs"] if row["status"] == "todo"}


def test_a_time_is_that_of_stored_runs_of_its_method_by_their_epochs(tmp_path: Path) -> None:
    store, short = Store(tmp_path / "runs"), planned(train={"limit": 4, "epochs": 4})
    for run in short.runs:
        if run.seed == 0 and run.spec["method"] != "ldl+mixup+prompt":
            keep(store, run, status="done", duration_s=12.0 if "mixup" in run.spec["method"] else 4.0)
    long = told_times(store, planned(train={"limit": 4, "epochs": 40}))
    assert long == {"prompt": 40.0, "ldl+prompt": 40.0, "mixup+prompt": 120.0, "ldl+mixup+prompt": 40.0}


@pytest.mark.parametrize(
    "other",
    [
        {"model": {"trunk": "trainable"}},
        {"model": {"layers": 4}},
        {"clips": {"frames": 16, "views": 3}},
        {"train": {"limit": 4, "batch_size": 2}},
        {"train": {"limit": 4, "accumulation": 2}},
        {"baseline": "", "factors": {"mixup": ["mixup(level=input)", "mixup(level=input)+ldl"]}},
    ],
)
def test_no_time_is_told_by_runs_that_take_another(other: dict[str, Any], small: Plan, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    for run in small.runs:
        keep(store, run, status="done", duration_s=4.0)
    made = planned(**other)
    assert set(told_times(store, made).values()) == {None}
    assert outlook._left([4.0, None]) == "over 4 s" and outlook._left([0.0, None]).startswith("unknown")


def test_a_stored_method_that_is_not_there_any_more_tells_no_time_of_others(small: Plan, tmp_path: Path) -> None:
    store, (run, *_) = Store(tmp_path / "runs"), small.runs
    keep(store, dataclasses.replace(run, spec={**run.spec, "method": "gone"}), status="done", duration_s=4.0)
    assert set(told_times(store, small).values()) == {None}


# ── stored runs of another address ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"plugins": {"gce": {"hash": "0"}}}, "other code of gce"),
        ({"protocol": 1, "train": {"limit": 4}}, "another version of harness's protocol"),
        ({"model": {"weights": "0"}}, "other weights"),
        ({"data": {"fingerprint": "0"}}, "other contents of the data set"),
        ({"plugins": {"gce": {"hash": "0"}}, "model": {"weights": "0"}}, "other weights and other code of gce"),
        ({"train": {"lr": 0.5}}, ""),
        ({"train": {"lr": 0.5}, "model": {"weights": "0"}}, ""),
        ({"data": {"fingerprint": "0", "fold": "2"}}, ""),
    ],
)
def test_stored_runs_of_the_same_settings_are_told_with_what_made_them_others(
    then: dict[str, Any], why: str, small: Plan, tmp_path: Path
) -> None:
    store = Store(tmp_path / "runs")
    runs = [dataclasses.replace(run, spec={**run.spec, "plugins": {"gce": {"hash": "1"}}}) for run in small.runs]
    made = dataclasses.replace(small, runs=tuple(runs))
    for run in runs[:3]:
        changed = {key: {**run.spec[key], **value} if key != "protocol" else value for key, value in then.items()}
        if "protocol" in then:
            changed["train"] = then["train"]  # before the settings that the protocol has brought since
        old = dataclasses.replace(run, run_id=f"{run.run_id}-old", spec={**run.spec, "schema": SCHEMA, **changed})
        keep(store, old, status="done", duration_s=4.0)
    found = plan.as_json(made, store, "")["outdated"]
    assert found == ([{"dataset": "raer", "runs": 3, "why": why}] if why else [])
    keep(store, runs[0], status="done", duration_s=4.0)
    assert sum(row["runs"] for row in plan.as_json(made, store, "")["outdated"]) == (2 if why else 0)


def test_people_are_told_what_does_not_count_and_by_what_times_are_judged(small: Plan, tmp_path: Path) -> None:
    store, (run, *_) = Store(tmp_path / "runs"), small.runs
    keep(store, dataclasses.replace(run, run_id="old", spec={**run.spec, "protocol": 1}), status="done", duration_s=4.0)
    told = {"data": [], "shared": outlook.shared(small.grid), "cache": outlook.cache(small), "detectable": []}
    lines = outlook.as_text({**plan.as_json(small, store, ""), **told, "untold": "nothing"}).splitlines()
    assert any(line.startswith("raer") and line.endswith("32 s") for line in lines)
    assert any(line.startswith("judged by stored runs of the same model") for line in lines)
    assert any("1 stored run of these settings had another version of harness's protocol" in line for line in lines)


# ── what runs share ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_differs_from_the_defaults_is_told_by_who_said_it(tmp_path: Path) -> None:
    """And that the weights are to be downloaded, where they are."""
    raw = {"datasets": ["raer"], "methods": ["prompt", "clip-caer"], "train": {"lr": 0.5}}
    made = grid.build("test", raw, ["clips.frames=4"])
    first, *lines = outlook._shared_lines(outlook.shared(made))
    assert first == "  ViT-B-32 openai, trainable trunk; 20 epochs, batches of 8, 4 frames, 4 views"
    own = next(line for line in lines if "other than the defaults" in line)
    assert own.split(": ")[1] == "train.lr=0.5 clips.frames=4"
    preset = " ".join(lines[lines.index(own) + 1 :])
    assert preset.startswith("  by the preset clip-caer, for every method: train.batch_size=8 train.optimizer=sgd")
    assert "model.trunk=trainable" in preset and "train.lr" not in preset and "clips.frames" not in preset


def test_a_download_is_told_until_the_weights_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    made = grid.build("test", {"datasets": ["raer"], "methods": ["clip-caer"]})
    assert any("downloads" in line for line in outlook._shared_lines(outlook.shared(made)))
    weights = tmp_path / "models--timm--vit_base_patch32_clip_224.openai/snapshots/0a1b/open_clip_model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert not any("downloads" in line for line in outlook._shared_lines(outlook.shared(made)))
    assert not outlook.shared(grid.build("test", {"datasets": ["raer"], "methods": ["prompt"]}))["download"]


# ── the cache ───────────────────────────────────────────────────────────────────────────────────────────────


def test_features_are_counted_by_clip_view_and_stream(small: Plan) -> None:
    clips = small.copies["raer"].scan.clips
    trained = sum(clip.split == "train" for clip in clips)
    rows = trained * 3 + len(clips) - trained
    told = outlook.cache(small)
    assert told["rows"] == [{"dataset": "raer", "kind": "features", "rows": rows, "bytes": rows * 4 * 2 * 64 * 4}]
    assert told["bytes"] == told["rows"][0]["bytes"] and told["free"] > 0


def test_a_trunk_that_trains_and_a_method_that_must_see_pixels_need_frames(small: Plan) -> None:
    rows = outlook.cache(small)["rows"][0]["rows"]
    frames = {"dataset": "raer", "kind": "frames", "rows": rows, "bytes": rows * 4 * 2 * 64 * 64 * 3}
    assert outlook.cache(planned(model={"trunk": "trainable"}))["rows"] == [frames]
    mixed = outlook.cache(planned(factors={"mixup": "mixup(level=input)"}))
    assert [row["kind"] for row in mixed["rows"]] == ["features", "frames"] and mixed["rows"][1] == frames


def test_folds_share_the_views_that_they_have_in_common(small: Plan) -> None:
    copy = small.copies["raer"]
    turned = [dataclasses.replace(clip, split="test" if clip.split == "train" else "train") for clip in copy.scan.clips]
    other = dataclasses.replace(copy, name="fold 2", scan=dataclasses.replace(copy.scan, clips=turned))
    runs = tuple(dataclasses.replace(small.runs[0], copy=name) for name in ("fold 1", "fold 2"))
    folds = dataclasses.replace(small, copies={"fold 1": copy, "fold 2": other}, runs=runs)
    again = dataclasses.replace(small, copies={"fold 1": copy, "fold 2": copy}, runs=runs)
    assert outlook.cache(folds)["rows"][0]["rows"] == len(turned) * (3 + 1)
    assert outlook.cache(again)["rows"] == outlook.cache(small)["rows"]


def test_shapes_are_known_by_name() -> None:
    known = {name: architectures.shape(name) for name in ("tiny", "ViT-B-32", "ViT-L-14-336", "RN50")}
    assert known == {"tiny": (64, 64), "ViT-B-32": (224, 512), "ViT-L-14-336": (336, 768), "RN50": (224, 1024)}
    assert all(min(architectures.shape(name)) > 0 for name in architectures.names())


def test_names_are_those_of_open_clip() -> None:
    open_clip = pytest.importorskip("open_clip")
    assert architectures.names() == ["tiny", *sorted(open_clip.list_models())]


def test_a_model_that_there_is_not_is_met_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "open_copy", lambda *_: pytest.fail("read"))
    with pytest.raises(BadInput, match="open_clip has no 'ViT-B32' — did you mean ViT-B-32"):
        planned(model={"name": "ViT-B32", "pretrained": "openai"})
