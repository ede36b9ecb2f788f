"""What a test may not leave changed in its process, since the tests after it run there, too."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# pytest's own, which names the test and its phase; what scikit-learn and Streamlit set when they are first
# imported, in whichever test that is; and what torch sets when it first looks for compiled code.
_CHANGES_BY_ITSELF = (
    "PYTEST_CURRENT_TEST",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "TORCHINDUCTOR_CACHE_DIR",
    "MPLBACKEND",
)
_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGPIPE,
    signal.SIGUSR1,
)


@dataclass(frozen=True)
class ProcessState:
    """What belongs to the whole process: environment, folder, umask, logging, signals.

    Parameters
    ----------
    environment : dict
    folder : str
        The working directory.
    umask : int
    logging : tuple
        Of the root logger: level, what is disabled, and the handlers that are not pytest's.
    signals : dict
        Signal -> its handler.
    """

    environment: dict[str, str]
    folder: str
    umask: int
    logging: tuple[int, int, tuple[logging.Handler, ...]]
    signals: dict[signal.Signals, object]

    @classmethod
    def now(cls) -> ProcessState:
        """The state of this process."""
        umask = os.umask(0o077)
        os.umask(umask)
        root = logging.getLogger()
        # pytest puts handlers of its own in for each phase of a test.
        handlers = tuple(h for h in root.handlers if not type(h).__module__.startswith("_pytest."))
        return cls(
            {n: value for n, value in os.environ.items() if n not in _CHANGES_BY_ITSELF},
            str(Path.cwd()),
            umask,
            (root.level, root.manager.disable, handlers),
            {number: signal.getsignal(number) for number in _SIGNALS},
        )

    def differences(self, after: ProcessState) -> list[str]:
        """What differs later, one sentence each."""
        told = []
        for name in sorted(self.environment.keys() | after.environment.keys()):
            before, now = self.environment.get(name), after.environment.get(name)
            if before != now:
                told.append(f"the variable {name} was {before!r} and is {now!r}")
        for what in ("folder", "umask", "logging", "signals"):
            before, now = getattr(self, what), getattr(after, what)
            if before != now:
                told.append(f"{what}: was {before!r} and is {now!r}")
        return told

    def put_back(self, now: ProcessState) -> None:
        """Undo what differs in ``now``, so that one test's fault is told once."""
        for name in now.environment.keys() - self.environment.keys():
            del os.environ[name]
        os.environ.update(self.environment)
        os.chdir(self.folder)
        os.umask(self.umask)
        root = logging.getLogger()
        level, root.manager.disable, handlers = self.logging
        root.setLevel(level)
        for handler in now.logging[2]:
            if handler not in handlers:
                root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        for number, action in self.signals.items():
            signal.signal(number, action)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def leaves_the_process_as_it_was() -> Iterator[None]:
    """Fail a test that leaves the process changed, and put it back for the next one.

    The first of the autouse fixtures, so it looks after ``monkeypatch`` and all others have ended.
    """
    before = ProcessState.now()
    yield
    after = ProcessState.now()
    told = before.differences(after)
    if told:
        before.put_back(after)
        pytest.fail("this test left its process changed: " + "; ".join(told), pytrace=False)
