"""Automatic measures against hand arithmetic, rouge-score's own numbers and a bootstrap done by loops."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.chapters.decisions import PROMPT_REPLICATES
from analysis.description.text_measures import (
    MEASURES,
    measure_responses,
    readability,
    rouge_scores,
)
from analysis.description.text_measures_by_system import (
    SystemMeasure,
    measures_of_systems,
)
from analysis.report import build_report
from analysis.report.blocks import Document
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from study.cli.group import run
from study.errors import AnalysisError
from study.report_view.data import ReportData
from tests.simulated_report_data import protocol_with, simulated_report_data

TEXT = "The small dog ran home quickly. My brother could not find it anywhere."


def test_rouge_by_hand() -> None:
    """Response the|cat|sat (stemmed) in the|cat|sat|on|the|mat.

    Unigrams: precision 3/3, recall 3/6, F1 2/3. Bigrams: 2/2 and 2/5, F1 4/7. Longest common
    subsequence: 3 words, F1 2/3.
    """
    found = rouge_scores("The cats sat!", "the cat sat on the mat")
    assert found is not None
    assert (found.rouge1, found.rouge2, found.rouge_l) == pytest.approx((2 / 3, 4 / 7, 2 / 3))


def test_rouge_l_needs_the_order_and_rouge_1_does_not() -> None:
    """Same four words in reverse: all unigrams, no bigram, a common subsequence of one word."""
    found = rouge_scores("four three two one", "one two three four")
    assert found is not None
    assert (found.rouge1, found.rouge2, found.rouge_l) == pytest.approx((1.0, 0.0, 0.25))


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("I hear how tired you are.", "You sound tired, and I hear it."),
        ("Breathing slowly helps; 4 counts in, 6 out.", "Breathe in for 4 counts and out for 6."),
        ("...", "A reply."),
    ],
)
def test_english_numbers_are_those_of_rouge_score(response: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scores = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).score(
        reference, response
    )
    found = rouge_scores(response, reference)
    assert found is not None
    assert found.rouge1 == scores["rouge1"].fmeasure
    assert found.rouge2 == scores["rouge2"].fmeasure
    assert found.rouge_l == scores["rougeL"].fmeasure


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("Okay.", (0.0, 0.0, 0.0)), ("Sorry.", (1 / 7, 0.0, 1 / 7)), ("!!!", (0.0, 0.0, 0.0)),
     ("🙂", (0.0, 0.0, 0.0))],
)  # fmt: skip
def test_a_reply_without_a_bigram_or_a_word_scores_zero_and_counts(
    reply: str, expected: tuple[float, float, float]
) -> None:
    """Oracle: rouge-score 0.1.2; by hand: "Sorry." has one word in common of 1 and 13, F1 2/14."""
    reference = "I am sorry to hear that you feel like this. Do you want?"
    measured = measure_responses(pd.DataFrame({"text": [reply], "reference": [reference]}))
    for name, value in zip(("rouge1", "rouge2", "rouge_l"), expected, strict=True):
        assert measured[name].reasons == ("",)
        assert measured[name].numerator[0] == pytest.approx(value)


def test_the_mean_rouge_2_takes_the_reply_of_one_word_in() -> None:
    """Oracle: rouge-score on the three replies: 0, 0 and .6, mean .2 (.3 without the first)."""
    frame = pd.DataFrame(
        {
            "prompt": ["p1", "p2", "p3"],
            "system": "b",
            "text": ["Okay.", "Running helps. Running is good. Runs!", "12 34 it will be fine"],
            "reference": [
                "I am sorry to hear that you feel like this. Do you want to talk?",
                "Try running daily, it may help you feel better.",
                "it will be fine cafe 123",
            ],
        }
    )
    found = {m.measure.name: m.result for m in measures_of_systems(frame)}
    assert found["rouge2"].estimate == pytest.approx(0.2)
    assert (found["rouge2"].n, found["rouge2"].n_missing) == (3, 0)


def test_other_languages_keep_their_letters() -> None:
    """Three of four Arabic words in common: F1 3/4; English rules would find no word at all."""
    found = rouge_scores("أنا أسمع ما تقول", "أنا أسمع ما قلت", language="ar")
    assert found is not None
    assert (found.rouge1, found.rouge2) == pytest.approx((3 / 4, 2 / 3))
    german = rouge_scores("Das hört sich schwer an", "Das fühlt sich schwer an", language="de")
    assert german is not None
    assert german.rouge1 == pytest.approx(4 / 5)


def test_readability_formulas_by_hand() -> None:
    """13 words, 2 sentences, 58 characters without spaces, of which 56 are letters."""
    found = readability(TEXT)
    assert found is not None
    ari = 4.71 * 58 / 13 + 0.5 * 13 / 2 - 21.43
    coleman_liau = 0.058 * (100 * 56 / 13) - 0.296 * (100 * 2 / 13) - 15.8
    assert found.automated_readability_index == pytest.approx(ari)
    assert found.coleman_liau_index == pytest.approx(coleman_liau)


def test_a_measure_that_does_not_exist_has_a_reason() -> None:
    frame = pd.DataFrame(
        {
            "text": [TEXT, "Yes.", None],
            "reference": ["", "No.", "No, it is not."],
            "latency_s": [2.0, 0.0, None],
            "peak_memory_bytes": [None, None, 5e6],
            "peak_memory_missing": ["the endpoint does not tell", "", ""],
        }
    )
    found = {name: m.reasons for name, m in measure_responses(frame).items()}
    assert found["rouge1"] == ("no reference", "", "no text")
    assert found["rouge2"] == ("no reference", "", "no text")
    assert found["words"] == ("", "", "no text")
    assert found["tokens"] == ("not recorded",) * 3
    assert found["responses_per_second"] == ("", "no time was measured", "not recorded")
    assert found["peak_memory_mb"] == ("the endpoint does not tell", "not recorded", "")
    german = measure_responses(frame, language="de")["coleman_liau_index"]
    assert set(german.reasons) == {"a formula for English only"}


def _responses(n: int = 12, seed: int = 3) -> pd.DataFrame:
    """Two systems; the second always writes three words more; three prompts lack a time."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 30, n)
    rows = [
        {
            "prompt": f"p{k:02d}",
            "system": system,
            "text": " ".join(["word"] * (length + extra)),
            "completion_tokens": 2 * (length + extra),
            "latency_s": None if k < 3 and system == "b" else 0.2 + 0.05 * length + extra / 10,
            "peak_memory_bytes": (100 + k) * 1e6,
        }
        for k, length in enumerate(lengths)
        for system, extra in (("a", 0), ("b", 3))
    ]
    return pd.DataFrame(rows)


def _one(found: tuple[SystemMeasure, ...], name: str, system: str, against: Any = None) -> Estimate:
    return next(
        m.result for m in found if (m.measure.name, m.system, m.against) == (name, system, against)
    )


def test_interval_equals_a_bootstrap_by_loops() -> None:
    """Tokens per second of b: total tokens over total seconds of the nine prompts with a time."""
    frame = _responses()
    found = measures_of_systems(
        frame, contrasts=[("b", "a")], bootstrap=Bootstrap(400, level=0.9, seed=7)
    )
    b = frame[(frame["system"] == "b") & frame["latency_s"].notna()].sort_values("prompt")
    a = frame[(frame["system"] == "a") & frame["prompt"].isin(b["prompt"])].sort_values("prompt")
    draws = np.random.default_rng(7).integers(0, 9, size=(400, 9))

    def rate(rows: pd.DataFrame) -> float:
        return float(rows["completion_tokens"].sum() / rows["latency_s"].sum())

    rates_b = [rate(b.iloc[drawn]) for drawn in draws]
    result = _one(found, "tokens_per_second", "b")
    assert result.estimate == pytest.approx(rate(b))
    # Expanded tails (Hesterberg 2015) for nine prompts.
    out = np.sqrt(9 / 8) * stats.t.ppf(0.95, 8)
    ends = np.quantile(rates_b, stats.norm.cdf([-out, out]))
    assert (result.ci_low, result.ci_high) == pytest.approx(tuple(ends))
    assert (result.n, result.n_missing, result.unit) == (9, 3, "prompt")
    assert result.details.of.missing == "not recorded: 3"
    apart = [x - rate(a.iloc[drawn]) for x, drawn in zip(rates_b, draws, strict=True)]
    difference = _one(found, "tokens_per_second", "b", "a")
    assert difference.estimate == pytest.approx(rate(b) - rate(a))
    ends = np.quantile(apart, stats.norm.cdf([-out, out]))
    assert (difference.ci_low, difference.ci_high) == pytest.approx(tuple(ends))


def test_a_difference_is_paired_by_prompt() -> None:
    """b has three words more on every prompt, so every draw of prompts gives exactly 3: that is no
    certainty about other prompts, and no interval."""
    found = measures_of_systems(_responses(), contrasts=[("b", "a")], bootstrap=Bootstrap(200))
    result = _one(found, "words", "b", "a")
    assert result.estimate == pytest.approx(3.0)
    assert result.ci_low is None and result.ci_high is None
    assert "same value" in result.ci_method
    alone = _one(found, "words", "b")
    assert alone.ci_low is not None and alone.ci_high is not None
    assert alone.ci_high - alone.ci_low > 1


def test_a_maximum_and_a_single_prompt_have_no_interval() -> None:
    memory = _one(measures_of_systems(_responses()), "peak_memory_mb", "a")
    assert (memory.estimate, memory.ci_low) == (111.0, None)
    assert memory.details.no_interval_because == "a maximum has no bootstrap interval"
    words = _one(measures_of_systems(_responses(n=1)), "words", "a")
    assert (words.n, words.ci_low) == (1, None)
    tokens = _one(
        measures_of_systems(_responses().drop(columns="completion_tokens")), "tokens", "a"
    )
    assert tokens.undefined_because == "no prompt has a value (not recorded: 12)"


def test_unknown_systems_and_figures_are_refused() -> None:
    with pytest.raises(AnalysisError, match="no system 'c'"):
        measures_of_systems(_responses(), contrasts=[("c", "a")])
    with pytest.raises(AnalysisError, match="'latency_s' holds 'soon'"):
        measure_responses(pd.DataFrame({"text": ["x"], "latency_s": ["soon"]}))


def _data(*, unblinded: bool = True, declared: tuple[str, ...] = ()) -> ReportData:
    """The simulated study with references, and with times and memory as after unblinding."""
    data = simulated_report_data(prompts=4, raters=6, unblinded=unblinded)
    responses = data.responses.assign(
        reference="It sounds hard. Talk to somebody & rest.",
        first_token_s=0.1,
        peak_memory_bytes=3e8,
    )
    plan = data.plan.model_copy(update={"automatic_measures": declared})
    return dataclasses.replace(
        data, responses=responses, protocol=protocol_with(data, analysis=plan)
    )


def _section(data: ReportData) -> Document:
    import datetime as dt

    return build_report(data, created=dt.date(2025, 1, 2), sections=["automatic-measures"])


def test_tables_of_the_report_are_the_result_objects() -> None:
    data = _data(declared=("rouge",))
    document = _section(data)
    found = measures_of_systems(
        data.responses,
        systems=["a", "b"],
        contrasts=[("a", "b")],
        bootstrap=Bootstrap(PROMPT_REPLICATES, seed=data.protocol.design.seed),
    )
    table = pd.concat([t.data for t in document.tables])
    assert len(table) == len(found) == 3 * len(MEASURES)
    for (_, row), m in zip(table.iterrows(), found, strict=True):
        assert (row["measure"], row["system"]) == (m.measure.name, m.system)
        assert row["estimate"] == pytest.approx(m.result.estimate)
    standing = {t.key: t.standing for t in document.tables}
    assert standing["automatic-rouge"] == "declared"
    assert set(standing.values()) == {"declared", "exploratory"}
    assert [f.key for f in document.figures] == ["automatic-rouge-differences"]
    assert document.figures[0].draw() is not None


def test_speed_is_hidden_until_unblinding_and_rouge_needs_references() -> None:
    """Speed and memory tell systems apart."""
    data = _data(unblinded=False)
    without = dataclasses.replace(data, responses=data.responses.drop(columns="reference"))
    keys = {t.key for t in _section(without).tables}
    assert keys == {"automatic-length", "automatic-readability"}
    text = " ".join(
        b.text for s in _section(without).sections for b in s.blocks if hasattr(b, "text")
    )
    assert "hidden until unblinding" in text
    assert "no prompt of the protocol has a reference reply" in text
    measures = set(pd.concat([t.data for t in _section(data).tables])["measure"])
    assert not measures & {m.name for m in MEASURES if m.family == "speed"}


def test_analyse_texts_reads_csv_and_json_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both forms of the same rows give the same numbers, which are the function's."""
    rows = _responses(n=4).rename(columns={"text": "reply", "system": "model", "prompt": "id"})
    rows["human"] = "word word word word"
    rows.to_csv(tmp_path / "d.csv", index=False)
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    arguments = ["--response", "reply", "--reference", "human", "--by", "model", "--prompt", "id"]
    blocks = []
    for name in ("d.csv", "d.jsonl"):
        command = ["analyse", "texts", str(tmp_path / name), *arguments, "--against", "a", "--json"]
        assert run(command) == 0
        blocks.append(json.loads(capsys.readouterr().out)["blocks"])
    assert blocks[0] == blocks[1]
    assert [(b["system"], b["against"]) for b in blocks[0]] == [
        ("a", None),
        ("b", None),
        ("b", "a"),
    ]
    words = {r["statistic"]: r["estimate"] for r in blocks[0][2]["results"]}["words"]
    assert words == pytest.approx(3.0)
    assert (
        run(["analyse", "texts", str(tmp_path / "d.csv"), *arguments[:-2], "--against", "a"]) == 2
    )
    assert "--prompt" in capsys.readouterr().err
