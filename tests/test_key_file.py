"""A node's key on disk: written once, private, opened only as it should be."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from moray import key_file
from moray.errors import BadKey, BadKeystore, KeyExists, UnsafeFile, WrongPassword
from moray.files import create_private, write_private
from moray.keystore import Keystore

PRIVATE_KEY = bytes(range(1, 33))
ADDRESS = str(Account.from_key(PRIVATE_KEY).address)
PASSWORD = SecretStr("correct horse")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of PRIVATE_KEY, made once: it takes a second."""
    path = tmp_path_factory.mktemp("made") / "new" / "node.json"
    assert key_file.store_key(path, SecretBytes(PRIVATE_KEY), PASSWORD) == ADDRESS
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, stored: bytes) -> Path:
    create_private(tmp_path / "node.json", stored)
    return tmp_path / "node.json"


def foreign(path: Path, rounds: int = 600_000, **changes: object) -> Path:
    """A keystore by somebody else's code; a change to None takes the field out."""
    file = create_keyfile_json(PRIVATE_KEY, PASSWORD.get_secret_value().encode(), kdf="pbkdf2", iterations=rounds)
    kept = {name: value for name, value in (file | changes).items() if value is not None}
    write_private(path, json.dumps(kept).encode())
    return path


def test_a_stored_key_opens_with_its_password_and_tells_its_address_without(path: Path) -> None:
    assert key_file.read_address(path) == ADDRESS
    assert key_file.check_key(path) == ADDRESS
    assert key_file.load_key(path, PASSWORD).address == ADDRESS
    with pytest.raises(WrongPassword, match=r"node\.json: the password is wrong") as refused:
        key_file.load_key(path, SecretStr("correct house"))
    assert "house" not in str(refused.value)


def test_a_key_is_never_overwritten(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyExists, match="--keystore"):
        key_file.store_key(path, SecretBytes(PRIVATE_KEY), PASSWORD)
    assert path.read_bytes() == before
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyExists):
        key_file.store_key(tmp_path / "link", SecretBytes(PRIVATE_KEY), PASSWORD)
    assert not (tmp_path / "nowhere").exists()


def test_a_key_that_appears_while_another_is_encrypted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.json"

    def slow_encrypt(*_: object) -> bytes:
        write_private(path, b"the faster one")
        return b"the slower one"

    monkeypatch.setattr(key_file, "encrypt", slow_encrypt)
    with pytest.raises(KeyExists):
        key_file.store_key(path, SecretBytes(PRIVATE_KEY), PASSWORD)
    assert path.read_bytes() == b"the faster one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "encrypt", lambda *_: b"never written")
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "node.json", tmp_path / "file" / "below" / "node.json"):
        with pytest.raises(BadKey, match="give another --keystore"):
            key_file.store_key(path, SecretBytes(PRIVATE_KEY), PASSWORD)


def test_a_key_that_others_may_read_is_refused_with_a_remedy(path: Path) -> None:
    path.chmod(0o640)
    for read in (lambda: key_file.read_address(path), lambda: key_file.load_key(path, PASSWORD)):
        with pytest.raises(UnsafeFile, match="chmod 600"):
            read()


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadKeystore, match="moray node key new"):
        key_file.load_key(tmp_path / "none.json", PASSWORD)


def test_a_weak_keystore_is_refused_and_importing_it_makes_a_strong_one(tmp_path: Path) -> None:
    weak = foreign(tmp_path / "weak.json", rounds=1000)
    with pytest.raises(BadKeystore, match=r"weakly encrypted.*moray node key import .*weak\.json"):
        key_file.load_key(weak, PASSWORD)
    with pytest.raises(BadKeystore, match="weakly encrypted"):
        key_file.check_key(weak)
    found = key_file.read_foreign(weak)
    assert isinstance(found, Keystore)
    strong = tmp_path / "strong.json"
    key_file.store_key(strong, key_file.decrypt_from(weak, found, PASSWORD), PASSWORD)
    assert key_file.load_key(strong, PASSWORD).address == ADDRESS


def test_a_keystore_without_an_address_is_for_import_only(tmp_path: Path) -> None:
    path = foreign(tmp_path / "foreign.json", address=None)
    for read in (lambda: key_file.read_address(path), lambda: key_file.load_key(path, PASSWORD)):
        with pytest.raises(BadKeystore, match="names no address"):
            read()
    found = key_file.read_foreign(path)
    assert isinstance(found, Keystore)
    assert key_file.decrypt_from(path, found, PASSWORD).get_secret_value() == PRIVATE_KEY


def test_a_strong_foreign_keystore_is_used_as_it_is(tmp_path: Path) -> None:
    assert key_file.load_key(foreign(tmp_path / "foreign.json"), PASSWORD).address == ADDRESS


@given(
    private_key=st.binary(min_size=32, max_size=32),
    before=st.sampled_from(["", " ", "\n"]),
    prefix=st.sampled_from(["", "0x"]),
    after=st.sampled_from(["", "\n", "\r\n", "  "]),
    is_upper=st.booleans(),
)
def test_a_raw_key_is_read_in_every_usual_spelling(
    private_key: bytes, before: str, prefix: str, after: str, is_upper: bool
) -> None:
    digits = private_key.hex().upper() if is_upper else private_key.hex()
    text = f"{before}{prefix}{digits}{after}"
    assert key_file.parse_raw_key(text.encode(), "here").get_secret_value() == private_key


@pytest.mark.parametrize("text", ["", "0x", "11" * 31, "11" * 33, "11" * 32 + "\n" + "11" * 32, "gg" * 32, "1" * 63])
def test_what_is_no_raw_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadKey, match="here: neither") as refused:
        key_file.parse_raw_key(text.encode(), "here")
    assert "1111" not in str(refused.value)


def test_a_raw_key_in_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_text(PRIVATE_KEY.hex())
    path.chmod(0o604)
    with pytest.raises(UnsafeFile, match="0604"):
        key_file.read_foreign(path)
    path.chmod(0o400)
    found = key_file.read_foreign(path)
    assert isinstance(found, SecretBytes) and found.get_secret_value() == PRIVATE_KEY
    assert PRIVATE_KEY.hex() not in repr(found)


def test_random_keys_differ(tmp_path: Path) -> None:
    made = {key_file.random_key().get_secret_value() for _ in range(32)}
    assert len(made) == 32 and {len(key) for key in made} == {32}


def test_a_keystore_where_a_fifo_stands_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "node.json", 0o600)
    with pytest.raises(UnsafeFile, match="regular"):
        key_file.read_address(tmp_path / "node.json")
