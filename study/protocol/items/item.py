"""What all items are: the fields of every kind, and what a kind says of itself.

Each kind is one file beside this one, with its fields and whatever differs from here. Nothing outside
asks which kind an item is of: it asks the item.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from inspect import get_annotations
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from study.entities import Answer, MissingReason
from study.protocol.block import Block, Identifier, ShownText, Text
from study.protocol.scale import Scale

Table = Literal["points", "numeric", "nominal", "pairwise", "ranking", "spans"]


class Item(Block):
    """One statement or question.

    As written here, an item is answered with one of a few numbers, each of which has a label.
    """

    kinds: ClassVar[dict[str, type[Item]]] = {}
    """Every kind by its name; the class of a kind enters itself."""
    listed: ClassVar[int]
    """Where the kind stands in lists of kinds: documentation, schema, messages."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Own field -> what is said where an item of another kind has it."""
    pages: ClassVar[tuple[str, ...]] = ("response", "pair", "all", "conversation")
    """Which pages (``design.shows``) it can be answered on."""
    compares: ClassVar[bool] = False
    """Whether an answer says something about each of several responses."""
    reads_responses: ClassVar[bool] = False
    """Whether an answer fits or not depends on the responses on the page."""
    is_text: ClassVar[bool] = False
    """Whether an answer is held as text and not as a number."""
    table: ClassVar[Table | None] = "nominal"
    """In which tables of the report the answers stand; None for none."""
    widget: ClassVar[str] = "row"
    """Which file of ``survey_app.drawing.widgets`` draws it."""

    id: Identifier = Field(description="Name of the item in the data; once in the study.")
    label: Text = Field(description="Short name for tables and figures.")
    text: ShownText = Field(description="What the rater reads.")
    measures: str = Field(default="", description="What the item is meant to measure.")
    kind: str = Field(description="Name of the kind.")
    may_be_not_applicable: bool = Field(
        default=False, description="Offer 'not applicable', which is held as a missing reason."
    )
    optional: bool = Field(
        default=False, description="May be left open; then the missing reason is 'skipped'."
    )

    _misplaced: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # Only a class that declares its own kind is one: a protocol cannot name the others.
        if "kind" in get_annotations(cls):
            cls.kinds[get_args(cls.model_fields["kind"].annotation)[0]] = cls

    @model_validator(mode="wrap")
    @classmethod
    def _set_aside(cls, plain: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Take fields of other kinds out: empty they say nothing, as they always could; else a fault."""
        if not isinstance(plain, dict):
            return handler(plain)
        others = cls._fields_of_kinds().keys() - cls.model_fields.keys()
        item = handler({name: value for name, value in plain.items() if name not in others})
        item._misplaced = tuple(name for name in plain if name in others and plain[name])
        return item

    @classmethod
    def _fields_of_kinds(cls) -> dict[str, str]:
        """Field that some kinds alone have -> what is said where another kind has it."""
        return {name: said for kind in cls.kinds.values() for name, said in kind.elsewhere.items()}

    @classmethod
    def adds(cls) -> bool:
        """Whether answers are numbers on the instrument's scale, which can be added."""
        return cls.table in ("points", "numeric")

    @property
    def asked(self) -> tuple[Item, ...]:
        """The item, with what is asked beside it."""
        return (self,)

    @property
    def high_is_unfavourable(self) -> bool:
        """Whether the report has to turn the answers round, so that totals mean something."""
        return False

    @property
    def marks(self) -> dict[str, str]:
        """Label with which parts of a response are marked -> what the rater reads."""
        return {}

    def anchors(self, scale: Scale) -> dict[int, str]:
        """Value -> what it means, in the order on the page; none for what is held as text.

        Points without an anchor have an empty text.
        """
        return {}

    def faults(self) -> Iterator[tuple[str, str]]:
        """Field and what is wrong with it: what the kind needs and lacks, or has and cannot use."""
        for name in self._misplaced:
            yield name, f"is of kind {self.kind}{self._fields_of_kinds()[name]}"
        if self.may_be_not_applicable and self.is_text:
            yield "may_be_not_applicable", f"is of kind {self.kind}; let it be optional instead"

    def answer_fault(self, answer: Answer, scale: Scale, responses: Sequence[str]) -> str | None:
        """What is wrong with an answer to the item; None when it fits."""
        if answer.value is not None:
            return self.value_fault(answer.value, scale, responses)
        # Other reasons are not offered on a page for every item, but a coordinator may have them.
        refused = answer.missing is MissingReason.NOT_APPLICABLE and not self.may_be_not_applicable
        what = f"{self.label!r} does not take 'not applicable'; the protocol does not offer it."
        return what if refused else None

    def value_fault(self, value: int | str, scale: Scale, responses: Sequence[str]) -> str | None:
        """What is wrong with an answer that is not missing; None when it fits.

        ``responses`` are the texts on the page, by place.
        """
        points = self.anchors(scale)
        # True is equal to 1 and would pass for it.
        if isinstance(value, int) and value is not True and value in points:
            return None
        return (
            f"{value!r} is not a point of the scale of {self.label!r}; expected one of "
            f"{', '.join(map(str, points))}."
        )

    def chosen(self, value: int | str, shown: Sequence[str]) -> str:
        """What an answer says in systems, which are given by place; blank if it speaks of none."""
        return ""

    def variables(self, systems: Sequence[str]) -> dict[str, str]:
        """Variables that hold the answers as numbers -> what each asks; none for free text.

        ``systems`` are the names of all systems in the data.
        """
        return {self.id: self.text}

    def numbers(self, value: int | str, shown: Sequence[str]) -> Mapping[str, float]:
        """Variable -> its number in one answer; ``shown`` are the systems by place."""
        return {} if isinstance(value, str) else {self.id: value}

    def codebook_remarks(self) -> Iterator[str]:
        """What a codebook says beside the labels of the values."""
        yield from ()

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> int | str:
        """The answer of a simulated rater.

        Parameters
        ----------
        seen : sequence of float
            How good the rater finds each response on the page, about standard normal.
        draws : random.Random
            What else the answer hangs on; other items draw from it, too.
        """
        return draws.choice(list(self.anchors(scale)))
