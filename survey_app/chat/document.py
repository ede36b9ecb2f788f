"""The chat page as one HTML document. Its script fills in the conversation."""

from __future__ import annotations

import html
import json

from study.conversation import declared_chat
from study.entities import Conversation
from study.participation import Place
from study.store.study import Study
from survey_app.drawing import safe_text
from survey_app.messages import Messages, load_messages
from survey_app.server import static_files

# What the script says, by its key in the catalogue.
_SCRIPT_SENTENCES = (
    "chat.you", "chat.typing", "chat.slow", "chat.failed", "chat.again", "chat.broken",
    "chat.stopped", "chat.over", "chat.turns_left", "chat.last_turn", "chat.minutes_left",
    "chat.last_minute", "chat.not_saved", "chat.elsewhere", "chat.empty", "chat.too_long",
    "chat.sent", "chat.not_done", "page.offline",
)  # fmt: skip


def chat_page(
    study: Study, place: Place, talk: Conversation, *, draft: str, simulated: bool
) -> str:
    """The document for one conversation; ``draft`` is what was being written."""
    words, chat = load_messages(study.protocol.language), declared_chat(study)
    if place.assignment is None:
        raise KeyError("a conversation without an assignment")
    assignment, topic = place.assignment, study.protocol.prompt(talk.prompt_id).text
    title = words("chat.progress", position=assignment.position, total=assignment.total)
    partner = words("chat.partner", label=assignment.label)
    settings = {
        "page": talk.assignment_id,
        "partner": partner,
        "draft": draft,
        "slow_s": chat.pace.typing_to_s + 8,
        "longest": chat.longest_message,
        "words": {key.partition(".")[2]: words.sentences[key] for key in _SCRIPT_SENTENCES},
    }
    # Inert data, so that no sentence has to be in the script; "<" could end the element.
    data = json.dumps(settings, ensure_ascii=False).replace("<", "\\u003c")
    mark = (
        f'<p class="evenhand-note evenhand-simulated">{html.escape(words("page.simulated"))}</p>'
        if simulated
        else ""
    )
    return (
        f'<!DOCTYPE html><html lang="{words.language}" dir="{words.direction}"><head>'
        '<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1, '
        'interactive-widget=resizes-content">'
        f"<title>{html.escape(words('page.title'))}</title>"
        '<link rel="icon" href="data:,">'
        f"<style>{static_files.font_face()}</style>"
        '<link rel="stylesheet" href="/evenhand/survey.css">'
        '<link rel="stylesheet" href="/evenhand/chat.css">'
        # What acts is quiet for a moment; the conversation can be scrolled and written all the while.
        '<script defer src="/evenhand/quiet.js" data-quiet="button, summary, a"></script>'
        '<script defer src="/evenhand/drafts.js"></script>'
        '<script defer src="/evenhand/chat.js"></script></head><body class="evenhand-chat">'
        f"{_head(words, title, mark)}"
        f'<div class="chat-frame">{_aside(words, topic, chat.support)}'
        f"{_main(words, partner)}</div>"
        f"<noscript><p>{html.escape(words('page.scripts_needed'))}</p></noscript>"
        f'<script type="application/json" id="chat-settings">{data}</script></body></html>'
    )


def _head(words: Messages, title: str, mark: str) -> str:
    # The mark within it: who goes by landmarks would never come upon what stands outside of all.
    return (
        f'<header>{mark}<div class="chat-head">'
        f'<h1 class="evenhand-title" id="chat-title" tabindex="-1">{html.escape(title)}</h1>'
        '<p class="chat-budget" id="chat-budget"></p></div></header>'
    )


def _aside(words: Messages, topic: str, support: str) -> str:
    return (
        '<aside class="chat-aside">'
        + _fold("topic", words("chat.topic"), topic)
        + _fold("support", words("chat.support"), support)
        + "</aside>"
    )


def _fold(name: str, title: str, text: str) -> str:
    # Both are open at first; on a small page the script folds them when the conversation has begun.
    return (
        f'<details class="chat-fold" id="chat-{name}" open><summary>{html.escape(title)}</summary>'
        f'<div dir="auto">{safe_text.to_html(text)}</div></details>'
    )


def _main(words: Messages, partner: str) -> str:
    def say(key: str) -> str:
        return html.escape(words(key), quote=True)

    return (
        '<main class="chat-main">'
        f'<div class="chat-log" id="chat-log" role="region" tabindex="0" '
        f'aria-label="{say("chat.transcript")}">'
        f'<p class="chat-opening">{html.escape(words("chat.opening", partner=partner))}</p>'
        '<ol id="chat-turns"></ol>'
        '<div class="chat-typing" id="chat-typing" hidden><span></span><span></span><span></span>'
        f'<b class="chat-unseen">{say("chat.typing")}</b></div></div>'
        # A whole reply at a time: every word of it would be read out otherwise.
        '<div class="chat-unseen" id="chat-spoken" aria-live="polite"></div>'
        '<p class="chat-notice" id="chat-notice" role="status" hidden></p>'
        '<div class="chat-choices" id="chat-again-row" hidden>'
        f'<button type="button" id="chat-again" class="chat-primary">{say("chat.again")}</button>'
        "</div>"
        # Closed until the script knows the state: what is written before would be lost.
        '<form class="chat-composer" id="chat-composer">'
        f'<label for="chat-text">{say("chat.write")}</label>'
        '<div class="chat-row"><textarea id="chat-text" rows="2" dir="auto" autocomplete="off" disabled '
        f'placeholder="{say("chat.hint")}"></textarea>'
        f'<button type="submit" id="chat-send" class="chat-primary" disabled>{say("chat.send")}</button>'
        f'<button type="button" id="chat-stop" hidden>{say("chat.stop")}</button></div></form>'
        '<div class="chat-foot" id="chat-foot">'
        f'<button type="button" id="chat-end" hidden>{say("chat.end")}</button>'
        f'<div id="chat-sure" class="chat-choices" role="group" '
        f'aria-label="{say("chat.end_sure")}" hidden><p>{say("chat.end_sure")}</p>'
        f'<button type="button" id="chat-go" class="chat-primary">{say("chat.go")}</button>'
        f'<button type="button" id="chat-stay">{say("chat.stay")}</button></div></div></main>'
    )
