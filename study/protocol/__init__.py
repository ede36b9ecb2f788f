"""Protocol: a versioned YAML file that declares a whole study."""

from study.protocol.item_kinds import Answer
from study.protocol.loading import Problem, load_protocol, parse_protocol
from study.protocol.schema import (
    Decoding,
    DemographicField,
    Instrument,
    Item,
    Prompt,
    Protocol,
    Scale,
    System,
)

__all__ = [
    "Answer",
    "Decoding",
    "DemographicField",
    "Instrument",
    "Item",
    "Problem",
    "Prompt",
    "Protocol",
    "Scale",
    "System",
    "load_protocol",
    "parse_protocol",
]
