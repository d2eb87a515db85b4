"""What a shell is offered behind TAB: asked of a real bash, with names from the registry and the store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import completion, plugins, protocol
from harness.cli import _parser
from harness.commands.completion import SHELLS
from harness.files import write_json
from harness.grid import grammar, presets

BIN = Path(sys.executable).parent
ASK = """
source <(harness completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete harness
printf '%s\\n' "${COMPREPLY[@]}"
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def offered(line: str, cwd: Path | None = None) -> list[str]:
    """What bash offers at the end of a line."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", line], capture_output=True, text=True, timeout=60, env=environment, cwd=cwd
    )
    assert not done.stderr, done.stderr
    return [word.strip() for word in done.stdout.splitlines() if word.strip()]


def test_commands_and_their_options() -> None:
    assert {"run", "plan", "watch", "doctor", "config"} <= set(offered("harness "))
    assert {"--grid", "--datasets", "--methods"} <= set(offered("harness run --"))
    assert offered("harness data man") == ["manifest"]


def test_several_data_sets_are_completed_one_after_another() -> None:
    assert offered("harness run --datasets cae") == ["caer", "caer-s"]
    assert offered("harness run --datasets caer,daisee,ra") == ["caer,daisee,raer"]
    assert set(offered("harness data check ")) >= set(plugins.names("datasets"))


def test_methods_are_completed_component_by_component() -> None:
    assert set(offered("harness plan --methods ")) >= {*plugins.names("methods"), *presets.names()}
    assert offered("harness plan --methods prompt+mi") == ["prompt+mi", "prompt+mixup"]
    assert offered("harness plan --methods prompt+ldl,prompt+mo") == ["prompt+ldl,prompt+moco"]


def test_a_component_that_a_method_has_is_not_offered_again() -> None:
    after = completion._methods("ldl,prompt(tokens=4,lr=0.1)+mixup+")
    assert {word.rpartition("+")[2] for word in after} == {*plugins.names("methods")} - {"prompt", "mixup"}
    assert {"clip-caer+balanced", "clip-caer+prompt"}.isdisjoint(completion._methods("clip-caer+"))
    offers = completion._methods("ldl+")
    assert "ldl+clip-caer" in offers and "ldl+rapt" not in offers
    for word in offers:
        grammar.read(word)


def test_settings_are_completed_piece_by_piece() -> None:
    assert offered("harness run --set tr") == [f"train.{name}=" for name in protocol.Train.__dataclass_fields__]
    assert offered("harness run --set ldl.te") == ["ldl.temperature="]
    assert offered("harness run --set data.daisee.ro") == ["data.daisee.root="]
    assert "sentinels.flat-target.severity=" in offered("harness run --set sentinels.flat-target.")
    assert offered("harness run --set model.name=ViT-B-32-q")[-1].endswith("ViT-B-32-quickgelu")
    assert offered("harness run --set train.optimizer=s")[-1].endswith("sgd")


def test_run_ids_are_those_of_the_store(tmp_path: Path) -> None:
    for name in ("ldl-prompt-s0-0123", "ldl-prompt-s1-4567", "lsr-s0-89ab"):
        write_json(tmp_path / "elsewhere" / "caer" / name / "spec.json", {})
    for command in ("show", "predict", "export", "verify"):
        found = offered(f"harness {command} --runs {tmp_path}/elsewhere ldl")
        assert found == ["ldl-prompt-s0-0123", "ldl-prompt-s1-4567"], command
    assert offered(f"harness show --runs {tmp_path}/nowhere ldl") == []


def test_files_are_those_that_fit(tmp_path: Path) -> None:
    for name in ("mine.toml", "mine.txt", "mine.py"):
        (tmp_path / name).touch()
    assert offered("harness plan --grid m", tmp_path) == ["mine.toml"]
    assert offered("harness plan --plugin m", tmp_path) == ["mine.py"]


def test_models_and_places_are_offered_where_they_are_asked_for() -> None:
    assert offered("harness list models ViT-B-32-p") == ["ViT-B-32-plus-256"]
    assert offered("harness config set data.raer.a") == ["data.raer.annotations"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_is_offered_the_same() -> None:
    asked = 'harness completion fish | source; complete -C "harness run --datasets caer,dai"'
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["fish", "-c", asked], capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout.strip() == "caer,daisee", done.stderr


# ── without a shell ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_argument_that_is_offered_names_is_one_of_the_commands() -> None:
    assert completion.attach(_parser()) == completion.OFFERS.keys()


@pytest.mark.parametrize("kind", ["datasets", "methods", "sentinels"])
def test_every_setting_that_is_offered_is_one_of_the_plugins(kind: str) -> None:
    """They are read in the source: the plugins themselves say whether rightly so."""
    for name in plugins.names(kind):
        offers, real = completion._knobs(kind, name), plugins.get(kind, name).Settings.__dataclass_fields__
        assert set(offers) == set(real), name


@pytest.mark.parametrize("group", [*protocol.GROUPS, "slurm", "ldl", "data", "sentinels"])
def test_a_group_that_is_written_in_full_or_in_part_leads_to_its_keys(group: str) -> None:
    keys = completion._settings(f"{group}.")
    assert keys and all(key.startswith(f"{group}.") for key in keys)


def test_settings_inside_brackets_go_on_behind_the_last_comma() -> None:
    offers = completion._methods("prompt+ldl(temperature=0.1,no")
    assert "prompt+ldl(temperature=0.1,normalise=" in offers
    grammar.read("prompt+ldl(temperature=0.1,normalise=true)")


def test_an_answer_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom harness import completion\n"
        "completion._settings('ldl.'); completion._methods(''); completion._settings('model.name=')\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pyarrow", "accelerate", "datasets", "open_clip", "tabulate"} & set(loaded)


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    assert "harness" in completion.script(shell)
