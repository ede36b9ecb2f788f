"""The sheet that a coordinator prints: one card per rater with code, link and QR code."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study.store import raters
from study.store.study import Study
from study.whole_files import write_whole

SHEET_FILE = "links.html"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Links of {title}</title><style>
body {{ font-family: system-ui, sans-serif; margin: 1.5cm; }}
h2 {{ break-after: avoid; }}
.cards {{ display: grid; grid-template-columns: repeat(2, 1fr); gap: 6mm; }}
.card {{ border: 1px dashed #555; padding: 5mm; break-inside: avoid; text-align: center; }}
.code {{ font-size: 16pt; font-weight: bold; letter-spacing: 1px; }}
.link {{ font-family: monospace; font-size: 7pt; overflow-wrap: anywhere; }}
.card svg {{ width: 38mm; height: 38mm; }}
</style></head><body><h1>{title}</h1>
<p>One card per rater. A link opens one person's pages: give each card to one person only, and destroy
this sheet after the session. The code is needed to withdraw.</p>
{groups}</body></html>
"""

_GROUP = """<h2>{title}: {number}</h2><div class="cards">{cards}</div>
"""

_CARD = """<div class="card"><div class="code">{code}</div><div>{group}</div>{picture}
<div class="link">{link}</div></div>
"""


@dataclass(frozen=True)
class RaterLink:
    """A rater's code, group and link."""

    code: str
    group: str
    link: str


def rater_links(study: Study, codes: Sequence[str], address: str) -> list[RaterLink]:
    """The links of these raters; those who withdrew have none."""
    wanted = set(codes)
    return [
        RaterLink(r.code, r.group, f"{address}/j/{raters.link_secret(study, r)}")
        for r in raters.read_raters(study)
        if r.code in wanted and r.status.value != "withdrawn"
    ]


def write_link_sheet(study: Study, links: Sequence[RaterLink]) -> Path:
    """Write the sheet into the study folder, by group in the protocol's order, and give its path."""
    groups = "".join(
        _GROUP.format(
            title=html.escape(group.title),
            number=len(own),
            cards="".join(_card(link, group.title) for link in own),
        )
        for group in study.protocol.groups
        if (own := [link for link in links if link.group == group.id])
    )
    path = study.folder / SHEET_FILE
    write_whole(path, _PAGE.format(title=html.escape(study.protocol.title), groups=groups))
    return path


def _card(link: RaterLink, group: str) -> str:
    return _CARD.format(
        code=link.code,
        group=html.escape(group),
        picture=_qr_picture(link.link),
        link=html.escape(link.link),
    )


def _qr_picture(link: str) -> str:
    import segno

    buffer = io.BytesIO()
    segno.make(link, error="m").save(buffer, kind="svg", xmldecl=False, svgns=False, omitsize=True)
    return buffer.getvalue().decode()
