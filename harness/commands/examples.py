"""Examples behind the help of each command: they teach by what people type. A test parses them all."""

from __future__ import annotations

import argparse

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {  # by command: what to type, and what it does
    "": (
        ("harness run --grid", "train grids/default.toml, then write its leaderboard"),
        ("harness run --grid --tiny", "the same as a smoke test of a minute or two"),
        ("harness plan --grid", "what would run, what is done"),
        ("harness watch", "the grid as it runs"),
        ("harness show RUN", "one run: curves, scores, how to repeat it"),
        ("harness doctor", "what is wrong with this machine, and the mend"),
        ("harness COMMAND --help", "more, with examples"),
    ),
    "run": (
        ("harness run --grid", "train grids/default.toml"),
        ("accelerate launch --config_file accelerate_config.yaml -m harness run --grid", "on GPUs"),
        ('harness run --datasets caer --methods "prompt+ldl,prompt+lsr" --seeds 0,1,2', "without a grid file"),
        ("harness run --grid mine.toml --set train.epochs=5 --until 'ci<1.0'", "with as many seeds as it takes"),
    ),
    "plan": (
        ("harness plan --grid", "what would run, and what is done"),
        ("harness plan --grid mine.toml --datasets raer --json", "part of a grid, for programs"),
    ),
    "report": (
        ("harness report --grid mine.toml --out leaderboards/mine", "one grid's leaderboard"),
        ("harness report --runs runs --runs from-the-cluster --out both", "of two stores"),
    ),
    "list": (
        ("harness list methods", "components and presets with settings and papers"),
        ("harness list models vit-b", "models with these letters, and their weights"),
        ("harness list settings ldl", "what --set and a grid file can say of it"),
    ),
    "show": (
        ("harness show ldl-prompt-s0", "the run whose id begins so"),
        ("harness show ldl-prompt-s0 --card > README.md", "a model card for the hub"),
    ),
    "compare": (
        ("harness compare ldl-prompt-s0 lsr-prompt-s0", "two runs"),
        ("harness compare leaderboards/mine leaderboards/theirs --json", "two leaderboards"),
    ),
    "verify": (
        ("harness verify ldl-prompt-s0", "train this run again and compare"),
        ("harness verify leaderboards/mine --sample 5", "five runs of a table"),
    ),
    "watch": (
        ("harness watch", "the grid that was planned last, live"),
        ("harness watch --grid mine.toml --once", "one look"),
        ("harness watch --json | jq .left", "seconds left, for programs"),
    ),
    "doctor": (
        ("harness doctor", "what is wrong here, and the mend"),
        ("harness doctor --grid mine.toml", "also its data roots, weights and room"),
        ("accelerate launch -m harness doctor", "with what the launcher asks for"),
    ),
    "config": (
        ("harness config", "the file, and what is in effect"),
        ("harness config set data.caer.root /data/CAER", "where it lies, for all grids"),
        ("harness config unset data.caer.root", "the miniature again"),
    ),
    "config set": (
        ("harness config set data.caer.root /data/CAER", "where a data set lies"),
        ("harness config set runs /scratch/runs", "the store of all commands"),
    ),
    "config unset": (
        ("harness config unset data.caer.root", "the miniature again"),
        ("harness config unset runs", "runs/ in the current folder again"),
    ),
    "completion": (
        ('eval "$(harness completion bash)"', "in ~/.bashrc"),
        ('eval "$(harness completion zsh)"', "in ~/.zshrc, behind compinit"),
        ("harness completion fish > ~/.config/fish/completions/harness.fish", "for fish"),
    ),
    "submit": (
        ("harness submit --grid mine.toml --partition gpu", "the grid as jobs of a cluster"),
        ("harness submit --grid mine.toml --max-jobs 20", "more jobs at once"),
    ),
    "cancel": (
        ("harness cancel", "all jobs of this store"),
        ("harness cancel --grid mine.toml", "one grid's jobs"),
    ),
    "predict": (
        ("harness predict ldl-prompt-s0 clip.mp4 --face 120,40,80,80", "class and probabilities of a video"),
        ("harness predict ldl-prompt-s0 a.mp4 b.mp4 --out seen --json", "and pictures of what the network saw"),
    ),
    "export": (
        ("harness export ldl-prompt-s0 --out exported", "a folder that open_clip and harness.load read"),
        ("harness export ldl-prompt-s0 --runs old-runs --out exported", "a run of another store"),
    ),
    "new": (
        ("harness new method my-loss", "a package with one component, its settings and tests"),
        ("harness new dataset my-set --out ~/code", "the same with a data set, elsewhere"),
    ),
    "check": (
        ("harness check my-loss --plugin my_loss.py", "does it keep the contract of a component?"),
        ("harness check my-set --plugin my_set.py --root /data/my-set", "a data set, on your copy"),
    ),
    "data check": (
        ("harness data check caer --root /data/CAER", "count, look for boxes, find what is broken"),
        ("harness data check caer --root /data/CAER --report caer.html", "and show clips with boxes"),
    ),
    "data manifest": (
        ("harness data manifest caer --root /data/CAER --out caer.jsonl.gz", "write down what a copy holds"),
        ("harness data manifest mine --plugin mine.py --root /data/mine --out mine.jsonl", "a data set of your own"),
    ),
    "data diff": (
        ("harness data diff ours.jsonl.gz theirs.jsonl.gz", "what differs between two copies"),
        ("harness data diff ours.jsonl.gz theirs.jsonl.gz --json", "for programs"),
    ),
    "data mini": (
        ("harness data mini --out miniatures", "small drawn data sets in native layouts"),
        ("harness data mini --out m && harness data check caer --root m/CAER", "and look at one"),
    ),
    "cache list": (
        ("harness cache list", "what is kept, and how large it is"),
        ("harness cache list --json | jq .bytes", "for programs"),
    ),
    "cache clear": (
        ("harness cache clear --keep 20GB", "the least recently used, until the rest fits"),
        ("harness cache clear --kind frames --older-than 30 --dry-run", "only say what would go"),
    ),
}
EXIT_CODES = """\
exit codes:
  0  all done
  1  some runs failed or a sentinel found an error (the rest finished)
  2  bad input (nothing started)
  3  interrupted: the same command goes on
"""
_WIDTH = 80


def teach(parser: argparse.ArgumentParser) -> None:
    """Puts the examples of a command (as its `prog` names it) behind its help; of the whole, also the exit codes."""
    command = parser.prog.partition(" ")[2]
    if command in EXAMPLES:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = _text(EXAMPLES[command]) + ("" if command else f"\n\n{EXIT_CODES}")


def _text(examples: tuple[tuple[str, str], ...]) -> str:
    """Commands in a column, what each does behind it; where that is too wide, above it."""
    column = max(len(line) for line, _ in examples)
    if all(4 + column + len(does) <= _WIDTH for _, does in examples):
        lines = [f"  {line:<{column}}  {does}" for line, does in examples]
    else:
        lines = [text for line, does in examples for text in (f"  # {does}", f"  {line}")]
    return "\n".join(["examples:", *lines])
