"""How often each of many callers may do something: one token bucket per caller, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network, ip_address


class RateLimits:
    """``burst`` at once, ``rate_per_s`` in the long run, for each key. The clock is passed in.

    Of more than ``max_keys`` the one that was unused for longest is forgotten, and begins with a full bucket when it
    comes back. So there must be fewer callers than that who are worth holding back.
    """

    def __init__(self, rate_per_s: float, burst: int, max_keys: int) -> None:
        self._rate_per_s, self._burst, self._max_keys = rate_per_s, burst, max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def allow(self, key: str, now_s: float) -> bool:
        """Whether ``key`` may; if so, it has done it. Being refused costs nothing."""
        tokens, at_s = self._buckets.get(key, (float(self._burst), now_s))
        tokens = min(float(self._burst), tokens + max(0.0, now_s - at_s) * self._rate_per_s)
        is_allowed = tokens >= 1
        self._buckets[key] = tokens - is_allowed, max(at_s, now_s)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return is_allowed


def source_of(address: str) -> str:
    """Whom a connection from ``address`` counts for: an IPv4 address, or an IPv6 network of 64 bits, since whoever has
    one address there has all of them."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Network((int(ip), 64), strict=False))
    return str(ip)
