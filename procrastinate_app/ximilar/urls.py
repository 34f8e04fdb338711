"""The one rule for addresses of photos, for the worker and the gateway alike.

Ximilar downloads the photo, but an internal host name is not handed to a third party and a bad address costs
credit, so both are refused before a call. The raw string is judged first, since parsers differ in what they
repair (OWASP API7:2023; WHATWG URL, "ends in a number"). Whoever downloads a photo also judges the addresses that
its host's name resolves to.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

MAX_LENGTH = 2048

_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without the backslash
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_PRIVATE_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


class UrlRefused(ValueError):
    """The address is not that of a public photo; the message says why and does not repeat the address."""


def photo_url(raw: str, *, allow_private: bool = False) -> str:
    """Return the address to send, without its fragment.

    `allow_private` (development only) lets it name any host and port. Raises UrlRefused.
    """
    if len(raw) > MAX_LENGTH:
        raise UrlRefused(f"longer than {MAX_LENGTH} characters")
    if not _PRINTABLE.fullmatch(raw):
        raise UrlRefused("characters other than printable ASCII")
    url = raw.partition("#")[0]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UrlRefused("not a URL") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise UrlRefused("scheme is neither http nor https")
    if "@" in parts.netloc:
        raise UrlRefused("user name or password in the address")
    if not host:
        raise UrlRefused("no host")
    if not allow_private:
        _demand_public(host, port)
    return url


def _demand_public(host: str, port: int | None) -> None:
    labels = host.split(".")
    if ":" in host or "%" in host or _NUMBER.fullmatch(labels[-1]):
        raise UrlRefused("host is an IP address, not a name")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("host is not a public name")
    if host.endswith(_PRIVATE_SUFFIXES):
        raise UrlRefused("host is a private name")
    if port not in (None, 80, 443):
        raise UrlRefused("port is neither 80 nor 443")


def is_public_address(text: str) -> bool:
    """Whether an IP address that a name has resolved to lies on the public internet.

    An IPv6 address may carry one of IPv4 (mapped, RFC 4291; 6to4, RFC 3056; NAT64, RFC 6052), which Python calls
    public whatever it is; the one inside is what counts.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public_address(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return is_public_address(str(inside))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast
