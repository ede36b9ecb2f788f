"""Marking parts by tapping the response's own sentences: what is stored is exactly what was tapped.

Oracles: the database, whose places are cut out of the response's text; what the browser measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.entities import Rater
from study.protocol.items.spans import Span, read_spans, sentences
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.ratings import rating_faults, read_assignments, read_ratings
from study.store.responses import read_responses, save_response
from study.store.study import create_study
from tests.conftest import (
    RaterPage,
    SurveyServer,
    eventually,
    free_port,
    stop_all,
    wait_until_settled,
)
from tests.fixtures_layout import layout_server, next_rater
from tests.fixtures_several import several_protocol
from tests.test_survey_app_accessibility import check, small_targets

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

# Lists, bold over two sentences, a heading, characters of two code units, another script, line ends of
# another system, characters that are not shown, text that looks like HTML.
TEXT = (
    "I hear you 🙂. That **sounds hard. Really hard** to carry!\r\n\r\n"
    "1. Write down *what* worries you.\r\n2. Talk to a friend. Or to me?\r\n\r\n"
    "## What then?\n- Breathe\u200b slowly\n\u202eA <b>bold</b> end & more.\n"
    "أنا أسمعك. هل تريد أن تحكي أكثر؟"
)
TWO = """\
      - id: tone
        label: Tone
        text: Which sentences are warm?
        kind: spans
        labels: [{id: warm, label: Warm}]
"""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SurveyServer]]:
    running: dict[str, SurveyServer] = {}

    def served(kind: str) -> SurveyServer:
        if kind not in running:
            folder = tmp_path_factory.mktemp(kind)
            running[kind] = (
                layout_server(folder, "response") if kind == "long" else _server(folder, kind)
            )
        return running[kind]

    yield served
    stop_all(running.values())


def _server(folder: Path, kind: str) -> SurveyServer:
    """One item with two labels, one with one, or both; the rater may go back."""
    file = several_protocol(folder, "response", prompts=2)
    text = file.read_text(encoding="utf-8").replace("{seed: 3,", "{seed: 3, may_go_back: true,")
    before, after = text.index("      - id: marks"), text.index("      - id: mood")
    if kind == "one":
        text = text[:before] + TWO + text[after:]
    elif kind == "both":
        text = text[:after] + TWO + text[after:]
    file.write_text(text, encoding="utf-8")
    study = create_study(folder / "study", file)
    for prompt in study.protocol.prompts:
        for system in study.protocol.systems:
            save_response(study, prompt.id, system.id, TEXT, {"file_sha256": "5b" * 32})
    lock_study(study)
    enrol(study, "student", 6)
    server = SurveyServer(study, free_port(), folder / "server.log")
    server.start()
    return server


def open_page(tablet: RaterPage) -> Page:
    page = tablet.page
    page.locator("[data-evenhand-part]").first.wait_for()
    page.get_by_text("There is nothing to mark").first.wait_for()
    page.get_by_text("Happy").wait_for()
    wait_until_settled(page)
    return page


def parts(page: Page) -> list[Locator]:
    return page.locator("[data-evenhand-part]").all()


def tap(part: Locator, *, pressed: bool = True) -> None:
    # On its first line: the box of a part of several lines has places that are not of the part.
    part.scroll_into_view_if_needed()
    x, y = part.evaluate(
        "e => { const b = e.getClientRects()[0]; return [b.x + b.width / 2, b.y + b.height / 2]; }"
    )
    part.page.touchscreen.tap(x, y)
    expect(part).to_have_attribute("aria-pressed", str(pressed).lower())


def held(server: SurveyServer, rater: Rater, item: str, position: int = 1) -> list[Span]:
    own = {(a.rater_id, a.position): a.id for a in read_assignments(server.study)}
    (found,) = [
        rating.answer.text
        for rating in read_ratings(server.study)
        if rating.assignment_id == own[rater.id, position] and rating.item_id == item
    ]
    return read_spans(str(found))


def test_every_sentence_of_a_hard_text_is_held_at_its_own_place(
    serve: Callable[[str], SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("two")
    rater = next_rater(server)
    tablet = open_tablet(server.link(rater))
    page = open_page(tablet)
    # on purpose: ``open_page`` waited until every part is drawn
    shown = page.locator("[data-evenhand-part]").all_inner_texts()
    places = sentences(TEXT)
    assert {response.text for response in read_responses(server.study)} == {TEXT}
    assert shown == [
        "I hear you 🙂.",
        "That sounds hard.",
        "Really hard to carry!",
        "Write down what worries you.",
        "Talk to a friend.",
        "Or to me?",
        "What then?",
        "Breathe slowly",
        "A <b>bold</b> end & more.",
        "أنا أسمعك.",
        "هل تريد أن تحكي أكثر؟",
    ]
    assert len(places) == len(shown)
    # Still the response that every other page shows: lists, bold, emphasis, heading.
    response = page.locator(".evenhand-response")
    expect(response.locator("li")).to_have_count(3)
    strong = response.locator("strong")
    eventually(lambda: strong.all_inner_texts()[:3], ["sounds hard.", " ", "Really hard"])
    expect(response.locator("em")).to_have_text(["what"])
    page.locator(".evenhand-pen", has_text="Harmful advice").tap()
    for part in parts(page):
        tap(part)
    page.locator(".evenhand-pen", has_text="Empathy shown").tap()
    for part in parts(page)[1::2]:
        tap(part)
    # Taken back with the same label in hand.
    tap(parts(page)[3], pressed=False)
    page.get_by_text("Happy").tap()
    tablet.save()
    page.get_by_text("Saved: 1").wait_for()
    assert held(server, rater, "marks") == sorted(
        [Span(start, end, "harm") for start, end in places]
        + [Span(start, end, "empathy") for start, end in [*places[1:2], *places[5::2]]]
    )
    assert rating_faults(server.study) == []

    # Going back shows the marks again, and one more is one more.
    open_page(tablet)
    page.get_by_role("button", name="Back to the previous page").tap()
    page.get_by_text("You have answered this page already").wait_for()
    open_page(tablet)
    expect(page.locator(".evenhand-tag")).to_have_count(15)
    page.locator(".evenhand-pen", has_text="Empathy shown").tap()
    tap(parts(page)[0])
    page.get_by_role("button", name="Save the changes and go on").tap()
    page.get_by_role("heading", name="Response 2 of").wait_for()
    assert Span(*places[0], "empathy") in held(server, rater, "marks")
    assert len(held(server, rater, "marks")) == 16


def test_a_single_label_needs_no_choice_and_a_draft_survives_a_reload(
    serve: Callable[[str], SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("one")
    rater = next_rater(server)
    tablet = open_tablet(server.link(rater), 360, 740)
    page = open_page(tablet)
    for number in (0, 4, 10):
        tap(parts(page)[number])
    page.get_by_text("Sad", exact=True).tap()
    expect(page.get_by_label("Sad", exact=True)).to_be_checked()
    page.reload()
    open_page(tablet)
    pressed = page.locator("[data-evenhand-part][aria-pressed=true]")
    expect(pressed).to_have_count(3)
    tablet.save()
    page.get_by_text("Saved: 1").wait_for()
    places = sentences(TEXT)
    assert held(server, rater, "tone") == [Span(*places[n], "warm") for n in (0, 4, 10)]


def test_two_questions_mark_the_same_text_apart(
    serve: Callable[[str], SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("both")
    rater = next_rater(server)
    tablet = open_tablet(server.link(rater), 1024, 768)
    page = open_page(tablet)
    first = page.get_by_role("group", name="Which sentences stand out?").first
    second = page.get_by_role("group", name="Which sentences are warm?").first
    first.get_by_role("button", name="Harmful advice").tap()
    tap(parts(page)[2])
    second.get_by_role("button", name="Warm").tap()
    tap(parts(page)[2])
    tap(parts(page)[5])
    expect(page.locator(".evenhand-tag")).to_have_text(["Harmful advice", "Warm", "Warm"])
    page.get_by_text("Happy").tap()
    tablet.save()
    page.get_by_text("Saved: 1").wait_for()
    places = sentences(TEXT)
    assert held(server, rater, "marks") == [Span(*places[2], "harm")]
    assert held(server, rater, "tone") == [Span(*places[n], "warm") for n in (2, 5)]


@pytest.mark.parametrize("size", [(1024, 768), (820, 1180), (360, 740)], ids=lambda s: f"{s[0]}")
def test_labels_stay_in_reach_of_the_sentences_and_the_page_is_accessible(
    serve: Callable[[str], SurveyServer],
    open_tablet: Callable[..., RaterPage],
    size: tuple[int, int],
) -> None:
    """Oracle: boxes. A line of a sentence is no lower than 32 px, WCAG 2.2 asks for 24 of a target."""
    server = serve("long")
    page = open_page(open_tablet(server.link(next_rater(server)), *size))
    page.locator(".evenhand-pen", has_text="Empathy shown").tap()
    last = parts(page)[-1]
    last.scroll_into_view_if_needed()
    tap(last)
    tap(parts(page)[-3])
    pen = page.locator(".evenhand-pen", has_text="Harmful advice").bounding_box()
    assert pen is not None and 0 <= pen["y"] < size[1] - 48
    lines = page.evaluate(
        "[...document.querySelectorAll('[data-evenhand-part]')].slice(0, 4)"
        ".flatMap(e => [...e.getClientRects()].map(b => b.height))"
    )
    assert min(lines) >= 32
    # Nothing stands twice, and nothing of the widget that holds the marks is seen or read out.
    expect(page.get_by_role("toolbar")).to_have_count(0)
    check(page)
    eventually(lambda: small_targets(page), [])
