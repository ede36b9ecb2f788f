"""By which way an endpoint is asked: directly, or through the proxy that the protocol names."""

from __future__ import annotations

import ipaddress
import socket
import urllib.request
from urllib.parse import urlsplit

# Names that no public server answers to (RFC 6761, RFC 6762, RFC 8375, and habits of home routers).
_OWN_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home", ".home.arpa", ".intranet")
# Shared by providers behind their routers (RFC 6598); Python's `is_private` leaves it out.
_SHARED = ipaddress.ip_network("100.64.0.0/10")


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
