"""Which addresses we may call on behalf of a configuration: never our own network by accident.

A URL is judged twice: as it is written, when the configuration is read, and by every address that
its name resolves to, each time it is called. Only what was judged is connected to, so a name that
changes its address in between gains nothing. Source: OWASP, "Server-Side Request Forgery
Prevention"; the blocks are those of the IANA special-purpose registries (RFC 6890), as Python's
``ipaddress`` knows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

URL_CHARS_MAX = 2_000
PUBLIC_PORTS = (443, 8443)
"""A web server's; any other port of a foreign host is none of a webhook's business."""

_HOST = re.compile(
    r"^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$"
)
_UNSEEN = re.compile(r"[\x00-\x20\x7f\\]")
_NUMBER = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")
_EMBEDDING = tuple(
    map(
        IPv6Network,
        ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"),
    )
)
"""IPv6 that carries an IPv4 address which a gateway would call instead."""

_OWN_V4 = tuple(
    map(
        IPv4Network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    )
)
_OWN_V6 = tuple(map(IPv6Network, ("::1/128", "fc00::/7")))
"""A house's own: loopback, private networks, a provider's behind its gateway (RFC 6598)."""


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """Why a URL can't be called, in words for whoever wrote it; None where it can."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or _UNSEEN.search(url):
        return f"must be at most {URL_CHARS_MAX} visible ASCII characters without backslashes"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a host or a port that can't be read"
    foreign_port = not allow_private and port is not None and port not in PUBLIC_PORTS
    faults = (
        (parts.scheme not in ("https", "http"), "must begin with https://"),
        (
            parts.scheme == "http" and not allow_private,
            "must begin with https:// (http:// is for allow_private alone)",
        ),
        ("@" in parts.netloc, "must hold no user or password; a secret goes into secret_file"),
        (bool(parts.fragment), "must have no #fragment"),
        (
            port == 0 or foreign_port,
            f"must have one of the ports {', '.join(map(str, PUBLIC_PORTS))}, or none",
        ),
    )
    found = next((fault for applies, fault in faults if applies), None)
    return found or _host_fault(parts.hostname or "", allow_private=allow_private)


def _host_fault(host: str, *, allow_private: bool) -> str | None:
    if _address(host) is not None:
        if may_call(host, allow_private=allow_private):
            return None
        return "names an address that may not be called; allow_private lets in the own network's"
    if not _HOST.match(host):
        return "has no host that is a name; write names beyond ASCII as xn--…"
    if _NUMBER.match(host.rpartition(".")[2]):
        return "has a number for a host; write an address as four numbers from 0 to 255"
    return None


def may_call(address: str, *, allow_private: bool) -> bool:
    """Whether a resolved address may be connected to.

    ``allow_private`` adds loopback and private networks, for tools on the same machine or in the
    same house; link-local addresses (where clouds keep their credentials) stay forbidden.
    """
    found = _address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found is None or _nobodys(found):
        return False
    if any(found in block for block in _own(found)):
        return allow_private
    return found.is_global


def _own(found: IPv4Address | IPv6Address) -> Sequence[IPv4Network | IPv6Network]:
    return _OWN_V4 if isinstance(found, IPv4Address) else _OWN_V6


def _nobodys(found: IPv4Address | IPv6Address) -> bool:
    """Whether no webhook stands there: many at once, a link's own, gateways, reserved blocks."""
    if found.is_multicast or found.is_unspecified or found.is_link_local:
        return True
    if isinstance(found, IPv4Address):
        return found.is_reserved
    if found.is_loopback:
        return False
    odd = found.scope_id is not None or found.is_site_local
    return odd or any(found in block for block in _EMBEDDING)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
