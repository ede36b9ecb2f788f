"""Errors that a user may see.

Every message says what is wrong, which value, what was expected and what to do. The command line
prints it as one line and the pages as one sentence; neither shows a traceback.
"""

from __future__ import annotations


class EvenhandError(Exception):
    """A mistake that a user can mend. The command line exits with ``exit_code``."""

    exit_code = 2


class Finding(EvenhandError):  # noqa: N818 (a finding is the outcome of a check, not an error)
    """A check did its work and found something (exit code 1)."""

    exit_code = 1


class ProtocolError(EvenhandError):
    """The protocol file cannot be used as it stands."""


class StoreError(EvenhandError):
    """The study folder or its database cannot be used as it stands."""


class LockError(EvenhandError):
    """The study is locked and this would change it, or it is not locked and this needs a lock."""


class LinkError(EvenhandError):
    """A rater's or coordinator's link is not valid."""


class RatingError(EvenhandError):
    """A submitted answer does not fit the item or the rater's place in the study."""


class ModelError(EvenhandError):
    """A system cannot be loaded or cannot honour what the protocol asks of it."""


class GenerationError(ModelError):
    """A system was loaded but did not give a usable response."""


class ImportFileError(EvenhandError):
    """A file made elsewhere has rows that cannot be imported."""


class WritingError(EvenhandError):
    """A file cannot be written where it should be; nothing of it is left."""


class AnalysisError(EvenhandError):
    """The data given to a statistic do not have the form that it needs."""
