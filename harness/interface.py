"""The version of what plugins from outside build on: the names that docs/your-method.md and docs/your-data.md list.

A plugin may say `api = 1` in its class. From the first release on the number rises when one of these names, or a hook's
signature, changes so that a plugin must change too; what only adds to them leaves it as it is. Before, it stays 1.
"""

from __future__ import annotations

VERSION = 1


def problem(plugin: type) -> str:
    """Why a plugin can't be used with this version of the interface; empty when it can, or does not say its own."""
    wanted = getattr(plugin, "api", VERSION)
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        return f"says api = {wanted!r}, which is no version: write api = {VERSION}"
    if wanted > VERSION:
        return f"is written for interface {wanted} of harness, and this one has {VERSION}: upgrade harness"
    return ""
