"""Checks of what is on disk: the store, the cache, the hub's folder, data sets, weights; and of the user's settings."""

from __future__ import annotations

from collections.abc import Iterator

from harness import variables
from harness.doctor.facts import Facts
from harness.doctor.findings import Finding
from harness.errors import nearest
from harness.words import storage

ROOM = 10**9  # bytes that should be free
FILES = 10_000  # that a disk should have room for
SLOW = 0.25  # seconds for a locked write; a local disk takes a hundredth

_ROLES = {"store": "the run store", "cache": "the cache", "hub": "the folder of downloads"}
_ELSEWHERE = {
    "store": "give --runs on another disk, or `harness config set runs …`",
    "cache": "set HARNESS_CACHE to another disk, or make room: `harness cache clear --keep 5GB`",
    "hub": "set HF_HOME to a folder on another disk",
}


def folders(facts: Facts) -> Iterator[Finding]:
    """Folders that can't be written to, lock no files, or are full or slow."""
    for place in facts.places:
        role, elsewhere = _ROLES[place.role], _ELSEWHERE[place.role]
        if place.trouble:
            yield Finding("folders", f"{role} can't be used: {place.trouble.what}", place.path, place.trouble.mend)
            continue
        if place.free < ROOM:
            yield Finding("folders", f"{role} has little room", f"{storage(place.free)} free: {place.path}", elsewhere)
        if place.files_left < FILES:
            evidence = f"room for {place.files_left:,} files: {place.path}"
            yield Finding("folders", f"{role}'s disk takes hardly any more files", evidence, elsewhere)
        if place.seconds is not None and place.seconds > SLOW:
            evidence = f"a locked write takes {place.seconds:.2f} s: {place.path}"
            yield Finding("folders", f"{role} is on a slow disk", evidence, elsewhere)


def room(facts: Facts) -> Iterator[Finding]:
    """A cache that the grid's features or frames do not fit into, as far as they are not there yet."""
    free = next((place.free for place in facts.places if place.role == "cache"), None)
    if free is not None and facts.needed > free + facts.cached:
        evidence = f"{storage(facts.needed)} needed, {storage(free)} free, {storage(facts.cached)} kept"
        yield Finding("room", "the grid's cache does not fit", evidence, f"{_ELSEWHERE['cache']}; or lower clips.views")


def data(facts: Facts) -> Iterator[Finding]:
    for copy in facts.copies:
        if copy.trouble:
            where = f"{copy.root} (root from {copy.origin}); {copy.trouble.where}".removesuffix("; ")
            yield Finding("data", f"{copy.dataset} can't be read: {copy.trouble.what}", where, copy.trouble.mend)


def weights(facts: Facts) -> Iterator[Finding]:
    found = facts.weights
    if found is None:
        return
    evidence = f"model.name {found.model}, model.pretrained {found.source or 'not set'}"
    if found.trouble:
        yield Finding("weights", found.trouble.what, evidence, found.trouble.mend)
    elif found.downloaded is False and _offline(facts):
        mend = "download them where there is a network and copy HF_HOME here, or give a weights file"
        yield Finding("weights", "the weights are not here, and nothing is downloaded", evidence, mend)
    elif found.downloaded is False:
        yield Finding("weights", "the weights are downloaded when the first run begins", evidence)


def _offline(facts: Facts) -> bool:
    return facts.variables.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def settings(facts: Facts) -> Iterator[Finding]:
    """A user file or a grid that is refused, and variables that nobody reads or nobody should set."""
    for refused in facts.refused:
        yield Finding("settings", refused.what, refused.where, refused.mend)
    for name, value in facts.variables.items():
        told = f"{name}={value}"
        if not name.startswith("HARNESS_"):
            continue
        if name in variables.OWN:
            mend = f"unset {name}"
            yield Finding("settings", f"{name} is for harness's own processes to set", told, mend)
        elif name in variables.USERS:
            yield Finding("settings", f"{name} is in effect: {variables.USERS[name]}", told)
        else:
            yield Finding(
                "settings",
                f"no variable {name} is known",
                told,
                nearest(name, [v for v in variables.USERS if v.startswith("HARNESS_")]),
            )


def plugins(facts: Facts) -> Iterator[Finding]:
    for name, found in facts.plugins.items():
        yield Finding("plugins", f"{name} can't be used: {found.what}", found.where, found.mend)
