"""Simulated raters over the WebSocket, against a real server process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from study.store.ratings import rating_faults, read_ratings
from survey_app.server.load import LoadError, _quantile, measure_load, prepare_raters

if TYPE_CHECKING:
    from conftest import SurveyServer


def test_simulated_raters_finish_over_the_wire(start_server: Callable[..., SurveyServer]) -> None:
    # Oracle: the database holds 4 raters x 6 responses x 8 items, each once, and the log agrees.
    server = start_server(raters=1)
    tokens = prepare_raters(server.study, 4)
    result = measure_load(server.address, tokens, responses=6)
    assert result.errors == ()
    assert (result.raters, result.submissions) == (4, 24)
    assert 0 < result.p50_ms <= result.p95_ms <= result.p99_ms <= result.max_ms
    ratings = read_ratings(server.study)
    assert len({(r.assignment_id, r.item_id) for r in ratings}) == len(ratings) == 4 * 6 * 8
    assert rating_faults(server.study) == []
    # Finished raters have nothing to rate, which is said.
    with pytest.raises(LoadError, match="no response to rate"):
        measure_load(server.address, tokens, responses=1)


def test_other_machines_are_refused() -> None:
    with pytest.raises(LoadError, match="this machine only"):
        measure_load("http://192.0.2.1:8501", ["x"], responses=1)


def test_quantiles() -> None:
    # Oracle: R, quantile(c(1, 2, 4, 8), c(.5, .95)) gives 3.0 and 7.4.
    assert _quantile([1, 2, 4, 8], 0.5) == pytest.approx(3.0)
    assert _quantile([1, 2, 4, 8], 0.95) == pytest.approx(7.4)
