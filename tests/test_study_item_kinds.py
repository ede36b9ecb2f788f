"""Every kind of item: what it takes, how it is stored, exported, rehearsed and reported."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from study.entities import Answer, MissingReason
from study.errors import ProtocolError, RatingError
from study.protocol import Item, Scale, load_protocol
from study.protocol.items import KINDS, AnyItem
from study.rehearsal import rehearse
from study.report_view import export
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol, withdraw
from study.store.ratings import (
    items_in_order,
    next_assignment,
    read_assignments,
    read_ratings,
    revise_ratings,
    save_ratings,
)
from study.store.study import Study, create_study
from survey_app.drawing.widgets.widget import Widget
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything, as_answers, ready_rater

ROOT = Path(__file__).parent.parent
MakeStudy = Callable[[], Study]


@pytest.fixture
def study(store_url: str, tmp_path: Path) -> Iterator[Study]:
    made = create_study(tmp_path / "study", every_kind_protocol(tmp_path))
    answer_everything(made)
    lock_study(made)
    yield made
    made.close()


GIVEN: dict[str, Any] = {
    "warm": MissingReason.NOT_APPLICABLE,
    "muddled": 2,
    "tone": 7,
    "advice": 0,
    "kind-of-help": 2,
    "remark": "skipped",
    "felt-heard": 0,
    "felt-safe": 37,
    "felt-free": 100,
}


def rated(study: Study) -> tuple[Any, str]:
    rater = ready_rater(study).rater
    assignment = next_assignment(study, rater)
    assert assignment is not None
    assert save_ratings(study, rater, assignment.id, as_answers(GIVEN))
    return rater, assignment.id


def test_every_kind_is_stored_as_given_and_agrees_with_the_log(study: Study) -> None:
    """A text that reads like a reason stays a text."""
    rater, assignment = rated(study)
    found = {r.item_id: r.answer for r in read_ratings(study)}
    assert found == as_answers(GIVEN)
    assert found["warm"].missing is MissingReason.NOT_APPLICABLE
    assert (found["remark"].text, found["remark"].missing) == ("skipped", None)
    assert study_faults(study) == []
    # The same words as a reason are another answer than as a text, and are told apart.
    assert (
        revise_ratings(study, rater, assignment, as_answers({"remark": MissingReason.SKIPPED})) == 1
    )
    assert study_faults(study) == []
    assert (
        revise_ratings(study, rater, assignment, as_answers({"remark": MissingReason.SKIPPED})) == 0
    )


@pytest.mark.parametrize(
    ("item", "answer", "said"),
    [
        ("felt-heard", 101, "0 to 100"),
        ("felt-heard", -1, "0 to 100"),
        ("felt-heard", True, "0 to 100"),
        ("felt-heard", "50", "0 to 100"),
        ("tone", 8, "one of 1, 2, 3, 4, 5, 6, 7"),
        ("advice", 3, "one of 1, 0, 2"),
        ("kind-of-help", 0, "one of 1, 2"),
        ("remark", " ", "expected 1 to 1000 characters"),
        ("remark", "x" * 1001, "expected 1 to 1000 characters"),
        ("remark", 5, "no text"),
        ("muddled", MissingReason.NOT_APPLICABLE, "does not offer it"),
    ],
)
def test_what_does_not_fit_is_refused(study: Study, item: str, answer: Any, said: str) -> None:
    rater = ready_rater(study).rater
    assignment = next_assignment(study, rater)
    assert assignment is not None
    with pytest.raises(RatingError, match=said):
        save_ratings(study, rater, assignment.id, as_answers({**GIVEN, item: answer}))
    assert read_ratings(study) == []


def test_a_random_order_is_fixed_by_the_assignment_and_recorded(study: Study) -> None:
    _, first = rated(study)
    seen = [item.id for item in items_in_order(study, first)]
    # The first instrument keeps its order; the second's three items are some permutation.
    assert seen[:6] == list(GIVEN)[:6]
    assert sorted(seen[6:]) == sorted(list(GIVEN)[6:])
    assert {r.item_id: r.place for r in read_ratings(study)} == {
        n: i for i, n in enumerate(seen, 1)
    }
    # Every order of three comes up among enough assignments (6 orders; 80 draws miss one with
    # probability below 6 * (5/6)**80 = 3e-6).
    orders = {tuple(i.id for i in items_in_order(study, f"a{n}"))[6:] for n in range(80)}
    assert len(orders) == 6
    assert items_in_order(study, first) == items_in_order(study, first)


def test_exports_hold_texts_places_and_the_meaning_of_numbers(study: Study) -> None:
    rated(study)
    rows = [r for r in export.rating_rows(Snapshot(study)) if r["missing_reason"] != "not reached"]
    by_item = {r["item"]: r for r in rows}
    assert (by_item["remark"]["text"], by_item["remark"]["value"]) == ("skipped", None)
    assert by_item["warm"]["missing_reason"] == "not applicable"
    assert by_item["advice"]["value"] == 0
    meaning = {
        (r["variable"], r["value"]): r["label"] for r in export.codebook_rows(Snapshot(study))
    }
    assert meaning["advice", 2] == "Not sure"
    assert (meaning["tone", 1], meaning["tone", 7]) == ("cold", "kind")
    assert meaning["kind-of-help", 2] == "It advises"
    assert meaning["felt-heard", 100] == "Completely"


def test_withdrawing_erases_the_text(study: Study) -> None:
    rater, _ = rated(study)
    withdraw(study, rater.code)
    assert read_ratings(study) == []
    assert study_faults(study) == []


def test_the_report_takes_numbers_and_options_turns_reversed_ones_round_and_says_so(
    study: Study,
) -> None:
    rated(study)
    data = report_data(study)
    scales, sliders = ["warm", "muddled", "tone"], ["felt-heard", "felt-safe", "felt-free"]
    assert [item.id for item in data.items] == scales + sliders
    assert [item.id for item in data.choices] == ["advice", "kind-of-help"]
    muddled = data.ratings[data.ratings["item"] == "muddled"]["value"].dropna()
    assert muddled.tolist() == [6.0]  # 8 - 2
    item = data.items[1]
    assert item.label == "Muddled (reversed)"
    assert item.points[0] == (1, "Very much") and item.points[-1] == (7, "Not at all")
    for said in ("Remark", "in the export", "turned round"):
        assert said in data.summary


def test_simulated_raters_answer_every_kind(study: Study) -> None:
    enrol(study, "student", 12)
    done = rehearse(study, 5)
    assert done.answers == 12 * 4 * 9
    assert study_faults(study) == []
    items = {item.id: item for item in study.protocol.items}
    found = read_ratings(study)
    assert len(found) == 12 * len(read_assignments(study)) // 12 * 9
    assert {r.item_id for r in found if r.answer.missing} <= {"warm", "remark", "felt-safe"}
    assert {r.item_id for r in found if r.answer.text} == {"remark"}
    sliders = [r.answer.number for r in found if items[r.item_id].kind == "slider"]
    spread = {number for number in sliders if number is not None}
    assert min(spread) >= 0 and max(spread) <= 100 and len(spread) > 20


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("        poles: {low: cold, high: kind}\n", "", "needs two poles"),
        ("[{value: 1, label: It listens}, ", "[", "at least two options"),
        ("{value: 2, label: It advises}", "{value: 1, label: It advises}", "values must differ"),
        ("kind: yes-no-unsure}", "options: [{value: 1, label: x}]}", "takes no options"),
        ("kind: text, optional", "kind: text, may_be_not_applicable", "let it be optional"),
        ("{value: 7, label: Very much}", "{value: 7}", "the end 7 has no label"),
        ("feel heard?, kind: slider", "feel heard?, kind: slider, reversed: true", "reversed"),
    ],
)
def test_fields_that_a_kind_lacks_or_cannot_use(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = every_kind_protocol(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ProtocolError, match=said):
        load_protocol(file)


def test_a_field_of_another_kind_is_refused_unless_it_says_nothing(tmp_path: Path) -> None:
    """Protocols of earlier versions, written with every field of every item, still open."""
    file = every_kind_protocol(tmp_path)
    text = file.read_text()
    plain = "{id: advice, label: Advice, text: Is there medical advice?, kind: yes-no-unsure}"
    assert plain in text
    empty = "options: [], labels: [], poles: null, reasons: false, ties: false, reversed: false"
    file.write_text(text.replace(plain, f"{plain[:-1]}, {empty}}}"))
    assert load_protocol(file).items == load_protocol(every_kind_protocol(tmp_path)).items
    for field, said in {
        "labels: [{id: a, label: A}]": "is of kind yes-no-unsure and takes no labels",
        "poles: {low: a, high: b}": "is of kind yes-no-unsure without poles",
        "reasons: true": "is of kind yes-no-unsure; reasons go with pairwise items",
        "ties: true": "is of kind yes-no-unsure; ties can be allowed in rankings (a pair has them)",
        "reversed: true": "is of kind yes-no-unsure; only items on a scale can be reversed",
        "options: [{value: 1, label: x}]": "is of kind yes-no-unsure and takes no options",
    }.items():
        file.write_text(text.replace(plain, f"{plain[:-1]}, {field}}}"))
        with pytest.raises(ProtocolError) as found:
            load_protocol(file)
        name = field.partition(":")[0]
        assert f".{name}: item 'advice' {said}" in str(found.value)


def test_an_unknown_kind_is_named_at_its_place_with_the_kinds_there_are(tmp_path: Path) -> None:
    file = every_kind_protocol(tmp_path)
    file.write_text(file.read_text().replace("kind: yes-no-unsure}", "kind: yes-no}"))
    with pytest.raises(ProtocolError) as found:
        load_protocol(file)
    assert str(found.value).endswith(
        "instruments[1].items[4].kind: found 'yes-no', expected 'likert', 'semantic-differential', "
        "'slider', 'yes-no-unsure', 'choice', 'text', 'pairwise', 'ranking' or 'spans'"
    )


def test_an_answer_has_a_value_or_a_reason() -> None:
    for given in ({}, {"value": 1, "missing": MissingReason.SKIPPED}):
        with pytest.raises(ValueError, match="Give one of the two"):
            Answer(**given)
    assert (Answer("5").text, Answer("5").number) == ("5", None)
    assert (Answer(5).text, Answer(5).number) == (None, 5)


# What an item of a kind needs beside an id and texts.
NEEDED: dict[str, dict[str, Any]] = {
    "semantic-differential": {"poles": {"low": "cold", "high": "kind"}},
    "choice": {
        "options": [{"value": 4, "label": "It listens"}, {"value": 9, "label": "It advises"}]
    },
    "spans": {"labels": [{"id": "warm", "label": "Warm"}, {"id": "cold", "label": "Cold"}]},
}
SCALE = Scale(
    id="s", points=({"value": 1, "label": "low"}, {"value": 3}, {"value": 7, "label": "high"})
)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_what_it_simulates_and_gives_its_numbers(kind: str) -> None:
    """Over seeds; a ranking orders three responses, a pair has two, marks lie in one."""
    plain = {"id": "i", "label": "I", "text": "What?", "kind": kind, **NEEDED.get(kind, {})}
    item = TypeAdapter(AnyItem).validate_python(plain)
    assert type(item) is KINDS[kind] and list(item.faults()) == []
    number = {("pair",): 2, ("all",): 3}.get(item.pages, 1)
    texts, systems = ["One is here. Two is there."] * number, ["A", "B", "C"][:number]
    seen = set()
    for seed in range(60):
        draws = random.Random(seed)  # noqa: S311 (a simulation)
        value = item.simulated(SCALE, [draws.gauss(0, 1) for _ in texts], texts, draws)
        assert item.answer_fault(Answer(value), SCALE, texts) is None
        assert isinstance(value, str) is item.is_text
        assert set(item.numbers(value, systems)) == set(item.variables(systems))
        assert (item.chosen(value, systems) != "") is item.compares
        seen.add(value)
    assert len(seen) > 1
    assert item.answer_fault(Answer(True), SCALE, texts) is not None
    assert item.answer_fault(Answer(missing=MissingReason.SKIPPED), SCALE, texts) is None
    assert item.answer_fault(Answer(missing=MissingReason.NOT_APPLICABLE), SCALE, texts) is not None


def test_every_kind_is_drawn_listed_and_described() -> None:
    """No two kinds share a place in the lists, the page of the protocol has a row for each, and each of
    a kind's own fields has a sentence for items of other kinds that have it.
    """
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert len({kind.listed for kind in KINDS.values()}) == len(KINDS)
    for name, kind in KINDS.items():
        assert f"\n| `{name}`" in page
        assert kind.model_fields.keys() - Item.model_fields.keys() == kind.elsewhere.keys()
        assert issubclass(import_module(f"survey_app.drawing.widgets.{kind.widget}").WIDGET, Widget)
