"""TCP connections to hosts that somebody else named: to public addresses only, unless the operator says otherwise.

A network's manifest and a DNS name are written by others. Without this they could make a node knock at the doors of the
network that it stands in.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Network, ip_address

from moray.errors import UnsafeAddress

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address in the last 32 bits, RFC 6052


def is_public(address: str) -> bool:
    """Whether ``address`` (IPv4 or IPv6, a zone allowed) is one host on the open internet.

    An IPv6 address that stands for an IPv4 address (mapped, NAT64, 6to4) is judged as that one. Raises ValueError for
    what is no address.
    """
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast
    inner = IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else found.ipv4_mapped or found.sixtofour
    if inner is not None:
        return is_public(str(inner))
    return found in _GLOBAL_UNICAST and found.is_global


def dial(host: str, port: int, timeout_s: float, allow_private: bool) -> socket.socket:
    """A connection to one of the host's addresses, tried in the resolver's order. ``timeout_s`` is for all of them; the
    name's look-up comes on top and takes as long as the system lets it.

    What is connected to is the very address that was judged, so a name that resolves otherwise the next time changes
    nothing, and a private address is not even knocked at. Raises UnsafeAddress when all are private, OSError.
    """
    deadline_s = time.monotonic() + timeout_s
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    usable = [entry for entry in found if allow_private or is_public(str(entry[4][0]))]
    if not usable:
        raise UnsafeAddress(
            f"{host} is at {found[0][4][0]}, which is no public address; if that is meant, give --allow-private"
        )
    problem: OSError = TimeoutError()
    for num_left, (family, kind, protocol, _, address) in zip(range(len(usable), 0, -1), usable, strict=True):
        patience_s = (deadline_s - time.monotonic()) / num_left  # so that one silent address leaves time for the others
        with ExitStack() as undo:
            connection = undo.enter_context(socket.socket(family, kind, protocol))
            connection.settimeout(max(patience_s, 0.001))
            try:
                connection.connect(address)
            except OSError as error:
                problem = error
                continue
            undo.pop_all()
            return connection
    raise problem
