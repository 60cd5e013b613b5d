"""A key on disk: made or imported once, opened with its password, its address readable without one."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from moray.errors import BadKey, BadKeystore, KeyExists, WrongPassword
from moray.ethereum import Account
from moray.files import create_private, read_private
from moray.keystore import MAX_KEYSTORE_BYTES, Keystore, decrypt, encrypt, parse_keystore
from moray.node_key import NodeKey

KEYSTORE = Path("keys/node.json")  # a node's, in its state directory
_ANEW = "encrypt it anew: `moray node key import {} --keystore NEW`"
_RAW_KEY = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{64})\s*")


def check_free(path: Path) -> None:
    """Raises KeyExists."""
    if os.path.lexists(path):
        raise KeyExists(f"{path} is there already and is not replaced; keep it, or give another --keystore")


def random_key() -> SecretBytes:
    return SecretBytes(bytes(Account.create().key))


def store_key(path: Path, private_key: SecretBytes, password: SecretStr) -> str:
    """Write a new keystore, mode 0600, in a directory made 0700 if it is absent, and return the key's address.

    Raises KeyExists, BadKey.
    """
    check_free(path)
    address = NodeKey.from_bytes(private_key.get_secret_value()).address
    content = encrypt(private_key, password)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private(path, content)
    except OSError as error:
        check_free(path)  # somebody else may have been faster
        raise BadKey(f"cannot write {path}: {error.strerror}; give another --keystore") from None
    return address


def load_key(path: Path, password: SecretStr) -> NodeKey:
    """The key of a keystore of one's own. Takes about a second and 256 MiB.

    Raises UnsafeFile, BadKeystore, WrongPassword; BadKeystore also for a file that is too weakly encrypted to keep.
    """
    keystore = _read_own(path)
    return NodeKey.from_bytes(decrypt_from(path, keystore, password).get_secret_value())


def read_address(path: Path) -> str:
    """The address that a keystore names; only opening it proves that the key inside is of it.

    Raises UnsafeFile, BadKeystore.
    """
    return _named_address(path, _read_keystore(path))


def check_key(path: Path) -> str:
    """The address of a keystore of one's own that ``load_key`` would open, given the password.

    Raises UnsafeFile, BadKeystore.
    """
    return _named_address(path, _read_own(path))


def read_foreign(path: Path) -> SecretBytes | Keystore:
    """What a file to import holds: a raw key as 64 hex digits, or a keystore to decrypt.

    Raises UnsafeFile, BadKey, BadKeystore.
    """
    if _RAW_KEY.fullmatch(os.fsencode(path)):  # not quoted, as a path that is missing would be
        raise BadKey("that is a private key, not a file: others can read command lines, so use another key, in a file")
    content = read_private(path, MAX_KEYSTORE_BYTES)
    if content.lstrip().startswith(b"{"):
        return _parse(path, content)
    return parse_raw_key(content, str(path))


def parse_raw_key(content: bytes, source: str) -> SecretBytes:
    """The private key in 64 hex digits, with or without 0x. Raises BadKey, which names ``source``, not the content."""
    match = _RAW_KEY.fullmatch(content)
    if match is None:
        raise BadKey(f"{source}: neither a private key of 64 hex digits nor a keystore; give one of them")
    return SecretBytes(bytes.fromhex(match[1].decode()))


def decrypt_from(path: Path, keystore: Keystore, password: SecretStr) -> SecretBytes:
    """``decrypt`` with the file's path in its errors."""
    try:
        return decrypt(keystore, password)
    except (BadKeystore, WrongPassword) as error:
        raise type(error)(f"{path}: {error}") from None


def _read_own(path: Path) -> Keystore:
    keystore = _read_keystore(path)
    _named_address(path, keystore)
    if keystore.is_weak:
        raise BadKeystore(f"{path} is too weakly encrypted; {_ANEW.format(path)}")
    return keystore


def _read_keystore(path: Path) -> Keystore:
    if not os.path.lexists(path):
        command = f"moray node key new --keystore {shlex.quote(str(path))}"
        raise BadKeystore(f"there is no key at {path}; make one with `{command}`, or give another --keystore")
    return _parse(path, read_private(path, MAX_KEYSTORE_BYTES))


def _parse(path: Path, content: bytes) -> Keystore:
    try:
        return parse_keystore(content)
    except BadKeystore as error:
        raise BadKeystore(f"{path}: {error}") from None


def _named_address(path: Path, keystore: Keystore) -> str:
    if keystore.checksum_address is None:
        raise BadKeystore(f"{path} names no address; {_ANEW.format(path)}")
    return keystore.checksum_address
