"""The conformance kit: each check fails for the plugin that breaks its part of the contract, and says the mend."""

import json

import pytest
import torch

from harness import conformance, interface, plugins
from harness.cli import main
from harness.conformance import datasets, methods
from harness.conformance.bench import Bench
from harness.conformance.verdicts import FAILED, PASSED, SPARED, UNTRIED, WARNED, judged
from harness.errors import BadInput

COMPONENT = '''
import os
from dataclasses import dataclass
import torch
from torch import nn
from harness.methods import Component
from harness.settings import knob

class Mine(Component):
    """A component with a defect."""
    name, paper = "mine", "none"
'''
# check -> what its component does wrong, and words of the evidence
DEFECTS = {
    "declares": ('paper = ""\n    def loss(self, out, batch, ctx): return {}', "`paper` is empty"),
    "hooks": ("def kernel(self, targets, ctx): return targets + 1", "rows sum to"),
    "repeats": (
        "def on_logits(self, logits, batch, ctx): return logits * (1 + os.urandom(1)[0] / 1000)",
        "end with other weights",
    ),
    "acts": (
        "def loss(self, out, batch, ctx): return {'mine': (1.0, out.logits.detach().mean())}",
        "ends as prompt does",
    ),
    "knobs": (
        "@dataclass(frozen=True)\n    class Settings:\n        size: float = knob(0.5, 'read by nobody', low=0)\n"
        "    def weigh(self, log_p, batch, ctx): return 2 * torch.ones_like(log_p)",
        "no value of size changes",
    ),
    "gradients": (
        "def extend(self, model): self.idle = nn.Linear(2, 2)\n"
        "    def weigh(self, log_p, batch, ctx): return 2 * torch.ones_like(log_p)",
        "no gradient reaches components.mine.idle",
    ),
    "batches": (
        "def loss(self, out, batch, ctx): return {'mine': (1.0, out.logits.sum() * 0 / (len(out.logits) - 1))}",
        "no number any more",
    ),
    "evaluation": (
        "def extend(self, model): model.head.adapt['face'] = Noise()\n\n"
        "class Noise(nn.Module):\n    def forward(self, rows): return rows + torch.randn_like(rows)",
        "two evaluations of one network differ",
    ),
    "save-load": (
        "step = 0\n    def after_step(self, ctx): self.step += 1\n"
        "    def on_logits(self, logits, batch, ctx): return logits / (1 + self.step)",
        "training ends with other weights",
    ),
    "composition": (
        "def on_logits(self, logits, batch, ctx):\n"
        "        assert (batch.target.max(-1).values == 1).all(), 'labels must be hard'\n        return 2 * logits",
        "labels must be hard",
    ),
    "micro-batches": (
        "def loss(self, out, batch, ctx): return {'mine': (1.0, out.logits.logsumexp(-1).sum())}",
        "a batch whole and in 3 parts train differently",
    ),
    "processes": (
        "def on_batch(self, batch, ctx):\n        batch.face = batch.face + torch.randn_like(batch.face)\n"
        "        return batch",
        "one process and two train differently",
    ),
    "speed": (
        "def weigh(self, log_p, batch, ctx):\n        for _ in range(20000): log_p = log_p + 0\n"
        "        return torch.ones_like(log_p)",
        "times the step of prompt",
    ),
}


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch):
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})


def written(tmp_path, code: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text(code)
    return str(file)


def component(tmp_path, body: str):
    plugins.add_file(written(tmp_path, COMPONENT + "    " + body))
    return plugins.get("methods", "mine")


def test_there_is_a_defect_for_every_check_of_components():
    assert list(DEFECTS) == list(methods.CHECKS)


@pytest.mark.parametrize("check", DEFECTS)
def test_a_check_of_components_finds_its_defect(check, tmp_path):
    torch.set_num_threads(1)
    body, evidence = DEFECTS[check]
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {check: methods.CHECKS[check]})
    assert verdict.verdict == FAILED, verdict
    assert evidence in verdict.evidence and verdict.mend


def test_what_a_hook_raises_is_told_with_the_plugins_own_line(tmp_path):
    cls = component(tmp_path, "def on_logits(self, logits, batch, ctx): return logits @ torch.ones(2, 2)")
    (verdict,) = judged(cls, Bench(cls), {"repeats": methods.repeats})
    assert verdict.verdict == FAILED and "RuntimeError" in verdict.evidence
    assert f"{tmp_path / 'mine.py'}:12" in verdict.mend


@pytest.mark.parametrize(
    ("body", "evidence"),
    [
        ("def loss(self, out, batch, ctx): return {'cls': (1.0, out.logits.mean())}", "called 'cls'"),
        ("def loss(self, out, batch, ctx): return {'mine': (1.0, out.logits.mean(-1))}", "the term 'mine' is"),
        ("def on_logits(self, logits, batch, ctx): return logits[:, :2]", "on_logits gives [5, 2]"),
        ("def sampler(self, label, rng): return rng.integers(99, size=99)", "positions that no clip has"),
        (
            "def on_batch(self, batch, ctx):\n        batch.target = 2 * batch.target\n        return batch",
            "label mixture [5, 3] whose rows sum to [2.0",
        ),
        ("def on_batch(self, batch, ctx): batch.face *= 2", "on_batch gives nothing"),
        ("def kernel(self, targets, ctx): return [targets]", "kernel gives `list` for targets"),
        ("def on_logits(self, logits, batch, ctx): pass", "on_logits gives nothing"),
        ("def weigh(self, log_p, batch, ctx): return 2", "weigh gives `int`"),
        ("def loss(self, out, batch, ctx): return out.logits.mean()", "loss gives `Tensor`"),
        (
            "def loss(self, out, batch, ctx): return {'mine': out.logits.mean()}",
            "loss gives `Tensor` for the term 'mine'",
        ),
        (
            "def loss(self, out, batch, ctx): return {'mine': (out.logits.mean(), 0.5)}",
            "loss gives (`Tensor`, `float`) for the term 'mine'",
        ),
    ],
)
def test_what_hooks_give_is_held_against_what_the_learner_takes(body, evidence, tmp_path):
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {"hooks": methods.hooks})
    assert verdict.verdict == FAILED and evidence in verdict.evidence
    assert f"see {tmp_path / 'mine.py'}:12, in " in verdict.mend


def test_of_terms_that_are_no_numbers_the_first_is_named(tmp_path):
    body = "out.logits.sum() * 0 / (5 - ctx.step - 3 * ctx.epoch)"
    cls = component(tmp_path, f"def loss(self, out, batch, ctx): return {{'mine': (1.0, {body})}}")
    (verdict,) = judged(cls, Bench(cls), {"repeats": methods.repeats})
    assert verdict.verdict == FAILED and "no number any more: mine" in verdict.evidence and "clamp" in verdict.mend


def test_what_comes_from_none_of_the_plugins_own_lines_is_told_so(tmp_path):
    cls = component(tmp_path, "def parameter_groups(self, model): return [('mine', 0.1)]")
    (verdict,) = judged(cls, Bench(cls), {"repeats": methods.repeats})
    assert verdict.verdict == FAILED and "learner.py" in verdict.mend
    assert verdict.mend.startswith("none of its own lines was running: see what it gave to")


@pytest.mark.parametrize(
    ("broken", "body"),
    [
        ("declares", "@dataclass\n    class Settings:\n        size: float = knob(0.5, 'of it', low=0)"),
        ("hooks", "def loss(self, out, batch, ctx): return {'mine': (out.logits.mean(), 0.5)}"),
    ],
)
def test_one_fault_that_all_the_rest_would_show_is_told_once(broken, body, tmp_path):
    report = conformance.check(component(tmp_path, body + "\n    def after_step(self, ctx): pass").name)
    verdicts = {each.check: each.verdict for each in report.verdicts}
    behind = list(verdicts)[list(verdicts).index(broken) + 1 :]
    assert verdicts[broken] == FAILED and not report.passed
    assert behind and {verdicts[name] for name in behind} == {UNTRIED}
    text = " ".join(report.text().split())
    assert f"not tried {', '.join(behind)}: `{broken}` comes first, and failed" in text
    assert f"1 failed, {len(behind)} not tried" in text


def test_a_method_that_is_almost_called_as_a_hook_is_pointed_out(tmp_path):
    body = "def loss(self, out, batch, ctx): return {}\n    def on_logit(self, logits, batch, ctx): return 2 * logits"
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {"declares": methods.declares})
    assert verdict.verdict == WARNED and "on_logit is no hook" in verdict.evidence
    assert verdict.mend == "did you mean on_logits?"


@pytest.mark.parametrize(("api", "told"), [("api = 1", "interface 1;"), ("", "no `api`, taken for interface 1;")])
def test_it_is_told_which_interface_a_plugin_is_taken_for(api, told, tmp_path):
    cls = component(tmp_path, f"{api}\n    def loss(self, out, batch, ctx): return {{}}")
    (verdict,) = judged(cls, Bench(cls), {"declares": methods.declares})
    assert verdict.verdict == PASSED and verdict.evidence.startswith(told)


def test_a_setting_that_no_word_can_spell_is_refused(tmp_path):
    body = (
        "@dataclass(frozen=True)\n    class Settings:\n"
        "        matrix: tuple[tuple[float, ...], ...] = knob(((0.5,),), 'rows')\n"
        "    def loss(self, out, batch, ctx): return {}"
    )
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {"declares": methods.declares})
    assert verdict.verdict == FAILED and verdict.evidence.startswith("Mine.Settings.matrix: no setting can be of")


def test_settings_that_the_kit_can_not_turn_are_named(tmp_path):
    body = (
        "@dataclass(frozen=True)\n    class Settings:\n        word: str = knob('a', 'a word')\n"
        "        most: int | None = knob(None, 'a limit', low=0)\n"
        "    def loss(self, out, batch, ctx): return {}"
    )
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {"knobs": methods.turns})
    assert verdict.verdict == PASSED
    assert verdict.evidence.count("is not turned: the kit knows no other value") == 2


SETTING_THAT_ACTS_BESIDE_ANOTHER = """@dataclass(frozen=True)
    class Settings:
        form: str = knob("plain", "which form", choices=("plain", "sharp"))
        power: float = knob(2.0, "of the sharp form", low=0)
    def on_logits(self, logits, batch, ctx):
        return logits if self.settings.form == "plain" else logits * self.settings.power
"""


def test_a_setting_that_acts_only_beside_another_choice_turns(tmp_path):
    cls = component(tmp_path, SETTING_THAT_ACTS_BESIDE_ANOTHER)
    cheap = {name: methods.CHECKS[name] for name in ("acts", "knobs")}
    verdicts = {found.check: found for found in judged(cls, Bench(cls), cheap)}
    assert verdicts["knobs"].evidence == "form at sharp; power at 1.0 beside form = sharp"
    assert verdicts["acts"].evidence.startswith("with form = sharp it ends elsewhere than prompt")
    assert all(found.verdict == PASSED for found in verdicts.values())


def test_a_component_that_must_see_pixels_is_checked_on_pixels(tmp_path):
    body = (
        "needs_pixels = True\n    def on_batch(self, batch, ctx):\n"
        "        if batch.level == 'pixels': batch.face = 255 - batch.face\n        return batch"
    )
    cls = component(tmp_path, body)
    cheap = {name: methods.CHECKS[name] for name in ("hooks", "repeats", "acts", "evaluation", "save-load")}
    assert [found.verdict for found in judged(cls, Bench(cls), cheap)] == [PASSED] * 5


FEW = "def sampler(self, label, rng): return rng.permutation(len(label))[:8]\n    "


def test_a_training_of_one_step_an_epoch_is_cut_off_as_well(tmp_path):
    cls = component(tmp_path, FEW + DEFECTS["save-load"][0])
    (verdict,) = judged(cls, Bench(cls), {"save-load": methods.saves})
    assert (verdict.verdict, verdict.evidence) == (
        FAILED,
        "cut off at step 2 of 3 and gone on, training ends with other weights",
    )


def test_whoever_presses_ctrl_c_stops_the_kit_and_not_the_training_it_cuts_off(tmp_path):
    body = (
        "steps = []\n    def after_step(self, ctx):\n        self.steps.append(1)\n"
        "        if len(self.steps) == 11: raise KeyboardInterrupt"
    )
    cls = component(tmp_path, body)
    with pytest.raises(KeyboardInterrupt):
        list(judged(cls, Bench(cls), {"save-load": methods.saves}))
    assert len(cls.steps) == 11


def test_components_that_need_each_other_stand_beside_each_other(tmp_path):
    body = "requires = {'other': 'for its half'}\n    def loss(self, out, batch, ctx): return {}\n"
    other = COMPONENT.replace("class Mine", "class Other").replace('"mine"', '"other"')
    plugins.add_file(written(tmp_path, COMPONENT + "    " + body + other + "    " + body.replace("'other'", "'mine'")))
    assert str(Bench(plugins.get("methods", "mine")).method()) == "mine+other+prompt"


def test_numbers_of_any_type_are_compared_to_the_last_bit(tmp_path):
    body = (
        "def __init__(self, settings):\n        super().__init__(settings)\n"
        "        self.register_buffer('kept', torch.zeros((), dtype=torch.bfloat16))\n"
        "    def after_step(self, ctx): self.kept += os.urandom(1)[0]"
    )
    cls = component(tmp_path, body)
    (verdict,) = judged(cls, Bench(cls), {"repeats": methods.repeats})
    assert "end with other weights" in verdict.evidence


@pytest.mark.slow
@pytest.mark.parametrize("name", plugins.names("methods"))
def test_the_products_own_components_pass(name):
    report = conformance.check(name)
    assert report.passed, report.text()


@pytest.mark.parametrize("name", ["caer", "daisee", "raer"])
def test_the_products_own_data_sets_pass_on_their_miniatures(name):
    report = conformance.check(name)
    assert report.passed, report.text()
    assert "manifest" not in report.text()


# ── data sets ───────────────────────────────────────────────────────────────────────────────────────────────

ADAPTER = '''
import itertools, json
from dataclasses import dataclass
from harness.data.clips import Clip
from harness.conformance import draw
from harness.datasets import Adapter
from harness.protocol import Data
from harness.settings import knob

COUNTER = itertools.count()

class Mine(Adapter):
    """A data set with a defect."""
    name, title, paper, folder = "mine", "Mine", "none", "mine"
    classes = ("calm", "cross")
    Settings = Data

    def descriptions(self):
        return ("a calm face", "drawn brows")

    @classmethod
    def sample(cls, root):
        for split in ("train", "val", "test"):
            for n in range(6):
                draw(root, f"{split}/{'calm' if n % 2 else 'cross'}/{n}.mp4")
        cls.more(root)

    @classmethod
    def more(cls, root): pass

'''
DATA_DEFECTS = {
    "declares": ('title = ""', "`title` is empty"),
    "reads": ("def clips(self): yield Clip('a', 'train/calm/1.mp4', 2, 'train')", "label 2 is outside"),
    "repeats": (
        "def clips(self):\n        for clip in super().clips():\n"
        "            yield Clip(f'{clip.id}-{next(COUNTER)}', clip.media, clip.label, clip.split)",
        "read twice, the copy has other clips",
    ),
    "paths": (
        "def clips(self):\n        for clip in super().clips():\n"
        "            yield Clip(f'{self.root}/{clip.id}', clip.media, clip.label, clip.split)",
        "/mine/test/calm/1",
    ),
    "classes": ('classes = ("calm", "cross", "hidden")', "no training clip of hidden"),
    "descriptions": ("def descriptions(self): return ('a face', 'a face')", "the same sentence"),
    "official": ('official = {"train": 7}', "train 6 of 7"),
    "boxes": (
        "@classmethod\n    def more(cls, root):\n"
        "        (root / 'faces.json').write_text(json.dumps({'train/calm/1': [8, 6, 40, 38]}))",
        "1 of 18 clips have a face box",
    ),
    "knobs": (
        "@dataclass(frozen=True)\n    class Settings(Data):\n        half: bool = knob(False, 'read by nobody')",
        "no value of half changes what is read",
    ),
    "audit": (
        "@classmethod\n    def more(cls, root): (root / 'test/calm/1.mp4').write_bytes(b'no video')",
        "test/calm/1",
    ),
}


def adapter(tmp_path, body: str):
    plugins.add_file(written(tmp_path, ADAPTER + "    " + body))
    return plugins.get("datasets", "mine")


def test_there_is_a_defect_for_every_check_of_data_sets():
    assert list(DATA_DEFECTS) == list(datasets.CHECKS)


@pytest.mark.parametrize("check", DATA_DEFECTS)
def test_a_check_of_data_sets_finds_its_defect(check, tmp_path):
    body, evidence = DATA_DEFECTS[check]
    cls = adapter(tmp_path, body)
    cls.sample(tmp_path / "mine")
    with datasets.opened(cls, str(tmp_path / "mine") if check == "official" else "") as copy:
        (verdict,) = judged(cls, copy, {check: datasets.CHECKS[check]})
    assert verdict.verdict == FAILED, verdict
    assert evidence in verdict.evidence and verdict.mend


def test_a_sound_data_set_passes_on_a_copy_of_its_own_and_on_the_users(tmp_path, capsys):
    plugin = written(tmp_path, ADAPTER)
    words = ["check", "mine", "--plugin", plugin, "--json"]
    assert main(words) == 0
    small = json.loads(capsys.readouterr().out)
    plugins.get("datasets", "mine").sample(tmp_path / "mine")
    assert main([*words, "--root", str(tmp_path / "mine")]) == 0
    given = json.loads(capsys.readouterr().out)
    assert small == given
    assert {each["verdict"] for each in given["checks"]} == {PASSED, SPARED}


def test_a_copy_at_a_relative_root_is_as_sound(tmp_path, monkeypatch):
    cls = adapter(tmp_path, "")
    cls.sample(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    report = conformance.check("mine", ".")
    assert report.passed, report.text()


def test_a_copy_without_any_clip_is_told_once(tmp_path):
    report = conformance.check(adapter(tmp_path, "def entries(self): return []").name)
    failed = [each for each in report.verdicts if each.verdict == FAILED]
    assert [(each.check, each.evidence) for each in failed] == [("reads", "the adapter gives no clip")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            "def clips(self):\n        for clip in super().clips():\n"
            "            yield Clip(clip.id, clip.media, clip.label, clip.split, subject='one for all')",
            "subject-leak",
        ),
        (
            "@classmethod\n    def more(cls, root):\n"
            "        (root / 'test/calm/1.mp4').write_bytes((root / 'train/calm/1.mp4').read_bytes())",
            "split-leak",
        ),
    ],
)
def test_what_makes_scores_flatter_stands_out_though_a_run_would_take_the_copy(body, kind, tmp_path):
    report = conformance.check(adapter(tmp_path, body).name)
    (warned,) = [each for each in report.verdicts if each.verdict == WARNED]
    assert warned.check == "audit" and kind in warned.evidence and warned.mend
    assert report.passed and ", 1 warned, 0 failed" in report.text()


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────


def test_exit_code_and_json_say_what_failed(tmp_path, capsys):
    plugin = written(tmp_path, ADAPTER + '    title = ""')
    assert main(["check", "mine", "--plugin", plugin, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["plugin"], found["kind"], found["passed"]) == ("mine", "datasets", False)
    (failed,) = [each for each in found["checks"] if each["verdict"] == FAILED]
    assert failed == {
        "check": "declares",
        "verdict": FAILED,
        "evidence": "`title` is empty",
        "mend": "give the name that tables show",
    }
    assert main(["check", "mine", "--plugin", plugin]) == 1
    text = capsys.readouterr().out
    assert "→ give the name that tables show" in text and "1 failed" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ldll"], "no such component or data set — did you mean ldl, ldam? (one from outside takes `pip install`, or"),
        (["ldl", "--root", "."], "ldl is a component, which reads no data"),
        (["dfew"], "there is no copy of dfew to read"),
        (["caer", "--root", "nowhere"], r"no folder nowhere"),
    ],
)
def test_what_can_not_be_checked_is_bad_input(words, message, capsys):
    assert main(["check", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_name_of_two_plugins_is_refused(tmp_path):
    plugins.add_file(
        written(
            tmp_path,
            ADAPTER + COMPONENT.replace("class Mine", "class Other") + "    def loss(self, out, batch, ctx): return {}",
        )
    )
    with pytest.raises(BadInput, match="is a component and a data set"):
        conformance.check("mine")


@pytest.mark.parametrize(
    ("api", "words"),
    [(interface.VERSION, ""), (interface.VERSION + 1, "upgrade harness"), ("1", "is no version"), (True, "no version")],
)
def test_a_plugin_says_which_interface_it_was_written_for(api, words):
    problem = interface.problem(type("Plugin", (), {"api": api}))
    assert words in problem and bool(problem) == bool(words)
    assert interface.problem(type("Plugin", (), {})) == ""
