"""Protocol: a versioned YAML file that declares a whole study."""

from study.protocol.instruments import Instrument
from study.protocol.items import Item
from study.protocol.loading import Problem, load_protocol, parse_protocol
from study.protocol.raters import DemographicField
from study.protocol.scale import Scale
from study.protocol.schema import Prompt, Protocol
from study.protocol.systems import Decoding, System

__all__ = [
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
