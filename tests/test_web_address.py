"""A host or URL is taken in one spelling, and nothing that means another address than it shows."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.web_address import plain_host, plain_url

HOSTS = ["localhost", "router", "a.b-c.example", "xn--bcher-kva.example", "3com.example", "203.0.113.5", "127.0.0.1"]
HOSTS += ["::1", "2001:db8::5", "a" * 63, ".".join(["a" * 49] * 5)]
ODD_HOSTS = ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "Router", "bücher.example", "a" * 64, "a/b", "a:1"]
ODD_HOSTS += ["127.1", "2130706433", "0x7f.1", "0x7f000001", "a.1", "01.2.3.4", "1.2.3.256", "١.1.1.1", "a\n", "[::1]"]
ODD_HOSTS += ["::FFFF", "0:0:0:0:0:0:0:1", "fe80::1%eth0", "::ffff:127.0.0.1", "::ffff:7f00:1", "0.0.0.0", "::"]
ODD_HOSTS += [".".join(["a" * 50] * 5), "9" * 100_000]
URLS = [
    "http://router:8000",
    "https://router.example",
    "http://[::1]:1",
    "https://cdn.example/a/b-c_d~e.f",
    "http://a/~b",
]
URLS += ["http://1.2.3.4:65535"]
ODD_URLS = [
    "",
    "router:8000",
    "//router",
    "ftp://router",
    "file:///etc/passwd",
    "HTTP://router",
    "http:router",
    "http://",
]
ODD_URLS += [
    "http://u@router",
    "http://u:p@router",
    "http://router?q",
    "http://router/a?q=1",
    "http://router#x",
    "http://r#",
]
ODD_URLS += [
    "http://router/",
    "http://router/a/",
    "http://router//a",
    "http://router/../a",
    "http://router/./a",
    "http://r/a/..",
]
ODD_URLS += ["http://router/%2e%2e", "http://router/a b", "http://router\\a", "http://router:0", "http://router:65536"]
ODD_URLS += [
    "http://router:",
    "http://router:080",
    "http://router:8a",
    "http://router:٣",
    "http://::1",
    "http://[::1",
    "http://[a]",
]
ODD_URLS += [
    "http://[127.0.0.1]",
    "http://127.1",
    "http://Router",
    "http://router\n",
    " http://router",
    "http://rou\tter",
]
ODD_URLS += ["http://0.0.0.0:8000", "http://[::]:8000", "http://[::1%25eth0]", "http://a/" + "b" * 504]


@pytest.mark.parametrize("host", HOSTS)
def test_a_plain_host_is_taken_as_it_is(host: str) -> None:
    assert plain_host(host) == host


@pytest.mark.parametrize("host", ODD_HOSTS, ids=lambda host: ascii(host[:30]))
def test_an_odd_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"host|DNS|address"):
        plain_host(host)


@pytest.mark.parametrize("url", URLS)
def test_a_plain_url_is_taken_as_it_is(url: str) -> None:
    assert plain_url(url) == url


@pytest.mark.parametrize("url", ODD_URLS, ids=lambda url: ascii(url[:30]))
def test_an_odd_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host|DNS|address|port|path|brackets"):
        plain_url(url)


@given(st.ip_addresses().map(str))
def test_an_address_is_taken_exactly_where_it_is_in_its_usual_spelling(text: str) -> None:
    address = ip_address(text)
    if address.is_unspecified or (address.version == 6 and address.ipv4_mapped):
        with pytest.raises(ValueError, match="address"):
            plain_host(text)
    else:
        assert plain_host(text) == text
        if address.version == 6 and address.compressed != address.exploded:
            with pytest.raises(ValueError, match="usual spelling"):
                plain_host(address.exploded)


@given(st.text("htps:/.[]@#?%-_~aZ09\n ü", max_size=30).map("http://".__add__))
def test_what_is_taken_means_the_same_to_another_parser(text: str) -> None:
    try:
        plain_url(text)
    except ValueError:
        return
    parts = urlsplit(text)
    assert parts.geturl() == text and parts.hostname and plain_host(parts.hostname) == parts.hostname
    assert (parts.username, parts.password, parts.query, parts.fragment) == (None, None, "", "")
    assert parts.port is None or 0 < parts.port < 65536
