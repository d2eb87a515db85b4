"""A run's address: what of its spec determines its numbers, the id made of that, and why a stored run has another one.

An id is a hash of everything that determines a run's numbers (protocol version, data fingerprint, method with all
settings, seed, shared settings, weights, code from outside) and of nothing else: moving the data or the weights does
not make another run, changing a pixel or a rate does.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import config, protocol
from harness.store.index import Entry, unpacked
from harness.words import plural

if TYPE_CHECKING:
    from harness.plan import Run

_UNSEEN = {  # what makes another run though nobody has set anything else
    "protocol": "another version of harness's protocol",
    "data.fingerprint": "other contents of the data set",
    "model.weights": "other weights",
}
_PLUGIN = "plugins."


def decisive(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a spec determines a run's numbers."""
    decides = json.loads(json.dumps(spec))
    for where in (*config.PLACES, "miniature"):
        decides["data"].pop(where, None)
    decides["model"].pop("pretrained", None)
    outside = {name: facts["hash"] for name, facts in decides.pop("plugins", {}).items()}
    if outside:
        decides["plugins"] = outside
    decides.pop("sentinels", None)  # they watch and change nothing
    decides.pop("method", None)  # the components say the same with every default written out
    return decides


def run_id(names: Sequence[str], seed: int, decides: Mapping[str, Any]) -> str:
    """`<component names>-s<seed>-<hash>`: a name for people, an address for programs."""
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:10]
    return f"{'-'.join(names) or 'plain'}-s{seed}-{digest}"


# ── stored runs that no longer count ────────────────────────────────────────────────────────────────────────


def outdated(runs: Iterable[Run], entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Finished runs of which these have the data set, the method, the seed and all settings, and yet not the address:
    how many there are, of which data set, and why.
    """
    stored: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.done:
            stored[entry.dataset, entry.method, entry.seed].append(entry)
    reasons: dict[tuple[str, str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        method = run.spec["method"]
        for entry in stored.get((run.dataset, method, run.seed), ()):
            key = (entry.setup, run.copy, method)
            if key not in reasons:
                reasons[key] = _why_other(unpacked(entry.setup), run.spec)
            if reasons[key]:
                counts[run.dataset, reasons[key]] += 1
    return [{"dataset": dataset, "runs": count, "why": why} for (dataset, why), count in counts.items()]


def as_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """The same for people."""
    return [
        f"{row['dataset']}: {plural(row['runs'], 'stored run')} of these settings had {row['why']}: they are kept, and "
        "do not count here"
        for row in found
    ]


def _why_other(stored: Mapping[str, Any], planned: Mapping[str, Any]) -> str:
    """What tells a stored spec from a planned one; empty where it is something that was set."""
    then, now = _flat(stored), _flat(planned)
    differing = {key for key in then | now if then.get(key) != now.get(key)}
    if "protocol" in differing:  # which may have brought settings, and dropped some
        differing &= {*_UNSEEN, *(then.keys() & now.keys())}
    if any(key not in _UNSEEN and not key.startswith(_PLUGIN) for key in differing):
        return ""
    told = [_UNSEEN.get(key) or f"other code of {key.removeprefix(_PLUGIN)}" for key in sorted(differing)]
    return " and ".join(told)


def _flat(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What determines the numbers but for data set, method and seed: `{"train.epochs": 20, …}`."""
    decides = decisive(spec)
    groups = {group: decides.get(group, {}) for group in (*protocol.GROUPS, "data", "plugins")}
    flat = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    return {**flat, "protocol": decides.get("protocol")}
