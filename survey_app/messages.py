"""The sentences of the pages that do not come from the protocol, one catalogue per language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from ruamel.yaml import YAML

from study.errors import ProtocolError

REFERENCE = "en"
_CATALOGUES = Path(__file__).parent / "catalogues"
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "ur", "yi"})


@dataclass(frozen=True)
class Messages:
    """The catalogue of one language.

    Parameters
    ----------
    language : str
        Two-letter code (ISO 639-1).
    sentences : mapping
        Key, for example ``"rating.submit"`` -> sentence with ``{named}`` places.
    """

    language: str
    sentences: Mapping[str, str]

    def __call__(self, key: str, **values: str | int) -> str:
        """The sentence under a key, its places filled."""
        return self.sentences[key].format(**values)

    @property
    def direction(self) -> str:
        """``"rtl"`` for right-to-left scripts, else ``"ltr"``; the value of HTML's ``dir``."""
        return "rtl" if self.language in _RIGHT_TO_LEFT else "ltr"


def available_languages() -> tuple[str, ...]:
    """The languages that have a catalogue."""
    return tuple(sorted(path.stem for path in _CATALOGUES.glob("*.yaml")))


@cache
def load_messages(language: str) -> Messages:
    """The catalogue of a language.

    Raises
    ------
    ProtocolError
        When there is none, or it lacks a sentence.
    """
    if language not in available_languages():
        raise ProtocolError(
            f"The pages are not translated into {language!r} yet. Set the protocol's language to one "
            f"of: {', '.join(available_languages())}; or add the catalogue {language}.yaml."
        )
    sentences = _read(language)
    faults = catalogue_faults(_read(REFERENCE), sentences)
    if faults:
        raise ProtocolError(
            f"The catalogue {language}.yaml is not complete: {faults[0]}"
            + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")
            + ". Add what is missing, or set the protocol's language to another one."
        )
    return Messages(language, sentences)


def _read(language: str) -> dict[str, str]:
    text = (_CATALOGUES / f"{language}.yaml").read_text(encoding="utf-8")
    plain = YAML(typ="safe").load(text)
    return {
        f"{group}.{name}": " ".join(sentence.split())
        for group, sentences in plain.items()
        for name, sentence in sentences.items()
    }


def catalogue_faults(reference: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Where a catalogue differs from the English one in its keys or in the {places} to fill."""
    faults = [f"the sentence {key!r} is missing" for key in reference if not found.get(key)]
    faults += [f"the sentence {key!r} is not in English" for key in found if key not in reference]
    for key in reference.keys() & found.keys():
        wanted, given = _places(reference[key]), _places(found[key])
        if wanted != given:
            faults.append(f"the sentence {key!r} has the places {given}, expected {wanted}")
    return sorted(faults)


def _places(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)
