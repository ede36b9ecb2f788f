"""What a page of ours posts: one JSON object, not too long, from this server's own pages."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

_MAX_BYTES = 64_000


async def json_object(request: Request) -> dict[str, Any]:
    """The object in a request's body.

    Raises
    ------
    ValueError
        When there is none, or it is too long.
    """
    # A page of another origin can post text/plain without asking; JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("expected JSON")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MAX_BYTES:
            raise ValueError("too long")
    try:
        body = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(body, dict):
        raise ValueError("expected an object")
    return body


def is_of_own_page(request: Request, address: str | None) -> bool:
    """Whether a page of this server sent a request, as far as its browser says.

    Parameters
    ----------
    address : str or None
        The address under which raters reach the server, when it was declared.
    """
    # Browsers send this one over https and to this machine only, the other one with every POST.
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    own = {request.headers.get("host"), urlsplit(address or "").netloc or None}
    return origin is None or urlsplit(origin).netloc in own
