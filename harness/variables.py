"""The environment variables that *harness* reads, and what each is for: `harness config`, `harness doctor` and
docs/settings.md say the same of them. None changes the numbers of a run.
"""

from __future__ import annotations

import os
from pathlib import Path

USERS = {  # for the user to set
    "HARNESS_CACHE": "folder of features, frames, miniatures and probes (default: `harness` in the cache home)",
    "XDG_CACHE_HOME": "the cache home (default `~/.cache`)",
    "XDG_CONFIG_HOME": "home of the user file `harness/config.toml` (default `~/.config`)",
    "HF_HOME": "home of what is downloaded from the Hugging Face hub (default: `huggingface` in the cache home)",
    "HF_HUB_CACHE": "folder of downloaded weights and data sets (default: `hub` in HF_HOME)",
    "HF_HUB_OFFLINE": "1: nothing is downloaded, weights and data sets must be there",
    "NO_COLOR": "set to anything: no colours, also on a terminal",
}
OWN = {  # set by harness in the processes that it starts
    "HARNESS_WORKER": "the number of a worker process",
    "HARNESS_WORKERS": "how many workers may share a machine or a GPU, at most",
    "HARNESS_LEAD": "the process that started the worker",
    "HARNESS_SINCE": "until when results are of earlier calls",
    "HARNESS_TASK": "what a job of a cluster is to do",
}


def in_effect() -> dict[str, str]:
    """Those of them that are set, but for `OWN`."""
    return {name: os.environ[name] for name in USERS if os.environ.get(name)}


def cache_folder() -> Path:
    """Features, miniatures and other things that can be made again: `HARNESS_CACHE`, else in the cache home."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(os.environ.get("HARNESS_CACHE") or f"{home}/harness"))


def hub_folder() -> Path:
    """Where the Hugging Face libraries keep what they download, by their own rule, asked without importing them."""
    home = os.environ.get("HF_HOME", f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/huggingface")
    return Path(os.path.expanduser(os.environ.get("HF_HUB_CACHE", f"{home}/hub")))
