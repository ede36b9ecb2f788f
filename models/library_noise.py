"""Keeps the model libraries' lines, warnings and progress bars from the user."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def library_noise_kept_out() -> Iterator[None]:
    """Send the process's error stream nowhere, and keep the libraries quiet.

    torchao warns of GPU libraries that it cannot load and torch of torchao's classes, in part before
    any logger is set up. Only for imports and loading: an own progress bar would vanish, too.
    """
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        with libraries_kept_quiet():
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def libraries_kept_quiet() -> Iterator[None]:
    """No log lines below errors, no warnings, no progress bars of transformers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers.utils import logging as transformers_logging

            bars = transformers_logging.is_progress_bar_enabled()
            transformers_logging.disable_progress_bar()
            try:
                yield
            finally:
                if bars:
                    transformers_logging.enable_progress_bar()
    finally:
        logging.disable(before)
