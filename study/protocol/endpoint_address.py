"""An endpoint as a protocol declares it: its address and key, what it takes, and the way to it.

Generation, the judge and the chat page read all of this here; the first two ask with the official
client (`models.endpoint`), which the page, being no model code, does without.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from study.errors import ModelError

# Names that no public server answers to (RFC 6761, RFC 6762, RFC 8375, and habits of home routers).
_OWN_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home", ".home.arpa", ".intranet")
# Shared by providers behind their routers (RFC 6598); Python's `is_private` leaves it out.
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def base_address(given: str) -> str:
    """An address as a path can follow it: without spaces around it or a slash at the end."""
    return given.strip().rstrip("/")


def is_web_address(address: str) -> bool:
    """Whether it begins with http:// or https:// and names a host."""
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def shown_address(address: str) -> str:
    """The address without user name, password and query, which can hold secrets."""
    parts = urlsplit(base_address(address))
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/")


def key_in(variable: str, endpoint: str, *, field: str) -> str | None:
    """The key of an endpoint from the environment; None where no variable is named.

    Parameters
    ----------
    endpoint : str
        How the message calls it: its address, or words where that would tell systems apart.
    field : str
        How the protocol calls the variable's name, such as ``judge.api_key_variable``.

    Raises
    ------
    ModelError
        When a variable is named and empty.
    """
    if not variable:
        return None
    if key := os.environ.get(variable, "").strip():
        return key
    raise ModelError(
        f"The environment variable {variable} is not set; expected the key of {endpoint}. Set it in the "
        f"shell that runs this command, or remove {field} when the endpoint needs no key."
    )


def request_settings(
    sampling: Mapping[str, float],
    longest: int,
    *,
    length_parameter: str,
    leave_out: tuple[str, ...],
) -> dict[str, Any]:
    """How a reply is sampled, as fields of a request to an endpoint.

    Parameters
    ----------
    sampling : mapping
        Of ``temperature``, ``top_p`` and ``seed``.
    longest : int
        Tokens of the reply at the most, sent as ``length_parameter``.
    leave_out : tuple of str
        Names of ``sampling`` that this endpoint refuses.
    """
    kept = {name: value for name, value in sampling.items() if name not in leave_out}
    return {**kept, length_parameter: longest}


def is_own_network(endpoint: str, *, resolve: bool = False) -> bool:
    """Whether an address belongs to this machine or to a private network.

    Parameters
    ----------
    endpoint : str
        Address with a scheme, such as ``http://10.0.0.7:8000/v1``.
    resolve : bool
        Also look names up; one that cannot be looked up is not known to be private.
    """
    host = (urlsplit(endpoint).hostname or "").rstrip(".").lower()
    if not host:
        return False
    number = _number(host)
    if number is not None:
        return _is_own(number)
    # A name without a dot is known only within one's own network.
    if "." not in host or host.endswith(_OWN_SUFFIXES):
        return True
    if not resolve:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    numbers = [_number(str(entry[4][0])) for entry in found]
    return any(number is not None and _is_own(number) for number in numbers)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _number(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    try:
        # 127.1, 0x7f000001 and 2130706433 are numbers, too, to every system's library.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _is_own(number: _Address) -> bool:
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    if isinstance(number, ipaddress.IPv4Address) and number in _SHARED:
        return True
    return number.is_private or number.is_loopback or number.is_link_local or number.is_unspecified


def proxy_fault(proxy: str, endpoint: str, *, field: str, resolve: bool = False) -> str:
    """Why an endpoint cannot be asked through this proxy, in a sentence; empty when it can.

    Parameters
    ----------
    field : str
        How the protocol calls the proxy, such as ``judge.proxy``.
    """
    if not proxy:
        return ""
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        return (
            f"{field} is {proxy!r}; expected the address of an HTTP proxy such as "
            "http://proxy.example.org:3128."
        )
    if parts.username or parts.password:
        return (
            f"{field} holds a user name or a password, and protocols are shown to others. Use a proxy "
            "that needs none, or one on this machine that adds them."
        )
    if is_own_network(endpoint, resolve=resolve):
        return (
            f"{field} is {proxy!r}, but {urlsplit(endpoint).hostname} is on this machine or in a private "
            "network, which is never asked through a proxy. Remove one of them."
        )
    return ""


def proxy_hint(endpoint: str, *, field: str) -> str:
    """What to do when an endpoint cannot be reached and the environment names a proxy; or empty."""
    proxies = urllib.request.getproxies()
    if is_own_network(endpoint) or not (proxies.keys() & {"http", "https", "all"}):
        return ""
    return (
        f" The environment names a proxy, which is used only where the protocol does: set {field} if "
        "there is no other way out."
    )
