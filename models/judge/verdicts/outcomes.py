"""The outcome table: nothing is imputed and nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.judge.wording.prompts import TIE
from study.store.judge.verdicts import Outcome, StoredVerdict


@dataclass(frozen=True)
class OutcomeRow:
    """Outcomes of one system on one criterion.

    Attributes
    ----------
    system : str
        The code that stands for the system until unblinding.
    n : int
        Verdicts, all outcomes.
    counts : dict
        Outcome -> number; every outcome is there.
    mean : float or None
        Of the scored ones; None when there is none.
    worst, best : float or None
        Mean if every verdict without a score had the lowest, and the highest, score of the scale.
    won, tied : int
        Comparisons in which this system's response was preferred, and in which none was.
    low, high : float or None
        Ends of the scale.
    simulated : bool
        Whether any of them was made up by rule.
    """

    system: str
    rubric: str
    criterion: str
    n: int
    counts: Mapping[str, int]
    mean: float | None
    worst: float | None
    best: float | None
    won: int
    tied: int
    low: float | None
    high: float | None
    simulated: bool

    @property
    def without_score(self) -> int:
        """Verdicts that have no score, for whatever reason."""
        return self.n - self.counts[Outcome.SCORED]


@dataclass
class _Cell:
    counts: dict[str, int] = field(default_factory=lambda: {str(o): 0 for o in Outcome})
    values: list[float] = field(default_factory=list)
    winners: list[bool | None] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    simulated: bool = False


def tabulate_outcomes(
    verdicts: Iterable[StoredVerdict], code_of_response: Mapping[str, str]
) -> list[OutcomeRow]:
    """Outcomes by system and criterion, with bounds for what has no score.

    Parameters
    ----------
    verdicts : iterable of StoredVerdict
        Comparisons are counted for every system that they show.
    code_of_response : mapping
        Response id -> blind code of its system.

    Notes
    -----
    With m scores of sum s among n verdicts on a scale from a to b, the bounds are
    (s + (n - m) a) / n and (s + (n - m) b) / n [1]_.

    References
    ----------
    .. [1] C. F. Manski (2003), Partial identification of probability distributions, Springer, ch. 1.
    """
    cells: dict[tuple[str, str, str], _Cell] = {}
    for stored in verdicts:
        verdict = stored.verdict
        for code in sorted({code_of_response[r] for r in stored.call.response_ids}):
            place = (stored.call.rubric_id, verdict.criterion, code)
            cell = cells.setdefault(place, _Cell())
            cell.counts[str(verdict.outcome)] += 1
            cell.low, cell.high = verdict.low, verdict.high
            cell.simulated |= stored.call.simulated
            if verdict.value is not None:
                cell.values.append(verdict.value)
            if stored.winner is not None:
                tied = stored.winner == TIE
                cell.winners.append(None if tied else code_of_response[stored.winner] == code)
    return [_row(place, cells[place]) for place in sorted(cells)]


def _row(place: tuple[str, str, str], cell: _Cell) -> OutcomeRow:
    rubric, criterion, code = place
    n, scored = sum(cell.counts.values()), len(cell.values)
    total = sum(cell.values)
    bounds: list[float | None] = [None, None]
    if cell.low is not None and cell.high is not None:
        bounds = [(total + (n - scored) * end) / n for end in (cell.low, cell.high)]
    return OutcomeRow(
        system=code,
        rubric=rubric,
        criterion=criterion,
        n=n,
        counts=cell.counts,
        mean=total / scored if scored else None,
        worst=bounds[0],
        best=bounds[1],
        won=cell.winners.count(True),
        tied=cell.winners.count(None),
        low=cell.low,
        high=cell.high,
        simulated=cell.simulated,
    )
