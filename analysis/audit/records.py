"""What published tables say, once their form is known: the records that rules compute from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from analysis.audit.columns import words
from analysis.audit.printed import Place, Printed

Names = Mapping[str, str]


def identity(names: Names) -> frozenset[str]:
    """The words of the names of what was measured, to find the same thing in another table."""
    return frozenset(word for name in names.values() for word in words(name))


def told(names: Names) -> str:
    """The names as a finding shows them."""
    return ", ".join(dict.fromkeys(name for name in names.values() if name)) or "the table"


@dataclass(frozen=True)
class Scale:
    """Lowest and highest point, and how many items a score adds or averages; None for what is not told."""

    low: int | None = None
    high: int | None = None
    items: int | None = None
    topics: int | None = None


@dataclass(frozen=True)
class Option:
    """One row of a frequency table."""

    label: str
    point: int | None
    place: Place
    count: Printed | None = None
    percent: Printed | None = None
    cumulative: Printed | None = None
    cumulative_count: Printed | None = None

    @property
    def cells(self) -> list[Printed]:
        """The printed numbers of the row."""
        all_cells = (self.count, self.percent, self.cumulative, self.cumulative_count)
        return [one for one in all_cells if one is not None]


@dataclass(frozen=True)
class Frequencies:
    """How often each option was chosen.

    Parameters
    ----------
    names : mapping of str to str
        Columns that name what was asked, about which system; numbering left out.
    item : str
        The name of the item, the last of ``names`` where nothing says which it is.
    options : sequence of Option
    n : Printed or None
        Answers, as stated.
    missing : int
        Answers of a row that says so, beside the options.
    mean, sd, median, top_two : Printed or None
    share : bool
        Percentages are printed as shares of 1.
    file : str
    scale : Scale
    """

    names: Names
    options: Sequence[Option]
    file: str
    item: str = ""
    n: Printed | None = None
    missing: int = 0
    mean: Printed | None = None
    sd: Printed | None = None
    median: Printed | None = None
    top_two: Sequence[Printed] = ()
    share: bool = False
    scale: Scale = field(default=Scale())

    @property
    def points(self) -> list[int] | None:
        """The options as numbers, where each has one."""
        found = [option.point for option in self.options]
        points = [one for one in found if one is not None]
        return points if len(points) == len(found) and len(set(points)) == len(points) else None

    @property
    def counts(self) -> list[int] | None:
        """The counts, where all are printed."""
        found = [None if o.count is None else o.count.whole for o in self.options]
        counts = [one for one in found if one is not None]
        return counts if len(counts) == len(found) else None


@dataclass(frozen=True)
class Summary:
    """n, mean and spread of one group."""

    names: Names
    group: str
    place: Place
    n: Printed | None = None
    stated_n: int | None = None
    mean: Printed | None = None
    sd: Printed | None = None
    se: Printed | None = None
    median: Printed | None = None
    ci_low: Printed | None = None
    ci_high: Printed | None = None
    top_two: Printed | None = None
    scale: Scale = field(default=Scale())
    within: bool = False
    what: str = ""

    @property
    def size(self) -> int | None:
        """n as a number."""
        if self.n is not None and self.n.whole is not None:
            return self.n.whole
        return self.stated_n

    @property
    def is_total(self) -> bool:
        """Whether the value is a sum of whole answers and not a mean of them."""
        named = {"total", "totals", "sum"} & (identity(self.names) | set(words(self.what)))
        if self.mean is None:
            return False
        high = self.scale.high or 10
        return bool(named) and self.mean.value > high

    @property
    def about(self) -> str:
        """Names and group."""
        return ", ".join(dict.fromkeys(part for part in (told(self.names), self.group) if part))


@dataclass(frozen=True)
class Comparison:
    """Groups whose outcome is compared, and the test printed about them."""

    names: Names
    groups: Sequence[Summary]
    whole: Summary | None = None
    p: Printed | None = None
    t: Printed | None = None
    df: Printed | None = None
    f: Printed | None = None
    d: Printed | None = None
    other_test: bool = False
    within: bool = False

    @property
    def about(self) -> str:
        """Names and groups."""
        return f"{told(self.names)}: {', '.join(one.group for one in self.groups)}"


@dataclass(frozen=True)
class Share:
    """A percentage of n people or answers."""

    names: Names
    percent: Printed
    n: int | None
    count: Printed | None = None
    n_cell: Printed | None = None
    one: bool = False


@dataclass(frozen=True)
class Parts:
    """Numbers of one row (or column), and what they come to."""

    about: str
    parts: Sequence[Printed]
    whole: Printed
    declared: bool
    kind: str = "mean"


@dataclass(frozen=True)
class KappaCell:
    """A printed kappa and whose ratings it is about."""

    names: Names
    raters: tuple[str, str] | None
    kappa: Printed


@dataclass(frozen=True)
class RatingRows:
    """A long table of single ratings: what printed numbers can be computed from."""

    file: str
    keys: Sequence[str]
    rows: Sequence[tuple[Names, str, str, Fraction]]


@dataclass(frozen=True)
class Confusion:
    """Counts of what two raters said about the same things, and the kappas printed beside."""

    names: Names
    categories: Sequence[str]
    values: Sequence[Fraction] | None
    counts: Sequence[Sequence[int]]
    kappas: Sequence[Printed]
    n: Printed | None = None


@dataclass(eq=False)
class Published:
    """All that was read, and what was not understood; compared by being the same one."""

    frequencies: list[Frequencies] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)
    kappas: list[KappaCell] = field(default_factory=list)
    ratings: list[RatingRows] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
