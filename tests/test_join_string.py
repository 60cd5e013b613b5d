"""A join string says where to ask and whom to believe; a mistyped one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import BadSetting
from moray.join_string import JoinString, parse_join_string
from moray.node_key import NodeKey

OWNER = NodeKey.from_bytes(bytes(31) + b"\x07").address
URLS = st.sampled_from(["http://203.0.113.5:8000", "https://router.example", "http://[::1]:1", "https://a/b"])
OWNERS = st.integers(1, 2**255).map(lambda number: NodeKey.from_bytes(number.to_bytes(32)).address)


@given(url=URLS, owner=OWNERS, space=st.sampled_from(["", " ", "\n"]), slash=st.sampled_from(["", "/"]))
def test_what_is_written_is_read(url: str, owner: str, space: str, slash: str) -> None:
    assert parse_join_string(f"{space}{url}{slash}#{owner}{space}") == JoinString(url, owner)
    assert parse_join_string(str(JoinString(url, owner))) == JoinString(url, owner)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "http://router:8000",
        "http://router:8000#",
        f"#{OWNER}",
        f"router:8000#{OWNER}",
        f"ftp://router#{OWNER}",
        f"http://user:secret@router#{OWNER}",
        f"http://router?x=1#{OWNER}",
        f"http://router//#{OWNER}",
        f"http://router#{OWNER.lower()}",  # without its checksum a mistyped digit is not noticed
        f"http://router#{OWNER.swapcase()}",
        f"http://router#{OWNER[2:]}",
        f"http://router#{OWNER[:-1]}",
        f"http://router##{OWNER}",
        f"http://router#{OWNER}#",
        f"http://router#{OWNER} x",
        f"http://router/{'a' * 5000}#{OWNER}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="moray network sign") as refused:
        parse_join_string(text)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(BadSetting):
        parse_join_string(text)


def test_a_mistyped_digit_is_noticed() -> None:
    """A checksum lets one in thousands pass; of this address none does."""
    typed = {OWNER[:at] + digit + OWNER[at + 1 :] for at in range(2, 42) for digit in "0123456789abcdefABCDEF"}
    for owner in typed - {OWNER}:
        with pytest.raises(BadSetting):
            parse_join_string(f"http://router#{owner}")
