"""The coordinator's page: who is where, and each rater's link again. It shows no answer and no system."""

from __future__ import annotations

import datetime as dt
import html
from collections import Counter
from urllib.parse import urlsplit

import segno
import streamlit as st

from study import clock
from study.entities import Rater, RaterStatus
from study.store.conversations import troubles
from study.store.locking import read_lock, system_codes
from study.store.raters import link_secret, progress, read_raters
from study.store.study import Study
from survey_app import identity
from survey_app.drawing import elements
from survey_app.messages import Messages

REFRESH_SECONDS = 10
_AT_WORK = (RaterStatus.CONSENTED, RaterStatus.READY, RaterStatus.RATING)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def draw(study: Study, words: Messages) -> None:
    """Draw the page."""
    with st.container(key="coordinator"):
        elements.heading(words("coordinator.title"), "coordinator")
        protocol, lock = study.protocol, read_lock(study)
        line = [words("coordinator.study", id=protocol.id, version=protocol.version)]
        if lock is not None:
            line.append(words("coordinator.locked", date=f"{lock.at:%Y-%m-%d %H:%M} UTC"))
        elements.remark(" · ".join(line))
        _draw_present_state(study, words)
        _draw_link(study, words)
        elements.subheading(words("coordinator.export_title"))
        elements.remark(words("coordinator.export").replace("`", ""))


@st.fragment(run_every=REFRESH_SECONDS)
def _draw_present_state(study: Study, words: Messages) -> None:
    # A fragment runs by itself: the cookie that allowed the page must still be the coordinator's.
    if not identity.is_coordinator(study):
        return
    raters, rated, now = read_raters(study), progress(study), clock.now()
    status = Counter(rater.status for rater in raters)
    done = sum(rated[r.id][0] for r in raters)
    total = sum(rated[r.id][1] for r in raters if r.status not in _GONE)
    talks = study.protocol.design.shows == "conversation"
    answered = "coordinator.answered_talks" if talks else "coordinator.answered"
    figures = {
        "coordinator.enrolled": str(len(raters)),
        "coordinator.at_work": str(sum(status[s] for s in _AT_WORK)),
        "coordinator.finished": str(status[RaterStatus.FINISHED]),
        answered: words("coordinator.of", done=done, total=total),
    }
    cells = "".join(
        f"<div><dt>{html.escape(words(key))}</dt><dd>{html.escape(value)}</dd></div>"
        for key, value in figures.items()
    )
    st.html(f'<dl class="evenhand-figures">{cells}</dl>')
    _draw_troubles(study, words, now)
    elements.subheading(words("coordinator.who"))
    if raters:
        st.html(_table(study, raters, rated, words, now))
    else:
        elements.remark(words("coordinator.nobody"))
    elements.remark(words("coordinator.refreshed", seconds=REFRESH_SECONDS, time=f"{now:%H:%M:%S}"))


_TROUBLE_MINUTES = 10


def _draw_troubles(study: Study, words: Messages, now: dt.datetime) -> None:
    """Say which system, under its blind code, fails or is too slow in conversations."""
    if study.protocol.design.shows != "conversation":
        return
    codes = system_codes(study)
    since = now - dt.timedelta(minutes=_TROUBLE_MINUTES)
    for system, seen in sorted(troubles(study, since).items(), key=lambda entry: codes[entry[0]]):
        told: dict[str, str | int] = {
            "code": codes[system],
            "total": seen["replies"],
            "minutes": _TROUBLE_MINUTES,
        }
        if seen["failed"]:
            sentence = words("coordinator.chat_failed", number=seen["failed"], **told)
            elements.note(sentence, "warning")
        if seen["late"]:
            elements.note(words("coordinator.chat_late", number=seen["late"], **told))


_GONE = (RaterStatus.WITHDRAWN, RaterStatus.DECLINED, RaterStatus.SCREENED_OUT)


def _table(
    study: Study,
    raters: list[Rater],
    rated: dict[str, tuple[int, int, dt.datetime | None]],
    words: Messages,
    now: dt.datetime,
) -> str:
    titles = {group.id: group.title for group in study.protocol.groups}
    columns = ("code", "group", "status", "progress", "seen")
    head = "".join(
        f'<th scope="col">{html.escape(words(f"coordinator.column_{column}"))}</th>'
        for column in columns
    )
    rows = []
    for rater in raters:
        done, total, seen = rated[rater.id]
        cells = (
            titles.get(rater.group, rater.group),
            words(f"status.{rater.status.value}"),
            words("coordinator.of", done=done, total=total),
            _ago(seen, words, now),
        )
        bar = f'<progress value="{done}" max="{total}" aria-hidden="true"></progress>'
        plain = [html.escape(cell) for cell in cells]
        plain[2] = f"{plain[2]} {bar}"
        rows.append(
            f'<tr class="evenhand-{rater.status.value}"><th scope="row">{rater.code}</th>'
            + "".join(f"<td>{cell}</td>" for cell in plain)
            + "</tr>"
        )
    return (
        f'<table class="evenhand-raters"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _ago(seen: dt.datetime | None, words: Messages, now: dt.datetime) -> str:
    if seen is None:
        return words("coordinator.never")
    seconds = (now - seen).total_seconds()
    for limit, size, key in ((3600, 60, "minutes"), (86_400, 3600, "hours")):
        if seconds < size:
            break
        if seconds < limit:
            return words(f"coordinator.{key}", number=int(seconds // size))
    else:
        return words("coordinator.days", number=int(seconds // 86_400))
    return words("coordinator.now")


def _draw_link(study: Study, words: Messages) -> None:
    raters = {rater.code: rater for rater in read_raters(study)}
    if not raters:
        return
    elements.subheading(words("coordinator.links"))
    code = st.selectbox(
        words("coordinator.choose"),
        list(raters),
        index=None,
        placeholder=words("coordinator.choose_hint"),
        key="link-of",
    )
    if code is None:
        return
    rater = raters[code]
    if rater.status is RaterStatus.WITHDRAWN:
        elements.note(words("coordinator.no_link", code=code))
        return
    address = f"{identity.server_address()}/j/{link_secret(study, rater)}"
    elements.remark(words("coordinator.link_of", code=code))
    st.html(f'<p class="evenhand-link" dir="ltr">{html.escape(address)}</p>')
    st.html(
        f'<img class="evenhand-qr" alt="{html.escape(words("coordinator.qr", code=code))}" '
        f'src="{html.escape(qr_image(address))}">'
    )
    if urlsplit(address).hostname in _LOCAL_HOSTS:
        elements.note(words("coordinator.local_only"))


def qr_image(address: str) -> str:
    """An address as a QR code: the data address of an SVG, black on white, four modules of margin."""
    code = segno.make(address, error="m")
    return str(code.svg_data_uri(scale=6, border=4, light="#fff", svgns=True))
