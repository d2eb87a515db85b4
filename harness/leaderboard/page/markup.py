"""HTML as Python calls: whatever is not `Markup` already is escaped, so no name can become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from urllib.parse import urlencode

from harness.leaderboard.markdown import plain

_VOID = {"path", "line", "circle"}
_BREAK = re.compile(r"\s")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inside: str | Iterable[str], **attributes: str | int | float | bool) -> Markup:
    """An element. Attributes are written `class_`, `aria_label`, `data_metric`; False leaves one out."""
    words = [name, *(_attribute(key, value) for key, value in attributes.items() if value is not False)]
    if name in _VOID and not inside:
        return Markup(f"<{' '.join(words)}/>")
    return Markup(f"<{' '.join(words)}>{''.join(map(_text, _flat(inside)))}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    return Markup("\n".join(map(_text, parts)))


def listed(parts: Sequence[str], between: str = ", ") -> list[str]:
    """The parts with a comma between them."""
    return [word for part in parts for word in (between, part)][1:]


def name(text: str) -> Markup:
    """A name from the data: isolated, so that one written from right to left turns nothing else around."""
    return tag("bdi", text)


def link(to: dict[str, str], *inside: str, **attributes: str) -> Markup:
    """A link within the page: what it shows is told by its fragment."""
    return tag("a", *inside, href="#" + urlencode({key: plain(value) for key, value in to.items()}), **attributes)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Markup:
    """A table with a caption; the first cell of a row names it. It scrolls by itself where the window is narrow.

    Roles are spelled out because the style sheet lays cells out as blocks on narrow windows.
    """
    head = tag("tr", [tag("th", cell, scope="col", role="columnheader") for cell in header], role="row")
    body = [tag("tr", list(_cells(row, header)), role="row") for row in rows]
    inside = [tag("caption", caption), tag("thead", head, role="rowgroup"), tag("tbody", body, role="rowgroup")]
    return scrolling(tag("table", inside, role="table", class_=kind or False), caption)


def scrolling(inside: Markup, label: str) -> Markup:
    """What may be wider than the window, reachable and scrollable by keyboard."""
    return tag("div", inside, class_="scroll", role="region", tabindex=0, aria_label=_words(label))


def _cells(row: Sequence[str], header: Sequence[str]) -> Iterator[str]:
    yield tag("th", row[0], scope="row", role="rowheader")
    for cell, column in zip(row[1:], header[1:], strict=True):
        yield cell if cell.startswith("<td") else tag("td", cell, role="cell", data_label=_words(column))


def _attribute(key: str, value: str | int | float | bool) -> str:
    key = key.rstrip("_").replace("_", "-")
    return key if value is True else f'{key}="{escape(_marked(str(value)))}"'


def _text(part: str) -> str:
    return part if isinstance(part, Markup) else escape(_marked(part))


def _marked(text: str) -> str:
    """With a mark for each sign that can't be printed: a name may hold anything."""
    return "".join(sign if sign.isprintable() else "�" for sign in _BREAK.sub(" ", text))


def _flat(parts: Iterable[str | Iterable[str]]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from part


def _words(text: str) -> str:
    """Text without its markup, for attributes."""
    return unescape(re.sub("<[^>]*>", "", text)) if isinstance(text, Markup) else text
