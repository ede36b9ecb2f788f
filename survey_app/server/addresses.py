"""The address under which raters reach the server: checked, kept, compared with where it listens."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from study.store.link_address import keep_address, read_address
from study.store.study import Study

# Where `evenhand serve` listens unless told otherwise.
DEFAULT_ADDRESS = "http://127.0.0.1:8501"
ANY_HOST = "0.0.0.0"  # noqa: S104 (a choice of the coordinator, not the default)
_PORTS = {"http": 80, "https": 443}


def address_fault(address: str) -> str:
    """Why no browser could open an address; empty when one could."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "which is no web address"
    if parts.scheme not in _PORTS:
        return "which does not begin with http:// or https://"
    if not host or port == 0 or any(letter.isspace() for letter in address):
        return "which is no web address"
    if parts.query or parts.fragment:
        return "which has more behind it than a path"
    if _unspecified(host):
        return "which is no address that a tablet can open"
    return ""


def _unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def settle_address(study: Study, given: str | None) -> tuple[str, str | None]:
    """The address of the links from now on, and the one that it replaces (None when it is the same)."""
    kept = read_address(study)
    if given is None or given == kept:
        return kept or DEFAULT_ADDRESS, None
    keep_address(study, given)
    return given, kept


def only_this_computer(address: str) -> bool:
    """Whether no other machine can open the address."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_network_address() -> str | None:
    """This machine's own address in the network around it; None where it cannot be found out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Chooses a way without sending anything; the address is one that nobody has (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            found = str(probe.getsockname()[0])
        except OSError:
            return None
    own = ipaddress.ip_address(found)
    return None if own.is_loopback or own.is_unspecified else found


def links_remarks(address: str) -> list[str]:
    """What to tell a coordinator about links that begin with this address."""
    if not only_this_computer(address):
        return []
    port = urlsplit(address).port or 80
    return [
        f"These links begin with {address}: they work on this computer only. For tablets: evenhand links "
        f"--address http://{local_network_address() or 'ADDRESS-OF-THIS-COMPUTER'}:{port}"
    ]


def serving_remarks(address: str, host: str, port: int) -> list[str]:
    """What does not fit between the links' address and the place where the server listens."""
    own = local_network_address() if host == ANY_HOST else None
    remarks = [f"In the local network this computer is http://{own}:{port}."] if own else []
    here = f"http://{own or 'ADDRESS-OF-THIS-COMPUTER'}:{port}"
    again = f"Write them again: evenhand links --address {here}"
    parts = urlsplit(address)
    if only_this_computer(address):
        other_port = (
            "" if (parts.port or 80) == port else f", and this server listens on port {port}"
        )
        remarks.append(
            f"The raters' links begin with {address}: they work on this computer only{other_port}. For "
            f"tablets: evenhand links --address {here}"
            + ("" if host == ANY_HOST else f", then evenhand serve --host {ANY_HOST} --port {port}")
        )
    elif not fits(address, host, port):
        listens = "this computer alone" if only_this_computer(f"http://{host}") else host
        remarks.append(
            f"The raters' links begin with {address}, but this server listens on port {port} of "
            f"{'all networks' if host == ANY_HOST else listens}. Unless another server passes it on, the "
            f"links do not lead here. {again}"
        )
    return remarks


def fits(address: str, host: str, port: int) -> bool:
    """Whether the address can lead to a server on this host and port.

    An https address always can: evenhand itself speaks http, so another server stands before it.
    """
    parts = urlsplit(address)
    if parts.scheme == "https":
        return True
    if (parts.port or _PORTS["http"]) != port:
        return False
    return only_this_computer(address) or not only_this_computer(f"http://{host}")
