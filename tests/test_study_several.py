"""Pages with several responses and marked parts: design, store, rehearsal, export.

Oracle of each: a property that is counted, or the few lines of JSON and text that were given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from study import participation
from study.design import allocate
from study.entities import Rater
from study.errors import ProtocolError, RatingError
from study.protocol import Protocol, load_protocol, parse_protocol
from study.protocol.items.ranking import read_ranking, write_ranking
from study.protocol.items.spans import Span, read_spans, sentences, write_spans
from study.rehearsal import rehearse
from study.report_view import comparisons, export
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.locking import unblind_study
from study.store.raters import withdraw
from study.store.ratings import items_in_order, next_assignment, read_ratings, save_ratings
from study.store.study import Study
from tests.fixtures_several import PAIR_ITEMS, RANKING_ITEMS, SEVERAL_NAMES, several_protocol
from tests.fixtures_study import as_answers, as_given, ready_rater

MakeStudy = Callable[..., Study]
ALONE = "      - {id: note, label: Note, text: Your thoughts?, kind: text}\n"


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def sized(folder: Path, shows: str, prompts: int, systems: int, seed: int) -> Protocol:
    plain = load_protocol(several_protocol(folder, shows)).model_dump(mode="json")
    plain["prompts"] = [{**plain["prompts"][0], "id": f"p{i}"} for i in range(prompts)]
    plain["systems"] = [{**plain["systems"][0], "id": f"s{i}"} for i in range(systems)]
    plain["design"]["seed"] = seed
    return Protocol.model_validate(plain)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("protocols")


@settings(max_examples=25, deadline=None)
@given(prompts=st.integers(1, 6), systems=st.integers(2, 4), seed=st.integers(0, 10**9))
def test_places_are_balanced_over_raters_and_over_prompts(
    folder: Path, prompts: int, systems: int, seed: int
) -> None:
    """Every pair once for every prompt; A and B differ by at most one anywhere one stops counting."""
    protocol = sized(folder, "pair", prompts, systems, seed)
    allocation = allocate(protocol)
    pairs = {frozenset(pair) for pair in combinations([s.id for s in protocol.systems], 2)}
    every = {(p.id, pair) for p in protocol.prompts for pair in pairs}
    first: Counter[tuple[str, frozenset[str]]] = Counter()
    for number, row in enumerate(allocation.rows, start=1):
        assert {(c.prompt, frozenset(c.systems)) for c in row} == every
        assert len(row) == len(every)
        # Within a rater: over the prompts, the alphabetically first system of a pair is at A half
        # of the time.
        own = Counter(frozenset(c.systems) for c in row if c.systems[0] == min(c.systems))
        assert all(abs(2 * own[pair] - prompts) <= 1 for pair in pairs)
        # Over the raters so far: the same for each prompt and pair.
        first.update(
            (c.prompt, frozenset(c.systems)) for c in row if c.systems[0] == min(c.systems)
        )
        assert all(abs(2 * first[page] - number) <= 1 for page in every)
    # Over a full cycle, also at each position of the order.
    for position in range(len(every)):
        at = Counter(
            (frozenset(row[position].systems), row[position].systems[0]) for row in allocation.rows
        )
        assert all(
            at[pair, one] == at[pair, other] for pair in pairs for one, other in [sorted(pair)]
        )


@settings(max_examples=15, deadline=None)
@given(prompts=st.integers(1, 4), systems=st.integers(2, 5), seed=st.integers(0, 10**9))
def test_every_system_stands_at_every_place_equally_often(
    folder: Path, prompts: int, systems: int, seed: int
) -> None:
    """Over a full cycle, for every prompt, each system at each place the same number of times."""
    allocation = allocate(sized(folder, "all", prompts, systems, seed))
    seen = Counter(
        (c.prompt, place, system)
        for row in allocation.rows
        for c in row
        for place, system in enumerate(c.systems)
    )
    assert len(seen) == prompts * systems**2
    assert set(seen.values()) == {len(allocation.rows) // systems}


def test_sentences_end_where_they_end() -> None:
    """By hand: a list's number belongs to its sentence; nothing but spaces is left out."""
    text = 'I hear you. "Is it hard?" Yes…\n\n1. Write it down.\n2. Talk to\tsomebody!  هل أنت بخير؟ نعم'
    parts = [text[start:end] for start, end in sentences(text)]
    assert parts == [
        "I hear you.", '"Is it hard?"', "Yes…", "1. Write it down.", "2. Talk to\tsomebody!",
        "هل أنت بخير؟", "نعم",
    ]  # fmt: skip
    assert sentences(" \n") == []


@given(st.text(max_size=200))
def test_sentences_leave_out_nothing_but_white_space(text: str) -> None:
    places = sentences(text)
    covered = {i for start, end in places for i in range(start, end)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert all(a[1] <= b[0] for a, b in pairwise(places))


@given(st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 6), min_size=1))
def test_an_order_is_read_as_it_was_written(ranks: dict[str, int]) -> None:
    steps = read_ranking(write_ranking(ranks))
    assert [sorted(k for k in ranks if ranks[k] == r) for r in sorted(set(ranks.values()))] == steps


def rating(study: Study) -> tuple[Rater, str]:
    """A rater and the id of the first page."""
    rater = ready_rater(study).rater
    assignment = next_assignment(study, rater)
    assert assignment is not None
    return rater, assignment.id


def saved(study: Study) -> dict[str, object]:
    found = read_ratings(study)
    return {r.item_id: as_given(r.answer) for r in found}


def test_a_pair_with_a_reason_is_saved_and_exported_by_system(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    """Oracle: the systems of both places, read from the table itself."""
    study = make_study(protocol=several_protocol(tmp_path, "pair"))
    rater, page = rating(study)
    assert [i.id for i in items_in_order(study, page)] == ["clearer", "clearer.reason", "kinder"]
    given = {"clearer": 2, "clearer.reason": "Shorter.", "kinder": 0}
    for wrong in ({"clearer": 3}, {"clearer": True}, {"clearer.reason": "x" * 301}):
        with pytest.raises(RatingError):
            save_ratings(study, rater, page, as_answers({**given, **wrong}))
    assert save_ratings(study, rater, page, as_answers(given))
    assert saved(study) == given
    with study.reading() as connection:
        statement = (
            "SELECT r.system_id FROM shown_response s JOIN response r ON r.id = s.response_id "
            "WHERE s.assignment_id = :id ORDER BY s.place"
        )
        first, second = connection.execute(sql(statement), {"id": page}).scalars()
    assert {first, second} == {"zebrafinch", "quokka"}
    codes = {system: name.id for system, name in Snapshot(study).names.items()}
    row = next(r for r in export.rating_rows(Snapshot(study)) if r["item"] == "clearer")
    assert (row["system"], row["shown"]) == ("", f"{codes[first]}|{codes[second]}")
    assert (row["value"], row["chosen"]) == (2, codes[second])
    unblind_study(study, "Ann", "Bo")
    (clearer, kinder) = comparisons.comparison_rows(Snapshot(study))
    assert (clearer["place_a"], clearer["place_b"], clearer["chosen"]) == (first, second, second)
    assert kinder["chosen"] == "tie"
    assert study_faults(study) == []


@pytest.mark.parametrize(
    ("answer", "fits"),
    [("B>A>C", True), ("A>B>C", True), ("A>B", False), ("A>B>B", False), ("A>B=C", False),
     ("A>B>D", False), ("", False), ("a>b>c", False), (2, False)],
)  # fmt: skip
def test_an_order_must_hold_each_response_once(
    make_study: MakeStudy, tmp_path: Path, answer: int | str, fits: bool
) -> None:
    study = make_study(protocol=several_protocol(tmp_path, "all"))
    rater, page = rating(study)
    given = {"order": answer, "loose": "A=C>B"}
    if not fits:
        with pytest.raises(RatingError):
            save_ratings(study, rater, page, as_answers(given))
        assert read_ratings(study) == []
        return
    assert save_ratings(study, rater, page, as_answers(given))
    assert saved(study) == given
    ranks = {(r["item"], r["place"]): r["rank"] for r in comparisons.ranking_rows(Snapshot(study))}
    # By hand: A=C>B puts A and C on places 1 and 2, mid-rank 1.5.
    assert [ranks["loose", place] for place in (1, 2, 3)] == [1.5, 3, 1.5]
    row = next(r for r in export.rating_rows(Snapshot(study)) if r["item"] == "order")
    shown = row["shown"].split("|")
    order = [shown["ABC".index(letter)] for letter in str(answer).split(">")]
    assert row["chosen"] == ">".join(order)


@pytest.mark.parametrize(
    ("spans", "fault"),
    [
        ("[]", None),
        ([(0, 11, "empathy"), (0, 5, "harm"), (12, 15, "empathy")], None),
        ([(0, 11, "empathy"), (10, 12, "empathy")], "overlap"),
        ([(0, 9999, "empathy")], "not in the response"),
        ([(3, 3, "empathy")], "not in the response"),
        ([(0, 3, "joy")], "no label"),
        ("", "does not mark"),
        ('[{"start": 0, "end": true, "label": "harm"}]', "whole numbers"),
        ('{"start": 0}', "a list"),
    ],
)
def test_marked_parts_lie_within_the_response(
    make_study: MakeStudy, tmp_path: Path, spans: object, fault: str | None
) -> None:
    study = make_study(protocol=several_protocol(tmp_path, "response"))
    rater, page = rating(study)
    held = spans if isinstance(spans, str) else write_spans(Span(*s) for s in spans)  # type: ignore[attr-defined]
    if fault is not None:
        with pytest.raises(RatingError, match=fault):
            save_ratings(study, rater, page, as_answers({"marks": held, "mood": 1}))
        return
    assert save_ratings(study, rater, page, as_answers({"marks": held, "mood": 1}))
    rows = comparisons.span_rows(Snapshot(study))
    found = sorted((r["start"], r["end"], r["label"]) for r in rows)
    assert found == (sorted((s.start, s.end, s.label) for s in read_spans(held)) or [(0, 0, "")])


@pytest.mark.parametrize("shows", ["pair", "all", "response"])
def test_a_rehearsal_answers_every_page_and_the_exports_name_no_system(
    make_study: MakeStudy, tmp_path: Path, shows: str
) -> None:
    """Oracle: every answer is there or skipped, the whole database holds, no name is found."""
    study = make_study(protocol=several_protocol(tmp_path, shows))
    rehearse(study, 1, 6)
    assert study_faults(study) == []
    rows = export.rating_rows(Snapshot(study))
    assert {row["missing_reason"] for row in rows} <= {"", "skipped"}
    seen = Snapshot(study)
    for made in (
        rows, export.codebook_rows(seen), comparisons.comparison_rows(seen),
        comparisons.ranking_rows(seen), comparisons.span_rows(seen), export.protocol_text(seen),
    ):  # fmt: skip
        assert not [name for name in SEVERAL_NAMES if name in json.dumps(made).lower()]
    counts = {
        "pair": (len(comparisons.comparison_rows(Snapshot(study))), 6 * 2 * 2),
        "all": (
            sum(r["item"] == "order" for r in comparisons.ranking_rows(Snapshot(study))),
            6 * 2 * 3,
        ),
        "response": (
            len({(r["rater"], r["prompt"]) for r in comparisons.span_rows(Snapshot(study))}),
            6 * 2,
        ),
    }
    assert counts[shows][0] == counts[shows][1]


def test_withdrawal_and_tampering(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(protocol=several_protocol(tmp_path, "pair"))
    rater, page = rating(study)
    given = {"clearer": 1, "clearer.reason": "secret", "kinder": 2}
    save_ratings(study, rater, page, as_answers(given))
    withdraw(study, rater.code)
    assert read_ratings(study) == [] and study_faults(study) == []
    with study.writing() as connection:
        # Exchange A and B of one page: place 1 becomes 3, 2 becomes 1, 3 becomes 2.
        for before, after in ((1, 3), (2, 1), (3, 2)):
            change = (
                "UPDATE shown_response SET place = :after WHERE assignment_id = :id AND place = :b"
            )
            connection.execute(sql(change), {"after": after, "id": page, "b": before})
    assert any("differ from the allocation" in fault for fault in study_faults(study))


@pytest.mark.parametrize(
    ("shows", "old", "new", "said"),
    [
        ("pair", "shows: pair", "shows: response", "needs design.shows: pair"),
        ("pair", "further: [Do not worry.]", "further: []", "expected 2"),
        ("pair", "analysis: {", "analysis: {primary: {system: quokka, against: zebrafinch}, ", "totals"),
        ("pair", "  - {id: quokka, title: Model Quokka, backend: scripted}\n", "", "at least two"),
        ("all", "kind: ranking}", "kind: ranking, labels: [{id: a, label: A}]}", "takes no labels"),
        ("pair", PAIR_ITEMS, ALONE, "no item is of kind pairwise"),
        ("all", RANKING_ITEMS, ALONE, "no item is of kind ranking"),
        ("all", "kind: ranking}", "kind: likert}", "needs a scale"),
        ("response", "labels: [{id: harm", "labels: [{id: empathy", "must differ"),
        ("response", "kind: spans", "kind: spans\n        may_be_not_applicable: true", "optional"),
        ("response", "analysis: {", "analysis: {equivalence: {low: -1, high: 1, reason: r}, ", "missing"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told(
    folder: Path, shows: str, old: str, new: str, said: str
) -> None:
    text = several_protocol(folder, shows).read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ProtocolError, match=said):
        parse_protocol(text.replace(old, new, 1), "several.yaml")


def test_a_plan_with_points_for_two_systems_needs_a_contrast(make_study: MakeStudy) -> None:
    from tests.fixtures_study import SMALL

    text = SMALL[: SMALL.index("  primary:")] + "  confidence: 0.95\n"
    with pytest.raises(ProtocolError, match="name the two systems"):
        parse_protocol(text, "small.yaml")


@pytest.mark.parametrize(("shows", "rows"), [("pair", 16), ("all", 12), ("response", 0)])
def test_the_report_gets_long_rows_that_name_no_system(
    make_study: MakeStudy, tmp_path: Path, shows: str, rows: int
) -> None:
    """4 raters x 2 prompts x 2 items of pairs; the strict ranking of 2 raters x 2 prompts x 3."""
    from study.report_view.report_data import report_data

    study = make_study(protocol=several_protocol(tmp_path, shows))
    rehearse(study, 1, 4 if shows == "pair" else 2)
    data = report_data(study)
    assert len(data.comparisons) == (rows if shows == "pair" else 0)
    strict = data.rankings.query("item == 'order'") if len(data.rankings) else data.rankings
    assert len(strict) == (rows if shows == "all" else 0)
    frames = (data.comparisons, data.rankings, data.spans, data.ratings, data.choice_ratings)
    text = " ".join(frame.to_csv().lower() for frame in frames)
    assert not [name for name in SEVERAL_NAMES if name in text]


@pytest.mark.parametrize("kind", ["sav", "dta"])
@pytest.mark.parametrize("shows", ["all", "response"])
def test_statistics_files_hold_ranks_and_numbers_of_parts(
    make_study: MakeStudy, tmp_path: Path, shows: str, kind: str
) -> None:
    """Oracle: pyreadstat reads back what was given by hand."""
    import pyreadstat

    from study.cli.group import run

    study = make_study(protocol=several_protocol(tmp_path, shows))
    rater, page = rating(study)
    marks = write_spans([Span(0, 5, "empathy"), Span(6, 9, "empathy")])
    given = {"all": {"order": "C>A>B", "loose": "A=C>B"}, "response": {"marks": marks, "mood": 2}}
    save_ratings(study, rater, page, as_answers(given[shows]))
    file = tmp_path / f"ratings.{kind}"
    where = ["--study", str(study.folder)]
    assert run(["export", *where, "--format", kind, "-o", str(file)]) == 0
    read = pyreadstat.read_sav if kind == "sav" else pyreadstat.read_dta
    row = read(str(file))[0].set_index("position").loc[1]
    if shows == "response":
        assert (row["marks_empathy"], row["marks_harm"], row["mood"]) == (2, 0, 2)
        return
    order = dict(zip(row["shown"].split("|"), (2, 3, 1), strict=True))
    loose = dict(zip(row["shown"].split("|"), (1.5, 3, 1.5), strict=True))
    assert {system: row[f"order_{system}"] for system in order} == order
    assert {system: row[f"loose_{system}"] for system in loose} == loose


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_two_annotators_of_imported_replies(store_url: str, tmp_path: Path) -> None:
    """The shipped annotation from a file of replies to the export, by the commands themselves."""
    from study.cli.group import run

    file, where = tmp_path / "replies.csv", ["--study", str(tmp_path / "study")]
    assert run(["init", where[1], "--protocol", "nile-emotion-annotation"]) == 0
    prompts = load_protocol(tmp_path / "study" / "study.yaml").prompts
    rows = [f'{prompt.id},chatbot,"Reply number {i}, warm."' for i, prompt in enumerate(prompts)]
    file.write_text("\n".join(["prompt,system,text", *rows]) + "\n", encoding="utf-8")
    for command in (
        ["check"], ["import", str(file)], ["lock"], ["enrol", "--group", "annotator", "-n", "2"],
        ["rehearse", "--seed", "4"], ["verify"],
        ["export", "--format", "jsonl", "-o", str(tmp_path / "emotions.jsonl")],
    ):  # fmt: skip
        assert run([command[0], *where, *command[1:]]) == 0, command
    lines = (tmp_path / "emotions.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    assert sorted(Counter(answer["rater"] for answer in answers).values()) == [10, 10]
    assert {answer["value"] for answer in answers} <= {1, 2, 3, 4, 5}
    assert {answer["system"] for answer in answers} == {"A"}


def test_the_place_of_a_rater_asks_for_all_texts(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(protocol=several_protocol(tmp_path, "all"))
    enrolled = ready_rater(study)
    place = participation.find_place(study, enrolled.token)
    assert place.assignment is not None
    assert len(set(place.assignment.response_texts)) == 3
