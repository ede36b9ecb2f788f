"""The analysis block of a protocol: what is computed, frozen by the lock."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from study.entities import DEFAULT_TWO_GROUP_TEST, TwoGroupTest
from study.errors import ProtocolError
from study.protocol.block import Block, Identifier, Text

PrimaryTest = Literal["linear-mixed", "cumulative-link-mixed", "paired-t", "wilcoxon"]
Population = Literal["systems", "these-responses"]
# What a plan without a test meant before there were models to declare; locked plans keep it.
FORMER_TEST: PrimaryTest = "paired-t"


class PrimaryContrast(Block):
    """The contrast of two systems that the study is about, and to whom it speaks."""

    system: Identifier = Field(description="Id of the system expected to be better.")
    against: Identifier = Field(description="Id of the system that it is compared with.")
    test: PrimaryTest = Field(
        default="linear-mixed",
        description=(
            "linear-mixed and cumulative-link-mixed are models of single ratings with random raters, "
            "prompts and responses: they can speak about the systems. paired-t and wilcoxon test the "
            "raters' paired totals: they speak about these very responses and other raters. A model "
            "that cannot be fitted gives way to the paired t test, and the report says why."
        ),
    )
    population: Population | None = Field(
        default=None,
        description=(
            "Whom the result speaks to: systems (other raters, other prompts and other responses of "
            "these systems; five prompts or more) or these-responses (other raters who judge these "
            "very responses). Left out: systems for a model, these-responses for a paired test."
        ),
    )
    on: Identifier | None = Field(
        default=None,
        description=(
            "Id of the item that a model is of; left out: the sum of the items that add to the total. "
            "cumulative-link-mixed takes at most 20 different values."
        ),
    )
    published: Text | None = Field(
        default=None,
        description=(
            "Name of a published analysis whose paired test stands beside the model, for example the "
            "paper that is repeated."
        ),
    )

    @property
    def by_model(self) -> bool:
        """Whether a model of single ratings is declared, and no test of paired totals."""
        return self.test in ("linear-mixed", "cumulative-link-mixed")

    @property
    def speaks_to(self) -> Population:
        """Whom the result speaks to."""
        return self.population or ("systems" if self.by_model else "these-responses")

    # A plan that says none of what came later has the dump, and so the hash in its lock, that it had.
    @model_serializer(mode="wrap")
    def _without_what_is_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        later = ("population", "on", "published")
        return {
            name: value for name, value in plain.items() if name not in later or value is not None
        }


class SubgroupTest(Block):
    """Comparison of totals between the values of a demographic question, within each system."""

    by: Identifier = Field(description="Id of a demographic question of kind choice.")
    declared: TwoGroupTest = Field(
        default=DEFAULT_TWO_GROUP_TEST,
        description="Test that the plan declares; student assumes equal variances.",
    )


class Equivalence(Block):
    """Differences of totals that would still count as the same, for two one-sided tests."""

    low: float = Field(description="Lowest such difference, in points of a rater's total score.")
    high: float = Field(description="Highest such difference, in points of a rater's total score.")
    reason: Text = Field(description="Why a difference within these bounds does not matter.")

    @property
    def symmetric(self) -> bool:
        """Whether the bounds are the same in either direction of the contrast."""
        return self.low == -self.high


class Family(Block):
    """Tests whose p values are adjusted together."""

    name: Identifier = Field(description="Name of the family in the report.")
    adjustment: Literal["holm", "bh", "by", "hommel"] = Field(
        default="holm",
        description=(
            "holm and hommel control the chance of any false positive; bh (Benjamini-Hochberg) and "
            "by (Benjamini-Yekutieli) the expected share of false positives."
        ),
    )
    tests: tuple[Identifier, ...] = Field(
        min_length=1,
        description=(
            "primary, or the question of a declared subgroup test, which stands for its tests in "
            "all systems and between all answers."
        ),
    )


class Exclusions(Block):
    """Raters without whom the primary contrast is computed again; both results are shown."""

    minimum_seconds: float | None = Field(
        default=None,
        gt=0,
        description="A rater with a shorter median time per response is left out, in seconds.",
    )
    longest_run: int | None = Field(
        default=None,
        ge=2,
        description="A rater with more equal answers in a row, item after item, is left out.",
    )
    failed_attention_checks: int | None = Field(
        default=None,
        ge=0,
        description="A rater who failed more attention checks is left out.",
    )
    incomplete: bool = Field(
        default=False, description="A rater without an answer to every item asked is left out."
    )


class AnalysisPlan(Block):
    """What is computed; frozen by the lock. Anything else is exploratory."""

    primary: PrimaryContrast | None = Field(
        default=None,
        description=(
            "The contrast that the study is about; needed where raters' totals of several systems "
            "can be compared."
        ),
    )
    subgroups: tuple[SubgroupTest, ...] = Field(
        default=(), description="Comparisons between groups of raters."
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Level of every interval, for example 0.95."
    )
    top_points: int = Field(default=2, ge=1, description="Points counted as a favourable rating.")
    equivalence: Equivalence | None = Field(
        default=None, description="Bounds of the equivalence test of the primary contrast."
    )
    families: tuple[Family, ...] = Field(
        default=(), description="Families of tests; p values outside them are not adjusted."
    )
    exclusions: Exclusions | None = Field(
        default=None, description="Whom the result is also shown without."
    )
    automatic_measures: tuple[Literal["rouge", "length", "readability", "speed"], ...] = Field(
        default=(),
        description="Automatic measures that are declared; the report marks others as exploratory.",
    )

    @property
    def contrast(self) -> PrimaryContrast:
        """The primary contrast of a plan that has one.

        Raises
        ------
        ProtocolError
            When the plan has none.
        """
        if self.primary is None:
            raise ProtocolError(
                "The analysis plan names no primary contrast, so no two systems can be compared by "
                "raters' totals. Name one under analysis.primary before the study is locked."
            )
        return self.primary

    @property
    def with_former_test(self) -> AnalysisPlan:
        """The plan as it was meant when a primary contrast without a test was a paired t test."""
        if self.primary is None or "test" in self.primary.model_fields_set:
            return self
        primary = self.primary.model_copy(update={"test": FORMER_TEST})
        return self.model_copy(update={"primary": primary})

    def without_direction(self) -> AnalysisPlan:
        """The plan with the two systems of its primary contrast in the order of their names.

        With blind codes as names it no longer tells which system is expected to be better. A
        two-sided test keeps its p value; differences may change their sign.
        """
        if self.primary is None:
            return self
        system, against = sorted((self.primary.system, self.primary.against))
        ordered = self.primary.model_copy(update={"system": system, "against": against})
        return self.model_copy(update={"primary": ordered})
