"""The choice of a language in real Chromium: its name, its direction, and a whole session in Arabic.

Oracle: the protocol's own Arabic texts on the pages, html's lang and dir, the rater's row.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from protocols import shipped_protocols
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, read_raters
from study.store.ratings import read_ratings
from study.store.study import create_study
from tests.conftest import RaterPage, SurveyServer, eventually, free_port, wait_until_settled
from tests.fixtures_study import answer_everything
from tests.test_survey_app_accessibility import check, small_targets
from tests.test_survey_app_session import screen

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    folder = tmp_path_factory.mktemp("languages")
    study = create_study(folder / "study", shipped_protocols()["four-languages"])
    answer_everything(study)
    lock_study(study)
    enrol(study, "volunteer", 2)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


def spoken(page: Page) -> list[str]:
    # on purpose: whoever asks has waited for a sentence of the new language
    found: list[str] = page.evaluate(
        "[document.documentElement.lang, document.documentElement.dir]"
    )
    return found


def test_a_session_in_arabic_after_a_wrong_tap(
    server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    study, rater = server.study, read_raters(server.study)[0]
    tablet = open_tablet(server.link(rater))
    page = tablet.page
    names = page.locator(".evenhand-languages a")
    names.nth(3).wait_for()
    expect(names).to_have_text(["English", "Español", "Deutsch", "العربية"])
    boxes = [link.bounding_box() for link in names.all()]
    assert all(box is not None and box["height"] >= 48 for box in boxes)
    for link, language in zip(names.all(), ("en", "es", "de", "ar"), strict=True):
        expect(link).to_have_attribute("lang", language)
    check(page)
    page.emulate_media(color_scheme="light")
    screen(tablet, "20-language")
    page.get_by_role("link", name="Deutsch").tap()
    page.get_by_role("heading", name="Bevor Sie beginnen").wait_for()
    eventually(lambda: spoken(page), ["de", "ltr"])
    page.get_by_role("link", name="العربية").tap()
    arabic = study.protocol.in_language("ar")
    page.get_by_role("heading", name=arabic.consent.title).wait_for()
    eventually(lambda: spoken(page), ["ar", "rtl"])
    check(page)
    page.emulate_media(color_scheme="light")
    screen(tablet, "21-consent-arabic")
    eventually(lambda: small_targets(page), [])
    page.get_by_role("button", name=arabic.consent.agree).tap()
    page.get_by_text("نعم", exact=True).wait_for()
    wait_until_settled(page)
    page.get_by_text("نعم", exact=True).tap()
    page.get_by_role("button", name="حفظ ومتابعة").tap()
    page.get_by_role("heading", name=arabic.instructions.title).wait_for()
    for number in range(5):
        groups = page.get_by_role("radiogroup")
        if number:
            page.get_by_role("heading", name=f"الرد {number} من 4").wait_for()
        groups.nth(2).wait_for()
        wait_until_settled(page)
        page.get_by_text(arabic.items[0].text).wait_for()
        first, last = (groups.nth(0).get_by_role("radio").nth(i).bounding_box() for i in (0, 4))
        assert first is not None and last is not None and first["x"] > last["x"]
        for group in groups.all():
            group.get_by_role("radio").nth(number).tap()
        page.locator("[data-testid=stFormSubmitButton] button").first.tap()
    page.get_by_role("heading", name=arabic.debriefing.title).wait_for()
    # The responses are shown as they are; nothing else is left in English.
    expect(page.locator(".evenhand-receipt")).to_have_attribute("dir", "ltr")
    wait_until_settled(page)
    # on purpose: nothing is drawn any more
    assert "Your" not in page.inner_text("body")
    # Another device speaks the rater's language at once.
    other = open_tablet(server.link(rater), 360, 740)
    other.page.get_by_role("heading", name=arabic.debriefing.title).wait_for()
    eventually(lambda: spoken(other.page), ["ar", "rtl"])
    finished = find_by_code(study, rater.code)
    assert (finished.language, finished.status.value) == ("ar", "finished")
    values = sorted(r.answer.number or 0 for r in read_ratings(study))
    assert values == [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3
    assert study_faults(study) == []


def test_a_language_that_is_none_or_without_a_link_changes_nothing(server: SurveyServer) -> None:
    for path in ("/language/de", "/language/xx", "/language/deutsch"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.address + path, timeout=10)  # noqa: S310
        refused.value.close()
        assert refused.value.code == 404
    assert read_raters(server.study)[1].language is None
