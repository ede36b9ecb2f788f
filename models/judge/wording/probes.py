"""Probes: what moves the judge's score although it should not, or leaves it where it should move."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from models.judge.wording.plan import JudgeCall, Planner, compared
from models.judge.wording.prompts import TIE, Material
from models.judge.wording.rubrics import Rubric
from study.entities import Response
from study.errors import ProtocolError
from study.protocol.schema import Prompt
from study.store.judge.verdicts import Probe, StoredVerdict

PROBES: dict[Probe, str] = {
    "identical": "the same response twice: beside itself in a comparison, or judged a second time",
    "longer": "a copy with sentences added that say nothing",
    "degraded": "a copy with the words of every sentence in random order",
    "swapped": "the same responses in another order",
    "paraphrased": "the rubric's questions in other words",
}

_PADDING = (
    "That is what there is to say about it here.",
    "Put differently, all of the above stands as it is written above.",
    "Having said this, it has now been said, and it can be read again at any time.",
    "These sentences belong to the same message and complete it as a message.",
)


@dataclass(frozen=True)
class ProbeRow:
    """What one probe did to one criterion.

    Attributes
    ----------
    n : int
        Pairs of verdicts that were made.
    compared : int
        Pairs in which both sides have a result; the others are lost to failures.
    up, same, down : int
        Score rose, stayed, fell. In comparisons: ``same`` is the same winner, or a tie between
        identical responses; ``up`` prefers what stands first, ``down`` what stands later.
    mean_shift : float or None
        Changed minus original, in points; None in comparisons and without pairs.
    """

    probe: str
    rubric: str
    criterion: str
    n: int
    compared: int
    up: int
    same: int
    down: int
    mean_shift: float | None


@dataclass(frozen=True)
class _Pair:
    """Keys of two calls whose verdicts belong together; ``original`` is None when one suffices."""

    original: str | None
    changed: str


@dataclass(frozen=True)
class ProbePlan:
    """The calls of one probe, and which verdicts are compared."""

    probe: str
    calls: tuple[JudgeCall, ...]
    pairs: tuple[_Pair, ...]


def longer_copy(text: str) -> str:
    """The response with about as much again of words that say nothing."""
    padded, i = text, 0
    while len(padded) < 2 * len(text) or i == 0:
        padded += " " + _PADDING[i % len(_PADDING)]
        i += 1
    return padded


def degraded_copy(text: str) -> str:
    """The response with the words of every sentence in an order drawn from the text itself."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    generator = random.Random(seed)  # noqa: S311 (a fixed permutation, not a secret)
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    return " ".join(_scrambled(sentence, generator) for sentence in sentences)


def _scrambled(sentence: str, generator: random.Random) -> str:
    words = sentence.split()
    if len(set(words)) < 2:
        return sentence
    mixed = list(words)
    while mixed == words:
        generator.shuffle(mixed)
    return " ".join(mixed)


_CHANGED_TEXT: dict[str, Callable[[str], str]] = {"longer": longer_copy, "degraded": degraded_copy}


def plan_probe(
    probe: str,
    planner: Planner,
    rubrics: Iterable[Rubric],
    prompts: Sequence[Prompt],
    responses: Sequence[Response],
) -> ProbePlan:
    """The calls of a probe; verdicts on the unchanged responses are taken from the study's own.

    Raises
    ------
    ProtocolError
        When there is no such probe, or no rubric of the protocol to which it can be put.
    """
    if probe not in PROBES:
        raise ProtocolError(f"There is no probe {probe!r}; expected one of: {', '.join(PROBES)}.")
    texts = {prompt.id: prompt.text for prompt in prompts}
    calls: dict[str, JudgeCall] = {}
    pairs: list[_Pair] = []
    for rubric in rubrics:
        for original, changed in _pairs(probe, _Asking(planner, rubric, texts), responses):
            for call in (original, changed):
                if call is not None:
                    calls[call.planned.cache_key] = call
            key = original.planned.cache_key if original else None
            pairs.append(_Pair(key, changed.planned.cache_key))
    if not pairs:
        raise ProtocolError(
            f"The probe {probe!r} ({PROBES[probe]}) fits none of the protocol's rubrics. The probe "
            "'swapped' needs a rubric that compares: pairwise or k-way."
        )
    return ProbePlan(probe, tuple(calls.values()), tuple(pairs))


_CallPairs = Iterator[tuple[JudgeCall | None, JudgeCall]]


@dataclass(frozen=True)
class _Asking:
    """One rubric put to texts by one planner."""

    planner: Planner
    rubric: Rubric
    texts: dict[str, str]

    def original(self, shown: Sequence[Response]) -> list[JudgeCall]:
        return self.changed(shown, [r.text for r in shown], probe="", rubric=self.rubric)

    def changed(
        self,
        shown: Sequence[Response],
        texts: Sequence[str],
        *,
        probe: str,
        rubric: Rubric,
        replicate: int = 1,
    ) -> list[JudgeCall]:
        prompt_id = shown[0].prompt_id
        calls = self.planner.calls(
            rubric,
            Material(self.texts[prompt_id], tuple(texts)),
            prompt_id=prompt_id,
            ids=[r.id for r in shown],
            probe=probe,
            replicates=replicate,
        )
        return [call for call in calls if call.planned.replicate == replicate]


def _pairs(probe: str, asking: _Asking, responses: Sequence[Response]) -> _CallPairs:
    single = asking.rubric.kind == "single"
    if probe == "swapped":
        if not single:
            yield from _swapped(asking, responses)
        return
    if probe == "identical" and not single:
        for response in sorted(responses, key=lambda r: r.id):
            twice, text = [response, response], [response.text, response.text]
            for call in asking.changed(twice, text, probe=probe, rubric=asking.rubric):
                yield None, call
        return
    if probe in _CHANGED_TEXT and not single:
        return
    rubric = asking.rubric.paraphrased() if probe == "paraphrased" else asking.rubric
    change = _CHANGED_TEXT.get(probe, str)
    for shown in compared(asking.rubric, responses):
        changed = asking.changed(
            shown,
            [change(response.text) for response in shown],
            probe=probe,
            rubric=rubric,
            replicate=2 if probe == "identical" else 1,
        )
        yield from zip(asking.original(shown), changed, strict=True)


def _swapped(asking: _Asking, responses: Sequence[Response]) -> _CallPairs:
    """The first order of the same responses with every other order of them."""
    by_set: dict[frozenset[str], list[tuple[Response, ...]]] = {}
    for shown in compared(asking.rubric, responses):
        by_set.setdefault(frozenset(r.id for r in shown), []).append(shown)
    for orders in by_set.values():
        first, *others = (asking.original(shown) for shown in orders)
        for other in others:
            yield from zip(first, other, strict=True)


def probe_table(plan: ProbePlan, verdicts: Iterable[StoredVerdict]) -> list[ProbeRow]:
    """What moved, by rubric and criterion.

    Parameters
    ----------
    verdicts : iterable of StoredVerdict
        Of the study and of the probe, together.
    """
    by_key: dict[str, list[StoredVerdict]] = {}
    for stored in verdicts:
        by_key.setdefault(stored.call.cache_key, []).append(stored)
    cells: dict[tuple[str, str], list[tuple[StoredVerdict | None, StoredVerdict]]] = {}
    for pair in plan.pairs:
        originals = {v.verdict.criterion: v for v in by_key.get(pair.original or "", ())}
        for changed in by_key.get(pair.changed, ()):
            criterion = changed.verdict.criterion
            original = originals.get(criterion)
            if pair.original is None or original is not None:
                place = (changed.call.rubric_id, criterion)
                cells.setdefault(place, []).append((original, changed))
    return [_row(plan.probe, *place, found) for place, found in cells.items()]


def _row(
    probe: str,
    rubric: str,
    criterion: str,
    found: Sequence[tuple[StoredVerdict | None, StoredVerdict]],
) -> ProbeRow:
    shifts = []
    moves = []
    for original, changed in found:
        if changed.verdict.value is not None and original and original.verdict.value is not None:
            shifts.append(changed.verdict.value - original.verdict.value)
            moves.append((shifts[-1] > 1e-9) - (shifts[-1] < -1e-9))
        elif changed.winner is not None and (original is None or original.winner is not None):
            moves.append(_preference(original, changed))
    return ProbeRow(
        probe=probe,
        rubric=rubric,
        criterion=criterion,
        n=len(found),
        compared=len(moves),
        up=moves.count(1),
        same=moves.count(0),
        down=moves.count(-1),
        mean_shift=sum(shifts) / len(shifts) if shifts else None,
    )


def _preference(original: StoredVerdict | None, changed: StoredVerdict) -> int:
    """0 for the same winner (a tie, beside itself); else 1 when the place that won stands first."""
    label = changed.verdict.label or TIE
    if original is None:
        return 0 if label == TIE else 1 if label == "A" else -1
    if original.winner == changed.winner:
        return 0
    places = [label, original.verdict.label or TIE]
    return 1 if places.count("A") > sum(p not in ("A", TIE) for p in places) else -1
