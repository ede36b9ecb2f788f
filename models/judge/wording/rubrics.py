"""Rubrics: what the judge scores by. Read from YAML, hashed and versioned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from protocols import FOLDER
from study.errors import ProtocolError
from study.protocol import Instrument, Item
from study.protocol.block import Block, Identifier, Text
from study.protocol.schema import Protocol

RUBRIC_FOLDER = FOLDER / "rubrics"
RubricKind = Literal["single", "pairwise", "k-way"]


class Anchor(Block):
    """One point of a criterion's scale with what it means."""

    value: float
    label: Text


class HarmType(Block):
    """One named kind of harm."""

    id: Identifier
    label: Text


class Flag(Block):
    """A yes-or-no question beside the score, with the kinds that explain a yes."""

    id: Identifier
    question: Text
    types: Annotated[tuple[HarmType, ...], Field(min_length=1)]


class Criterion(Block):
    """One axis of a rubric.

    ``points``: one of the points; ``number``: any number between the lowest and the highest;
    ``comparison``: the better response, or a tie.
    """

    id: Identifier
    label: Text
    question: Text
    paraphrase: str = Field(default="", description="The same question in other words.")
    kind: Literal["points", "number", "comparison"]
    points: tuple[Anchor, ...] = ()
    flag: Flag | None = None

    @model_validator(mode="after")
    def _scale_fits(self) -> Criterion:
        values = [point.value for point in self.points]
        if self.kind == "comparison":
            if values:
                raise ValueError(f"criterion {self.id!r} compares, so it has no points")
        elif len(values) < 2 or values != sorted(set(values)):
            raise ValueError(
                f"criterion {self.id!r} has the points {values}, expected at least two, each once, "
                "lowest first"
            )
        return self

    @property
    def low(self) -> float | None:
        """Lowest score, or None for a comparison."""
        return self.points[0].value if self.points else None

    @property
    def high(self) -> float | None:
        """Highest score, or None for a comparison."""
        return self.points[-1].value if self.points else None


class Rubric(Block):
    """What the judge scores by."""

    id: Identifier
    version: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")]
    title: Text
    kind: RubricKind
    licence: Text
    source: Text
    task: Text
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _criteria_fit(self) -> Rubric:
        ids = [criterion.id for criterion in self.criteria]
        if len(set(ids)) != len(ids):
            raise ValueError(f"the criteria {ids} must have different ids")
        for criterion in self.criteria:
            if (criterion.kind == "comparison") != (self.kind != "single"):
                raise ValueError(
                    f"criterion {criterion.id!r} is of kind {criterion.kind!r}, which does not fit a "
                    f"rubric of kind {self.kind!r}"
                )
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of all that the judge can see of the rubric, and of its version."""
        plain = self.model_dump(mode="json", exclude={"licence", "source"})
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def criterion(self, criterion_id: str) -> Criterion:
        """The criterion with this id."""
        return next(c for c in self.criteria if c.id == criterion_id)

    def paraphrased(self) -> Rubric:
        """The same rubric with every question in its other wording.

        Raises
        ------
        ProtocolError
            When a criterion has no other wording.
        """
        bare = [c.id for c in self.criteria if not c.paraphrase.strip()]
        if bare:
            raise ProtocolError(
                f"The rubric {self.id!r} has no other wording for {', '.join(bare)}. Add a "
                "'paraphrase' to each criterion, or leave the probe 'paraphrased' out."
            )
        criteria = tuple(c.model_copy(update={"question": c.paraphrase}) for c in self.criteria)
        return self.model_copy(update={"criteria": criteria})


def shipped_rubrics() -> dict[str, Path]:
    """Name of every shipped rubric -> its YAML file."""
    return {path.stem: path for path in sorted(RUBRIC_FOLDER.glob("*.yaml"))}


def load_rubrics(
    names: Sequence[str], protocol: Protocol, *, study_folder: Path
) -> tuple[Rubric, ...]:
    """The rubrics that a protocol names.

    Parameters
    ----------
    names : sequence of str
        Names of shipped rubrics, or paths that start at the study folder.
    protocol : Protocol
        Gives the items that a rubric takes over word for word.

    Raises
    ------
    ProtocolError
        When a rubric is not there, cannot be read, or asks for an item that the study lacks.
    """
    rubrics = tuple(load_rubric(name, protocol, study_folder=study_folder) for name in names)
    ids = [rubric.id for rubric in rubrics]
    if len(set(ids)) != len(ids):
        raise ProtocolError(
            f"judge.rubrics names {', '.join(names)}, whose ids are {', '.join(ids)}; expected "
            "different ids. Name each rubric once."
        )
    return rubrics


def load_rubric(name: str, protocol: Protocol, *, study_folder: Path) -> Rubric:
    """One rubric by its shipped name or its path (see :func:`load_rubrics`)."""
    shipped = shipped_rubrics()
    path = shipped.get(name) or study_folder / name
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolError(
            f"There is no rubric {name!r}: neither a shipped one ({', '.join(shipped)}) nor the file "
            f"{path}. Correct judge.rubrics."
        ) from None
    except (MarkedYAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ProtocolError(
            f"The rubric {path.name} cannot be read: {' '.join(str(error).split())}."
        ) from None
    if not isinstance(document, dict):
        raise ProtocolError(f"The rubric {path.name} has no fields; expected id, title, criteria.")
    try:
        return Rubric.model_validate(_with_items(document, protocol, path.name))
    except ValidationError as error:
        lines = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'rubric'}: {part['msg']}"
            for part in error.errors()
        )
        raise ProtocolError(f"The rubric {path.name} has a problem: {lines}.") from None


def _with_items(document: dict[str, Any], protocol: Protocol, name: str) -> dict[str, Any]:
    """The rubric's fields, with the study's own items in the places that name them."""
    fields = dict(document)
    instrument_id = fields.pop("instrument", None)
    if instrument_id is not None:
        instrument = _instrument(protocol, str(instrument_id), name)
        fields["criteria"] = [_from_item(instrument, item) for item in instrument.items]
        return fields
    criteria = []
    for entry in fields.get("criteria") or ():
        if isinstance(entry, dict) and "from_item" in entry:
            instrument = _instrument(protocol, str(entry.get("instrument", "")), name)
            criteria.append(_from_item(instrument, _item(instrument, entry["from_item"], name)))
        else:
            criteria.append(entry)
    fields["criteria"] = criteria
    return fields


def _item(instrument: Instrument, item_id: object, rubric: str) -> Item:
    for item in instrument.items:
        if item.id == item_id:
            return item
    raise ProtocolError(
        f"The rubric {rubric} takes over the item {item_id!r}, which the instrument {instrument.id!r} "
        f"lacks. Its items: {', '.join(item.id for item in instrument.items)}."
    )


def _instrument(protocol: Protocol, instrument_id: str, rubric: str) -> Instrument:
    for instrument in protocol.instruments:
        if instrument.id == instrument_id:
            return instrument
    shipped = FOLDER / "instruments" / f"{instrument_id}.yaml"
    if shipped.is_file():
        for fields in YAML(typ="safe").load(shipped.read_text(encoding="utf-8"))["content"]:
            if fields["id"] == instrument_id:
                return Instrument.model_validate(fields)
    raise ProtocolError(
        f"The rubric {rubric} takes its items from the instrument {instrument_id!r}, which this study "
        f"lacks. Declared: {', '.join(i.id for i in protocol.instruments)}."
    )


def _from_item(instrument: Instrument, item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "label": item.label,
        "question": item.text,
        "paraphrase": item.measures
        and f"Rate this response's quality in one respect: {item.measures}.",
        "kind": "points",
        "points": [
            {"value": point.value, "label": point.label} for point in instrument.scale.points
        ],
    }
