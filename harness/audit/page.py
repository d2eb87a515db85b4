"""An audit as one page to look through: counts, problems, and clips with their boxes and crops.

The file needs nothing but itself: pictures are in it, boxes are drawn over them as vectors. Whatever comes from
the data set (names, paths, messages) is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any

from harness import __version__
from harness.audit import Audit
from harness.audit.findings import Finding
from harness.audit.pictures import Frame, Shown, choose, show
from harness.audit.text import counted
from harness.words import SHOWN, plural, printable

LISTED = 200  # clips named for each finding


def page(audit: Audit, sections: Any) -> str:
    """The whole page; `sections` are those that the copy was opened with."""
    title = audit.fold.adapter.title or audit.dataset
    fold = f", fold {audit.fold.name}" if audit.fold.name else ""
    problems = audit.problems
    verdict = plural(len(problems), "problem") if problems else "No problems"
    body = [
        f"<header><h1>{_e(title)}{_e(fold)} <b class='{'bad' if problems else 'good'}'>{verdict}</b></h1>",
        f"<p>{_e(audit.root)}</p>",
        f"<p class=quiet>manifest {_e(audit.fold.manifest or 'none')} · harness {__version__}</p></header>",
        f"<div class=top><section><h2>Counts</h2>{_table(audit)}</section><section>",
        *_findings("Problems", problems),
        *_findings("Remarks", audit.remarks),
        "</section></div>",
        *_clips(audit, sections),
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{_e(title)}: {verdict}</title>"
    view = "<meta name=viewport content='width=device-width,initial-scale=1'>"
    return f"{head}{view}<style>{STYLE}</style><body>{''.join(body)}</body></html>\n"


def _e(value: object) -> str:
    return html.escape(printable(str(value)), quote=True)


def _table(audit: Audit) -> str:
    headers, rows = counted(audit)
    if not rows:
        return "<p>No labelled clips could be read.</p>"
    head = "".join(f"<th scope=col>{_e(name)}</th>" for name in headers)
    lines = []
    for name, *numbers in rows:
        cells = "".join(f"<td>{_e(number)}</td>" for number in numbers)
        kind = "" if name in audit.fold.adapter.classes else " class=sum"
        lines.append(f"<tr{kind}><th scope=row>{_e(name)}</th>{cells}</tr>")
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _findings(title: str, findings: list[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield f"<h2>{title}</h2><ol class=findings>"
    for finding in findings:
        mend = f"<p class=mend>→ {_e(finding.mend)}</p>" if finding.mend else ""
        head = f"<b>{_e(finding.kind)}</b> <span class=quiet>{_e(finding.where)}</span>"
        yield f"<li>{head}<p>{_e(finding.message)}</p>{mend}{_named(finding)}</li>"
    yield "</ol>"


def _named(finding: Finding) -> str:
    """All the clips, folded away, where the message names a few of them."""
    ids = list(dict.fromkeys(finding.clips))
    if len(ids) <= SHOWN:
        return ""
    rest = f", and {len(ids) - LISTED:,} more: see --json" if len(ids) > LISTED else ""
    named = ", ".join(map(_e, ids[:LISTED]))
    return f"<details><summary>{plural(len(ids), 'clip')}</summary><code>{named}</code>{rest}</details>"


# --- clips ------------------------------------------------------------------------------------------------------


def _clips(audit: Audit, sections: Any) -> Iterator[str]:
    choice, kinds = choose(audit)
    groups = [("Clips with problems", choice.befallen)]
    groups += [(f"Clips of {split}", clips) for split, clips in choice.usual.items()]
    if any(clips for _, clips in groups):
        yield f"<h2>Clips</h2>{LEGEND.format(margin=sections['face'].margin, context=_e(sections['clips'].context))}"
    for title, clips in groups:
        if clips:
            shown = show(audit.root, clips, kinds, sections)
            yield f"<h3>{_e(title)}</h3><div class=clips>{''.join(_figures(shown, audit.fold.adapter.classes))}</div>"


LEGEND = (
    "<p class=legend><span><i class=face></i>face box</span><span><i class=area></i>with its margin of {margin} "
    "pixels</span><span><i class=body></i>body box</span><span>right: the two crops of the middle frame as a model "
    "sees them, face and context ({context})</span></p>"
)


def _figures(shown: Iterable[Shown], classes: tuple[str, ...]) -> Iterator[str]:
    for one in shown:
        clip = one.clip
        tags = "".join(f"<b class=bad>{_e(kind)}</b>" for kind in one.problems)
        head = f"<figcaption><b>{_e(classes[clip.label])}</b> <span>{_e(clip.split)}</span> {tags}"
        told = f"<code>{_e(clip.id)}</code> <span class=quiet>{_e(one.how)}</span></figcaption>"
        yield f"<figure>{_error(one) if one.error else _strip(one)}{head}{told}</figure>"


def _error(one: Shown) -> str:
    return f"<p class=error>can't be read: {_e(one.error)}</p>"


def _strip(one: Shown) -> str:
    crops = "".join(
        f"<img style='flex:1' src='{uri}' width=1 height=1 alt='{alt} crop'>"
        for uri, alt in ((one.face, "face"), (one.context, "context"))
    )
    wide = sum(frame.width / frame.height for frame in one.frames)
    frames = f"<div style='flex:{wide:.3f}'>{''.join(map(_svg, one.frames))}</div>"
    return f"<div class=strip>{frames}<div style='flex:2'>{crops}</div></div>"


def _svg(frame: Frame) -> str:
    """The frame, and its boxes in its own pixels: they stay sharp at any size."""
    width, height = frame.width, frame.height
    boxes = {"body": frame.body, "area": frame.area, "face": frame.face}
    drawn = "".join(
        f"<rect class={kind} x='{box[0]:g}' y='{box[1]:g}' width='{box[2] - box[0]:g}' height='{box[3] - box[1]:g}'/>"
        for kind, box in boxes.items()
        if box
    )
    image = f"<image href='{frame.uri}' width='{width}' height='{height}'/>"
    ratio = width / height
    return (
        f"<svg style='flex:{ratio:.3f}' viewBox='0 0 {width} {height}' role=img aria-label=frame>{image}{drawn}</svg>"
    )


STYLE = """
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#626a75;--paper:#fff;--card:#f5f6f8;--line:#dde1e6;--bad:#b3261e;
--good:#1d6f42;--tag:#fbe6e4;--fine:#e2f3e9}
@media (prefers-color-scheme:dark){:root{--ink:#e7e9ec;--soft:#9aa3ae;--paper:#15181c;--card:#1e2227;--line:#343a42;
--bad:#ff8a80;--good:#7bd3a2;--tag:#4a2320;--fine:#1d3a2b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1360px;padding:20px clamp(14px,3vw,40px) 60px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:34px 0 10px}h3{font-size:15px;margin:24px 0 8px}
p{margin:2px 0;overflow-wrap:anywhere}
.quiet,figcaption span{color:var(--soft)}
h1 .bad,h1 .good{font-size:15px;padding:3px 10px;border-radius:12px;vertical-align:middle;margin-left:8px}
.bad{color:var(--bad);background:var(--tag)}.good{color:var(--good);background:var(--fine)}
.wide{overflow-x:auto}
.top{display:grid;grid-template-columns:minmax(0,auto) minmax(0,1fr);gap:0 56px}
@media (max-width:900px){.top{grid-template-columns:minmax(0,1fr)}}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:right;white-space:nowrap}
th:first-child{text-align:left;font-weight:500;padding-right:28px}
thead th{border-bottom:1px solid var(--line);color:var(--soft);font-weight:500}
tr.sum th,tr.sum td{color:var(--soft)}
tr:not(.sum)+tr.sum th,tr:not(.sum)+tr.sum td{border-top:1px solid var(--line);color:var(--ink)}
.findings{padding:0;margin:0;list-style:none;counter-reset:n;display:grid;gap:8px}
.findings li{background:var(--card);border-radius:8px;padding:10px 14px;max-width:100ch}
.findings .quiet{overflow-wrap:anywhere}.mend{color:var(--good)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;color:var(--soft)}
.legend i{display:inline-block;width:16px;height:12px;margin-right:6px;vertical-align:-1px}
i.face{border:2px solid #ff9f1c}i.area{border:2px dashed #ff9f1c}i.body{border:2px solid #3fa7ff}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,590px),1fr));gap:14px}
figure{margin:0;background:var(--card);border-radius:8px;padding:10px}
.strip,.strip>div{display:flex;gap:4px}
.strip{gap:10px}
.strip>div>*{min-width:0;border-radius:3px;display:block;height:auto}
.strip svg{overflow:hidden}
.strip img{aspect-ratio:1;width:auto}
@media (max-width:600px){.strip{flex-direction:column}.strip>div+div{width:66%}}
rect{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
rect.face{stroke:#ff9f1c}rect.area{stroke:#ff9f1c;stroke-dasharray:5 4}rect.body{stroke:#3fa7ff}
figcaption{margin-top:7px;display:flex;flex-wrap:wrap;gap:2px 10px;align-items:baseline}
figcaption .bad{font-size:12px;padding:1px 8px;border-radius:9px}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.error{color:var(--bad);padding:14px 4px}
"""
