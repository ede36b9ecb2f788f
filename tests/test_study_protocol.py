"""Protocol files: what is shipped loads; what is wrong is told by file, line and field."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from protocols import shipped_protocols
from study.errors import ProtocolError
from study.protocol import load_protocol, parse_protocol
from study.protocol.loading import resolve_includes
from tests.fixtures_commands import page_writer
from tests.fixtures_study import SMALL

ROOT = Path(__file__).parent.parent


def problems(text: str, folder: Path | None = None) -> list[str]:
    """The lines of the error that this protocol text gives."""
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, "p.yaml", folder=folder)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"The protocol has {len(lines) - 1} problem" + "s:"[len(lines) == 2 :]
    return [line.strip() for line in lines[1:]]


def line_of(text: str, part: str) -> int:
    """Number of the first line that holds ``part``."""
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def test_the_small_protocol_of_the_tests_has_no_problem() -> None:
    assert parse_protocol(SMALL, "small.yaml").items[2].id == "useful"


def test_eai_2025_is_the_published_design() -> None:
    """36 students, 10 topics with a prompt each, 8 items on 5 points, 2 systems, 21/15 and 26/10."""
    protocol = load_protocol(shipped_protocols()["eai-2025"])
    assert [(g.id, g.planned) for g in protocol.groups] == [("student", 36)]
    assert len(protocol.topics) == len({p.topic for p in protocol.prompts}) == 10
    assert len(protocol.items) == 8
    assert protocol.scale_of("clarity").values == (1, 2, 3, 4, 5)
    assert len(protocol.systems) == 2
    planned = {
        q.id: sorted(o.planned or 0 for o in q.options if o.planned) for q in protocol.demographics
    }
    assert planned == {"gender": [15, 21], "major": [10, 26], "age": []}


def test_demo_has_the_same_items_three_topics_three_systems_two_groups() -> None:
    demo = load_protocol(shipped_protocols()["demo"])
    assert demo.items == load_protocol(shipped_protocols()["eai-2025"]).items
    assert (len(demo.topics), len(demo.prompts), len(demo.systems)) == (3, 3, 3)
    assert [g.id for g in demo.groups] == ["student", "professional"]


@pytest.mark.parametrize("name", shipped_protocols())
def test_resolved_includes_mean_the_same_and_need_no_other_file(name: str) -> None:
    path = shipped_protocols()[name]
    assert parse_protocol(resolve_includes(path), "study.yaml") == load_protocol(path)


@pytest.mark.parametrize(
    ("old", "new", "at", "field", "said"),
    [
        ("title: A small", "titel: A small", "titel:", "titel", "there is no such field"),
        ("backend: scripted", "backend: scriptd", "scriptd", "systems[1].backend", "'executorch'"),
        ("planned: 4", "planned: four", "four", "groups[1].planned", "found 'four', expected a valid"),
        ('version: "1.0"', "version: 1.0", "version: 1.0", "version", 'put it in quotes: "1.0"'),
        ("planned: 4", "planned: 0", "planned: 0", "groups[1].planned", "greater than or equal to 1"),
        ("id: kind,", "id: clear,", "label: Kind", "instruments[1].items[2].id", "declared twice"),
        ("id: quokka", "id: zebrafinch", "Quokka", "systems[2].id", "used twice in systems"),
        ("topic: work", "topic: wrk", "topic: wrk", "prompts[2].topic", "no topic 'wrk'"),
        ("against: quokka", "against: emu", "against: emu", "analysis.primary.against", "'emu'"),
        ("value: 2", "value: 1", "points:", "instruments[1].scale.points", "each once, lowest first"),
        ("id: p-sleep", "id: P Sleep", "P Sleep", "prompts[1].id", "lower case"),
        ("text: I cannot sleep.", "text: ''", "text: ''", "prompts[1].text", "an empty text"),
        ("value: woman", "value: man", "Woman", "demographics[1].options[2].value", "used twice"),
        ("minimum: 18", "minimum: 99", "minimum: 99", "demographics[2].minimum", "maximum 90"),
        ("id: gender", "id: group", "id: group", "demographics[1].id", "a column of the data"),
        ("id: gender", "id: clear", "- id: clear", "demographics[1].id", "an item"),
        ("Zebrafinch, backend: scripted", "Z, backend: executorch", "Z,", "systems[1].model", "needs a"),
        ("seed: 3", "sed: 3", "sed: 3", "design.seed", "this field is missing"),
        ("points:\n", "pionts:\n", "pionts", "instruments[1].scale.pionts", "no such field"),
        ("id: quokka", "id: quokka, id: emu", "quokka", "YAML", "duplicate key"),
        ("summary: Two", "\tsummary: Two", "\tsummary", "YAML", "cannot start any token"),
        ("summary: Two", "summary: [Two", "primary", "YAML", "Check indentation"),
        ("design: {seed: 3}", "design: 3", "design: 3", "design", "found 3, expected"),
        ("practice: {", "practice: null\n  old: {", "practice: null", "instructions.practice", "an example"),
        ("groups:\n", "groups: x\ngroup:\n", "groups: x", "groups", "found 'x', expected"),
        ("title: A small", "title:\nold: A small", "title:", "title", "the field is empty; expected text"),
        (
            "against: quokka}",
            "against: quokka}\n  top_points: 5",
            "top_points",
            "analysis.top_points",
            "fewer than",
        ),
    ],
)  # fmt: skip
def test_a_problem_is_told_by_file_line_field_and_expectation(
    old: str, new: str, at: str, field: str, said: str
) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new, 1)
    found = problems(text)
    wanted = [line for line in found if said in line and f", {field}: " in line]
    assert wanted, found
    line = line_of(text, at.strip("\n"))
    reported = int(re.match(r"p\.yaml, line (\d+), ", wanted[0])[1])  # type: ignore[index]
    # A parser may notice an open bracket only below it, and a missing field is told at its block.
    assert reported == line or "YAML" in wanted[0] or "missing" in wanted[0], wanted


def test_all_problems_are_told_at_once() -> None:
    text = SMALL.replace("planned: 4", "planned: no").replace("topic: work", "topic: wrk")
    assert len(problems(text.replace("seed: 3", "seed: -1"))) == 2
    assert (
        len(problems(SMALL.replace("topic: work", "topic: wrk").replace("id: kind", "id: clear")))
        == 2
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found an empty file"),
        ("# only a comment\n", "found an empty file"),
        ("- a\n- b\n", "found a list"),
        ("just words\n", "found a value"),
        ("id: \x00\n", "unacceptable character"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: *nowhere\n", "undefined alias"),
        ("[" * 1500, "nested too deep"),
    ],
)
def test_a_file_that_is_no_mapping_is_told_in_one_line(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.timeout(20)
def test_a_bomb_of_aliases_is_refused_and_does_not_hang() -> None:
    """Nine levels of nine aliases would be 9^9 values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    assert "aliases" in problems("\n".join(lines))[0]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["id: &x {a: *x}\n", "id: &x [*x]\n", "id: &x [[*x], *x]\n"])
def test_a_loop_of_aliases_is_refused_and_does_not_hang(text: str) -> None:
    assert problems(text)


def test_a_merge_key_does_not_hide_a_problem() -> None:
    text = SMALL.replace("design: {seed: 3}", "design:\n  <<: &d {sed: 3}")
    assert any("design.sed" in line for line in problems(text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("title: caf\xe9".encode("latin-1"))
    with pytest.raises(ProtocolError, match=r"latin\.yaml is not UTF-8 text \(byte 10\)"):
        load_protocol(latin)
    with pytest.raises(ProtocolError, match=r"There is no protocol file .*none\.yaml"):
        load_protocol(tmp_path / "none.yaml")
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_protocol(tmp_path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_text(SMALL, encoding="utf-8-sig")
    assert load_protocol(file).id == "small"


class TestIncludes:
    def split(self, folder: Path, prompts: str) -> str:
        """The small protocol with its prompts in a file of their own."""
        (folder / "prompts.yaml").write_text(prompts, encoding="utf-8")
        start, end = SMALL.index("prompts:"), SMALL.index("systems:")
        return SMALL[:start] + "prompts: {include: prompts.yaml}\n" + SMALL[end:]

    def test_a_problem_is_told_with_the_included_file_and_its_line(self, tmp_path: Path) -> None:
        text = self.split(tmp_path, "content:\n  - id: p\n    topic: wrk\n    text: Hello\n")
        assert problems(text, tmp_path)[0].startswith("prompts.yaml, line 3, prompts[1].topic: ")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        text = self.split(tmp_path, "").replace("prompts.yaml", "promts.yaml")
        line = line_of(text, "promts")
        assert problems(text, tmp_path) == [
            f"p.yaml, line {line}, include: there is no file 'promts.yaml' beside it"
        ]

    def test_content_that_is_no_list(self, tmp_path: Path) -> None:
        text = self.split(tmp_path, "content: 5\n")
        assert problems(text, tmp_path) == [
            "prompts.yaml, line 1, content: found 5, expected fields or a list"
        ]

    def test_a_file_that_includes_itself(self, tmp_path: Path) -> None:
        text = self.split(tmp_path, "content:\n  - {include: prompts.yaml}\n")
        assert problems(text, tmp_path) == [
            "prompts.yaml, line 2, include: 'prompts.yaml' includes itself"
        ]

    def test_an_include_in_an_included_file(self, tmp_path: Path) -> None:
        (tmp_path / "one.yaml").write_text("{id: p, topic: sleep, text: Hello}")
        text = self.split(tmp_path, "content:\n  - {include: one.yaml}\n")
        assert parse_protocol(text, "p.yaml", folder=tmp_path).prompts[0].text == "Hello"


def test_json_schema_for_editors_is_current() -> None:
    """When this fails: python docs/writers/protocol_page.py"""
    assert (
        page_writer("protocol").SCHEMA.read_text(encoding="utf-8")
        == page_writer("protocol").schema_text()
    )


def test_protocol_page_is_current_and_describes_every_field() -> None:
    """When this fails: python docs/writers/protocol_page.py"""
    page = page_writer("protocol").PAGE.read_text(encoding="utf-8")
    assert page == page_writer("protocol").page_text(page)
    schema = page_writer("protocol").schema_of_tables()
    for name, block in {"Protocol": schema, **schema["$defs"]}.items():
        section = page.partition(f"### {name}\n")[2].partition("\n### ")[0]
        for field, spec in block["properties"].items():
            assert spec.get("description"), f"{name}.{field} has no description"
            assert f"| `{field}` |" in section, f"{name}.{field}"


@pytest.mark.parametrize("name", shipped_protocols())
def test_shipped_protocols_name_their_schema_and_fit_it(name: str) -> None:
    """Checked with jsonschema, another implementation, includes and all."""
    jsonschema = pytest.importorskip("jsonschema")
    from ruamel.yaml import YAML

    text = shipped_protocols()[name].read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=protocol.schema.json\n")
    schema = json.loads((ROOT / "protocols" / "protocol.schema.json").read_text())
    plain = YAML(typ="safe").load(text)
    jsonschema.validate(plain, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "titel": "x"}, schema)


_PLAN = """
  subgroups: [{by: gender}]
  equivalence: {low: -2, high: 2, reason: A tenth of the range.}
  families: [{name: main, adjustment: hommel, tests: [primary, gender]}]
  exclusions: {minimum_seconds: 3, longest_run: 12, incomplete: true}
"""


def test_a_plan_may_declare_bounds_families_and_exclusions() -> None:
    """Oracle: the values written in the file; without the blocks, nothing is declared."""
    plan = parse_protocol(SMALL.rstrip() + _PLAN, "p.yaml").analysis
    assert plan.equivalence is not None and (plan.equivalence.low, plan.equivalence.high) == (-2, 2)
    assert [(f.name, f.adjustment, f.tests) for f in plan.families] == [
        ("main", "hommel", ("primary", "gender"))
    ]
    assert plan.exclusions is not None
    assert (plan.exclusions.minimum_seconds, plan.exclusions.longest_run) == (3, 12)
    assert plan.exclusions.incomplete
    bare = parse_protocol(SMALL, "p.yaml").analysis
    assert (bare.equivalence, bare.families, bare.exclusions) == (None, (), None)


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("low: -2", "low: 2", "analysis.equivalence.low", "less than high, which is 2"),
        ("reason: A tenth of the range.", "reason: ''", "analysis.equivalence.reason", "empty"),
        ("hommel", "sidak", "analysis.families[1].adjustment", "'holm'"),
        ("[primary, gender]", "[major]", "analysis.families[1].tests[1]", "primary, gender"),
        ("[primary, gender]", "[gender, gender]", "analysis.families[1].tests[2]", "name it once"),
        ("[primary, gender]", "[]", "analysis.families[1].tests", "at least 1"),
        ("families: [", "families: [{name: main, tests: [primary]}, ", "analysis.families[2].name",
         "declared twice"),
        ("minimum_seconds: 3", "minimum_seconds: 0", "analysis.exclusions.minimum_seconds", "0"),
        ("longest_run: 12", "longest_run: 1", "analysis.exclusions.longest_run", "2"),
    ],
)  # fmt: skip
def test_a_plan_that_contradicts_itself_is_told_at_its_field(
    old: str, new: str, field: str, said: str
) -> None:
    """Oracle: what each block of the plan may hold."""
    assert old in _PLAN
    found = problems(SMALL.rstrip() + _PLAN.replace(old, new, 1))
    assert any(f", {field}: " in line and said in line for line in found), found
