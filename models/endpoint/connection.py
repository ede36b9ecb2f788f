"""An endpoint, and the official client for it with nothing that the environment would add."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study.errors import ModelError
from study.installation import install_command
from study.protocol.endpoint_address import (
    base_address,
    is_web_address,
    key_in,
    proxy_fault,
    shown_address,
)
from study.protocol.judge import Judge
from study.protocol.systems import System

if TYPE_CHECKING:
    import ssl

    import openai

    from models.endpoint.transport import BoundedTransport

DEFAULT_TIMEOUT_S = 120.0
# The longest reply that a protocol may ask for, at three tokens a second.
DEFAULT_LONGEST_S = 2700.0
DEFAULT_RETRIES = 2
POOL_SIZE = 8
_LONGEST_CONNECT_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, by which way, how long one may take, and what it takes.

    Attributes
    ----------
    address : str
        Base address, usually ending in ``/v1``.
    model : str
        The name under which the endpoint serves it.
    key : str or None
        Sent as bearer token; None where the endpoint needs none.
    key_variable : str
        The environment variable that held it, for a message.
    proxy : str
        Address of an HTTP proxy; empty to ask directly, whatever the environment says.
    accepts : frozenset of str
        Settings beyond the protocol that it is known to honour under the same name (vLLM and
        ``evenhand serve-model``: ``top_k``, ``repetition_penalty``).
    length_parameter : str
        Under which name it takes the longest length of a reply.
    leave_out : tuple of str
        Of ``temperature``, ``top_p`` and ``seed``: what is not sent.
    timeout_s : float
        Seconds that it may be silent, to the first and between two pieces of an answer.
    longest_s : float
        Seconds that one answer may take in all.
    retries : int
        Further attempts after one that may fare better (see :mod:`models.endpoint.failures`).
    longest_wait_s : float
        The longest ``Retry-After`` that is kept to, in seconds; a longer one ends the attempts.
    prefix : str
        What stands before its fields in the protocol: ``judge.``, or nothing in a system.
    """

    address: str
    model: str
    key: str | None = field(default=None, repr=False)
    key_variable: str = ""
    proxy: str = ""
    accepts: frozenset[str] = frozenset()
    length_parameter: str = "max_tokens"
    leave_out: tuple[str, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    longest_s: float = DEFAULT_LONGEST_S
    retries: int = DEFAULT_RETRIES
    longest_wait_s: float = 120.0
    prefix: str = ""

    @property
    def shown(self) -> str:
        """The address without user name, password and query, which can hold secrets."""
        return shown_address(self.address)

    def checked(self) -> Endpoint:
        """This endpoint, once it is known that it can be asked.

        Raises
        ------
        ModelError
            When the address is none, or cannot be asked through the proxy.
        """
        if not is_web_address(self.address):
            raise ModelError(
                f"{self.prefix}endpoint is {self.address!r}; expected an address such as "
                "http://127.0.0.1:8000/v1."
            )
        field = f"{self.prefix}proxy"
        if fault := proxy_fault(self.proxy, self.address, field=field, resolve=True):
            raise ModelError(fault)
        return self


def endpoint_of_system(system: System) -> Endpoint:
    """The endpoint that a system declares.

    Raises
    ------
    ModelError
        When the variable that it names holds no key.
    """
    return Endpoint(
        address=system.endpoint,
        model=system.model,
        key=key_in(system.api_key_variable, system.endpoint, field="api_key_variable"),
        key_variable=system.api_key_variable,
        proxy=system.proxy,
        accepts=frozenset(system.endpoint_accepts),
        length_parameter=system.length_parameter,
        leave_out=system.leave_out,
    )


def endpoint_of_judge(judge: Judge) -> Endpoint:
    """The endpoint that the judge declares.

    Raises
    ------
    ModelError
        When the variable that it names holds no key.
    """
    longest = judge.longest_call_s
    return Endpoint(
        address=judge.endpoint,
        model=judge.model,
        key=key_in(judge.api_key_variable, judge.endpoint, field="judge.api_key_variable"),
        key_variable=judge.api_key_variable,
        proxy=judge.proxy,
        length_parameter=judge.length_parameter,
        leave_out=judge.leave_out,
        timeout_s=judge.timeout_s,
        longest_s=5 * judge.timeout_s if longest is None else longest,
        retries=judge.retries,
        longest_wait_s=judge.longest_wait_s,
        prefix="judge.",
    )


def known_certificates() -> ssl.SSLContext:
    """The known certificates, which take a while to read: once for all clients of a run.

    Raises
    ------
    ModelError
        When the client is not installed.
    """
    try:
        import httpx2
        import openai  # noqa: F401 - of the same extra, and the first to be used
    except ImportError as error:
        raise ModelError(
            f"Asking an endpoint needs the package 'openai'. Install it with: {install_command('models')}"
        ) from error
    known: ssl.SSLContext = httpx2.create_ssl_context()
    return known


def open_client(endpoint: Endpoint) -> tuple[openai.OpenAI, BoundedTransport]:
    """A client for a thread, and what it reads through.

    Raises
    ------
    ModelError
        When the client is not installed or the endpoint cannot be asked.
    """
    known = known_certificates()
    import openai

    from models.endpoint.transport import BoundedTransport

    transport = BoundedTransport(
        longest_s=endpoint.longest_s, verify=known, proxy=endpoint.checked().proxy or None
    )
    http = openai.DefaultHttpxClient(
        follow_redirects=False, timeout=_timeout(endpoint), transport=transport
    )
    client = openai.OpenAI(http_client=http, **_arguments(endpoint))
    _forget_ambient_settings(client)
    return client, transport


def open_async_client(
    endpoint: Endpoint, known: ssl.SSLContext, *, longest_body: int | None = None
) -> openai.AsyncOpenAI:
    """A client for an event loop.

    Parameters
    ----------
    known : ssl.SSLContext
        See :func:`known_certificates`.
    longest_body : int, optional
        Bytes of an answer that are read; `LONGEST_BODY` by default.

    Raises
    ------
    ModelError
        When the endpoint cannot be asked.
    """
    import httpx2
    import openai

    from models.endpoint.transport import LONGEST_BODY, AsyncBoundedTransport

    transport = AsyncBoundedTransport(
        longest_body=longest_body or LONGEST_BODY,
        verify=known,
        limits=httpx2.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE),
        proxy=endpoint.checked().proxy or None,
    )
    http = openai.DefaultAsyncHttpxClient(
        follow_redirects=False, timeout=_timeout(endpoint), transport=transport
    )
    client = openai.AsyncOpenAI(http_client=http, **_arguments(endpoint))
    _forget_ambient_settings(client)
    return client


def _timeout(endpoint: Endpoint) -> openai.Timeout:
    import openai

    connect = min(_LONGEST_CONNECT_S, endpoint.timeout_s)
    return openai.Timeout(endpoint.timeout_s, connect=connect, pool=None)


def _arguments(endpoint: Endpoint) -> dict[str, Any]:
    """No redirects, which would carry a prompt to another host; retries are decided here, too.

    The client would retry by itself, unseen by the judge's ledger.
    """
    return {
        "api_key": endpoint.key or "none",
        "base_url": base_address(endpoint.address),
        "timeout": _timeout(endpoint),
        "max_retries": 0,
    }


def _forget_ambient_settings(client: openai.OpenAI | openai.AsyncOpenAI) -> None:
    """Take out of a new client what it read from ``OPENAI_...`` variables of the environment.

    It would send an organisation, a project or headers from there to whatever address it is given.
    The constructor reads them wherever an argument is None, and there is no value that means "none".
    Hiding the variables meanwhile would change the environment of every other thread.
    """
    client.organization = client.project = None
    client.admin_api_key = client.webhook_secret = None
    # From OPENAI_CUSTOM_HEADERS. Private, so a test sends a request and looks at its headers.
    client._custom_headers = {}
    client._ambient_authorizations = frozenset()
