"""Hosts and URLs that somebody else wrote, in the only spelling that is taken: equal ones are equal texts."""

from __future__ import annotations

import re
from ipaddress import ip_address

MAX_HOST_CHARACTERS = 253  # of DNS
MAX_URL_CHARACTERS = 512

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ENDS_IN_NUMBER = re.compile(
    r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)"
)  # which many read as an IPv4 address: 127.1, 0x7f000001
_URL = re.compile(r"https?://(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+))(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]+)*)")


def plain_host(text: str) -> str:
    """``text`` when one can dial it: a DNS name in lower case, or an IP address in its usual spelling.

    Raises ValueError.
    """
    if len(text) > MAX_HOST_CHARACTERS:
        raise ValueError(f"a host of {len(text)} characters; the limit is {MAX_HOST_CHARACTERS}")
    try:
        address = ip_address(text)
    except ValueError:
        if not _NAME.fullmatch(text) or _ENDS_IN_NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} is neither a DNS name in lower case nor an IP address") from None
        return text
    if address.is_unspecified:
        raise ValueError(f"{text} is where one listens; give the address that others dial")
    is_zoned_or_mapped = address.version == 6 and (address.scope_id or address.ipv4_mapped)
    if is_zoned_or_mapped or str(address) != text:
        raise ValueError(f"{text!r} is not an IP address in its usual spelling")
    return text


def plain_url(text: str) -> str:
    """``text`` when it is http or https, a host (see ``plain_host``), a port or none, and a path or none without a
    slash at its end. Credentials, queries, fragments and %-escapes are refused.

    Raises ValueError.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise ValueError(f"a URL of {len(text)} characters; the limit is {MAX_URL_CHARACTERS}")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a URL like http://host:port or https://host/path, in lower case")
    ipv6, name, port, path = match.groups()
    plain_host(ipv6 or name)
    if ipv6 and ":" not in ipv6:
        raise ValueError(f"{text!r} has brackets around what is no IPv6 address")
    if port and int(port) > 65535:
        raise ValueError(f"{text!r} has a port above 65535")
    if {".", ".."} & set(path.split("/")):
        raise ValueError(f"{text!r} has a path that leads elsewhere")
    return text
