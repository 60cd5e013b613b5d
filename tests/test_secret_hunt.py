"""What looks for secrets finds them."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_hunt import CHUNK_BYTES, files, hunt, processes

KEY = bytes(range(200, 232))
ENCODINGS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    b64encode,
    urlsafe_b64encode,
    lambda content: content.hex().encode(),
    lambda content: content.hex().upper().encode(),
)


@given(before=st.binary(max_size=40), after=st.binary(max_size=40), encode=st.sampled_from(ENCODINGS))
def test_a_secret_is_found_in_whatever_is_encoded_around_it(
    before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    assert hunt({"key": KEY}, [("here", encode(before + KEY + after))]) == {"key": {"here"}}


@given(content=st.binary(max_size=400))
def test_what_is_not_there_is_not_found(content: bytes) -> None:
    assert hunt({"key": KEY}, [("here", content.replace(KEY[:2], b""))]) == {"key": set()}


def test_it_is_found_where_two_pieces_of_a_file_meet_and_in_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "one"
    path.write_bytes(bytes(CHUNK_BYTES - 7) + KEY)
    assert hunt({"key": KEY}, files(tmp_path)) == {"key": {str(path)}}
    assert hunt({"key": KEY}, files(tmp_path, but=[path])) == {"key": set()}
    assert hunt({"test": b"test_secret_hunt_needle"}, processes()) == {"test": set()}
