"""What counts as a password in a file."""

from __future__ import annotations

import getpass
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moray.cli.passwords import ask, new_password, password
from moray.errors import BadKey, UnsafeFile
from moray.files import write_private

LINES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=8, max_size=200)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LINES, end=st.sampled_from(["", "\n", "\r\n"]))
def test_a_password_is_its_files_only_line_to_the_letter(tmp_path: Path, text: str, end: str) -> None:
    write_private(tmp_path / "password", f"{text}{end}".encode())
    assert new_password(tmp_path / "password").get_secret_value() == text


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"line\n\n", b"broken \xff bytes", b"nul\0", b"\rx"])
def test_anything_else_is_refused_without_being_quoted(tmp_path: Path, content: bytes) -> None:
    write_private(tmp_path / "p", content)
    with pytest.raises(BadKey) as refused:
        password(tmp_path / "p", "")
    assert str(refused.value) == f"{tmp_path / 'p'} must hold the password, one line of UTF-8 text, and nothing else"


def test_a_new_password_is_not_short_and_an_old_one_may_be(tmp_path: Path) -> None:
    write_private(tmp_path / "p", b"1234567")
    assert password(tmp_path / "p", "").get_secret_value() == "1234567"
    with pytest.raises(BadKey, match="8 characters"):
        new_password(tmp_path / "p")


def test_a_file_that_is_no_password_is_not_read_at_length(tmp_path: Path) -> None:
    write_private(tmp_path / "p", b"x" * 1025)
    with pytest.raises(UnsafeFile, match="1025 bytes"):
        password(tmp_path / "p", "")


def test_a_password_is_not_printed(tmp_path: Path) -> None:
    write_private(tmp_path / "p", b"correct horse")
    secret = password(tmp_path / "p", "")
    assert "correct" not in f"{secret!r} {secret}"


@pytest.mark.parametrize("typed", ["", "broken \udcff byte"])
def test_what_is_typed_must_be_text(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda _: typed)
    with pytest.raises(BadKey, match="try again"):
        ask("", "--password-file")


def test_without_a_terminal_that_hides_it_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_hide(_: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError("it was asked for all the same")

    monkeypatch.setattr(getpass, "getpass", cannot_hide)
    with pytest.raises(UnsafeFile, match="give FILE"):
        ask("", "FILE")
