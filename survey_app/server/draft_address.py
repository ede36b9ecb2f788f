"""Where the browser hands in drafts: what stands on a rater's page and is not saved yet.

A request of its own and no run of the page: that would cost the server ten times as much, once for
every tap.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from study import drafts
from study.errors import EvenhandError, LinkError
from survey_app.server.request_body import is_of_own_page, json_object
from survey_app.server.settings import RATER_COOKIE
from survey_app.server.study_in_force import settings_in_force, study_in_force

_log = logging.getLogger("survey_app")

ADDRESS = "/draft"
_MOST_WIDGETS = 500
_LONGEST_NAME = 100


async def keep_draft(request: Request) -> Response:
    """Keep the draft of a page; who it is of, the cookie says."""
    if not is_of_own_page(request, settings_in_force().address):
        return JSONResponse({"kept": False}, status_code=403)
    token = request.cookies.get(RATER_COOKIE, "")
    try:
        body = await json_object(request)
        page, draft = _name(body.get("page")), _draft(body)
        kept = await run_in_threadpool(drafts.keep, study_in_force(), token, page, draft)
    except LinkError:
        return JSONResponse({"kept": False}, status_code=403)
    except EvenhandError as error:
        _log.error("%s", error)
        return JSONResponse({"kept": False}, status_code=503)
    except ValueError:
        return JSONResponse({"kept": False}, status_code=400)
    # That its page is saved by now is how a race ends and no fault. Of a 4xx the browser would write an
    # error into its console: a draft that is under way while a message is sent is an ordinary case.
    return JSONResponse({"kept": True}) if kept else Response(status_code=204)


def _draft(body: dict[str, Any]) -> drafts.Draft:
    values, number = body.get("values"), body.get("number")
    if not isinstance(values, dict) or len(values) > _MOST_WIDGETS:
        raise ValueError("expected the values of some widgets")
    if not isinstance(number, int) or not 0 <= number < 2**53:
        raise ValueError("expected the draft's number")
    held = {_name(key): _value(value) for key, value in values.items()}
    return drafts.Draft(held, _name(body.get("writer")), number)


def _name(raw: object) -> str:
    if not isinstance(raw, str) or not raw.isascii() or len(raw) > _LONGEST_NAME:
        raise ValueError("expected a short name")
    return raw


def _value(raw: object) -> object:
    if isinstance(raw, list) and all(isinstance(one, int) for one in raw):
        return raw
    if raw is None or isinstance(raw, str | int):
        return raw
    if isinstance(raw, float) and math.isfinite(raw):
        return raw
    raise ValueError("expected a number, a text, a list of numbers or nothing")
