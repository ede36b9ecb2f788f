"""Whether the systems of a study of conversations answer, told before raters come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.store.study import Study


_WAIT_S = 3.0


def chat_remark(study: Study, chat_address: str | None) -> str | None:
    """What is wrong at the study's chat address, in words; None when all of its systems are there.

    Systems with an endpoint of their own are not asked: naming what fails would tell them apart.
    """
    import httpx2

    from survey_app.chat.systems import chat_systems

    elsewhere = {system.id for system in study.protocol.systems if system.endpoint}
    systems = chat_systems(study, chat_address)
    here = [asked for name, asked in systems.items() if name not in elsewhere]
    if not here:
        return None
    address, key = here[0].address, here[0].key
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx2.get(f"{address}/models", headers=headers, timeout=_WAIT_S, trust_env=False)
        reply.raise_for_status()
        offered = {entry["id"] for entry in reply.json()["data"]}
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        return (
            f"Warning: the systems do not answer at {address} now ({_reason(error)}), so nobody can talk "
            "with them. Start them in another window: evenhand serve-model --all"
        )
    missing = sum(asked.model not in offered for asked in here)
    if missing:
        return (
            f"Warning: {address} answers, but {missing} of this study's {len(here)} systems are not there. "
            "Is it this study's `evenhand serve-model --all`?"
        )
    return None


def _reason(error: Exception) -> str:
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        return f"status {error.response.status_code}"
    if isinstance(error, httpx2.TimeoutException):
        return f"nothing within {_WAIT_S:g} s"
    if isinstance(error, httpx2.TransportError):
        return "no connection"
    return "what answers there is no chat address"
