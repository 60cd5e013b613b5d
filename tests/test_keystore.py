"""The encrypted file: of the standard's form, and safe to open whoever wrote it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from Crypto.Hash import keccak
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from eth_keyfile.keyfile import create_keyfile_json
from eth_keys.constants import SECPK1_N
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from moray import keystore as kept
from moray.errors import BadKey, BadKeystore, WrongPassword
from moray.keystore import decrypt, encrypt, parse_keystore

PASSWORD = SecretStr("correct horse 🐎")
# The two test vectors of the format's own description.
PBKDF2_VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT_VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
VECTOR_KEY = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")


def changed(vector: dict[str, Any], path: str, value: object) -> bytes:
    """The vector as a file, with the field at ``path`` set, or taken out where ``value`` is None."""
    copy = json.loads(json.dumps(vector))
    *parents, last = path.split(".")
    part = copy
    for name in parents:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return json.dumps(copy).encode()


@pytest.mark.parametrize("vector", [PBKDF2_VECTOR, SCRYPT_VECTOR], ids=["pbkdf2", "scrypt"])
def test_the_vectors_of_the_format_open(vector: dict[str, Any]) -> None:
    keystore = parse_keystore(json.dumps(vector).encode())
    assert decrypt(keystore, SecretStr("testpassword")).get_secret_value() == VECTOR_KEY
    with pytest.raises(WrongPassword):
        decrypt(keystore, SecretStr("testpasswore"))


def test_a_file_of_ours_opens_with_other_peoples_code() -> None:
    file = json.loads(encrypt(SecretBytes(VECTOR_KEY), PASSWORD))
    crypto, params = file["crypto"], file["crypto"]["kdfparams"]
    assert (file["version"], crypto["cipher"], crypto["kdf"]) == (3, "aes-128-ctr", "scrypt")
    derived = hashlib.scrypt(
        PASSWORD.get_secret_value().encode(),
        salt=bytes.fromhex(params["salt"]),
        n=params["n"],
        r=params["r"],
        p=params["p"],
        dklen=params["dklen"],
        maxmem=512 << 20,
    )
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    mac = keccak.new(digest_bits=256, data=derived[16:] + ciphertext).hexdigest()
    assert mac == crypto["mac"]
    counter = modes.CTR(bytes.fromhex(crypto["cipherparams"]["iv"]))
    assert Cipher(algorithms.AES(derived[:16]), counter).decryptor().update(ciphertext) == VECTOR_KEY


def test_a_file_of_ours_is_strong_and_opens_with_its_password_only() -> None:
    text = encrypt(SecretBytes(VECTOR_KEY), PASSWORD)
    keystore = parse_keystore(text)
    assert not keystore.is_weak
    assert decrypt(keystore, PASSWORD).get_secret_value() == VECTOR_KEY
    with pytest.raises(WrongPassword):
        decrypt(keystore, SecretStr(PASSWORD.get_secret_value() + " "))
    assert VECTOR_KEY.hex() not in text.decode() and PASSWORD.get_secret_value() not in text.decode()
    assert encrypt(SecretBytes(VECTOR_KEY), PASSWORD) != text  # another salt


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("crypto.kdfparams.n", 1 << 29),
        ("crypto.kdfparams.n", 1 << 62),
        ("crypto.kdfparams.n", 10**400),
        ("crypto.kdfparams.n", 262145),
        ("crypto.kdfparams.n", 0),
        ("crypto.kdfparams.n", -262144),
        ("crypto.kdfparams.n", "262144"),
        ("crypto.kdfparams.n", True),
        ("crypto.kdfparams.r", 1 << 10),
        ("crypto.kdfparams.r", 1 << 40),
        ("crypto.kdfparams.p", 1 << 10),
        ("crypto.kdfparams.p", 0),
        ("crypto.kdfparams.dklen", 1 << 30),
        ("crypto.kdfparams.dklen", 31),
        ("crypto.kdfparams.salt", ""),
        ("crypto.kdfparams.salt", "ab" * 4000),
    ],
)
def test_parameters_that_would_eat_memory_or_time_are_refused_before_they_are_used(
    path: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("the key derivation was called")

    monkeypatch.setattr("eth_keyfile.keyfile.scrypt", never)
    with pytest.raises(BadKeystore) as refused:
        decrypt(parse_keystore(changed(SCRYPT_VECTOR, path, value)), PASSWORD)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rounds", [10_000_001, 10**30, 0, -1])
def test_absurd_pbkdf2_rounds_are_refused(rounds: int) -> None:
    with pytest.raises(BadKeystore):
        parse_keystore(changed(PBKDF2_VECTOR, "crypto.kdfparams.c", rounds))


@given(n=st.integers(1, 30).map(lambda bits: 1 << bits), r=st.integers(1, 1024), p=st.integers(1, 1024))
def test_no_scrypt_that_is_let_through_takes_more_than_eight_times_ours(n: int, r: int, p: int) -> None:
    text = json.loads(json.dumps(SCRYPT_VECTOR))
    text["crypto"]["kdfparams"] |= {"n": n, "r": r, "p": p}
    affordable = 128 * r * (n + p) <= 2**30 and n * r * p <= 2**24
    try:
        parse_keystore(json.dumps(text).encode())
    except BadKeystore:
        assert not affordable
    else:
        assert affordable


@pytest.mark.parametrize(
    ("n", "r", "p", "is_weak"),
    [
        (1 << 18, 8, 1, False),  # geth, ours
        (1 << 17, 8, 1, False),
        (1 << 16, 8, 1, True),
        (1 << 13, 8, 1, True),
        (1 << 12, 8, 6, True),  # geth --lightkdf
        (2, 8, 1024, True),
        (2, 1024, 512, True),  # work enough, but next to no memory
    ],
)
def test_too_little_scrypt_is_weak(n: int, r: int, p: int, is_weak: bool) -> None:
    text = json.loads(json.dumps(SCRYPT_VECTOR))
    text["crypto"]["kdfparams"] |= {"n": n, "r": r, "p": p}
    assert parse_keystore(json.dumps(text).encode()).is_weak is is_weak


@pytest.mark.parametrize(("rounds", "is_weak"), [(1, True), (262_144, True), (599_999, True), (600_000, False)])
def test_too_few_pbkdf2_rounds_are_weak(rounds: int, is_weak: bool) -> None:
    assert parse_keystore(changed(PBKDF2_VECTOR, "crypto.kdfparams.c", rounds)).is_weak is is_weak


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 4),
        ("version", None),
        ("version", "3"),
        ("crypto", None),
        ("crypto", []),
        ("crypto.cipher", "aes-128-cbc"),
        ("crypto.kdf", "argon2id"),
        ("crypto.kdf", None),
        ("crypto.kdf", "pbkdf2"),
        ("crypto.mac", None),
        ("crypto.mac", "zz" * 32),
        ("crypto.mac", "00" * 32 + "\n"),
        ("crypto.ciphertext", "00" * 31),
        ("crypto.ciphertext", "00" * 100_000),
        ("crypto.cipherparams.iv", "00" * 15),
        ("address", "0x00"),
        ("address", 7),
    ],
)
def test_a_foreign_or_damaged_file_is_one_line_that_names_the_field(path: str, value: object) -> None:
    with pytest.raises(BadKeystore) as refused:
        parse_keystore(changed(SCRYPT_VECTOR, path, value))
    assert path.rsplit(".")[-1] in str(refused.value) and "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", [b"", b"\0", b"[]", b"3", b"{}", b'{"version": 3', b"[" * 10_000, b"\xff\xfe{}"])
def test_what_is_no_keystore_at_all_is_one_line(text: bytes) -> None:
    with pytest.raises(BadKeystore, match="version 3"):
        parse_keystore(text)


def test_a_secret_in_the_wrong_place_is_not_quoted() -> None:
    for text in (VECTOR_KEY.hex().encode(), json.dumps({"version": 3, "crypto": VECTOR_KEY.hex()}).encode()):
        with pytest.raises(BadKeystore) as refused:
            parse_keystore(text)
        assert not re.search(VECTOR_KEY.hex()[:8], str(refused.value))


@given(text=st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(text: bytes) -> None:
    with pytest.raises(BadKeystore):
        parse_keystore(text)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file["crypto"] | {"ciphertext": "00" * 32},
        lambda file: file["crypto"] | {"mac": "00" * 32},
    ],
)
def test_a_damaged_secret_is_told_apart_from_nothing_but_a_wrong_password(
    damage: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    keystore = parse_keystore(json.dumps(PBKDF2_VECTOR | {"crypto": damage(PBKDF2_VECTOR)}).encode())
    with pytest.raises(WrongPassword, match="damaged"):
        decrypt(keystore, SecretStr("testpassword"))


def test_a_file_that_names_another_address_is_refused() -> None:
    text = changed(PBKDF2_VECTOR, "address", "00" * 20)
    with pytest.raises(BadKeystore, match="holds the key of 0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"):
        decrypt(parse_keystore(text), SecretStr("testpassword"))


def test_a_file_with_something_else_inside_is_refused_without_showing_it() -> None:
    """The MAC is over the ciphertext, so whoever knows the password can encrypt anything."""
    file = json.loads(changed(PBKDF2_VECTOR, "crypto.ciphertext", "00" * 32))
    params = file["crypto"]["kdfparams"]
    derived = hashlib.pbkdf2_hmac("sha256", b"testpassword", bytes.fromhex(params["salt"]), params["c"], 32)
    counter = modes.CTR(bytes.fromhex(file["crypto"]["cipherparams"]["iv"]))
    for inside in (bytes(32), SECPK1_N.to_bytes(32, "big")):
        ciphertext = Cipher(algorithms.AES(derived[:16]), counter).encryptor().update(inside)
        file["crypto"]["ciphertext"] = ciphertext.hex()
        file["crypto"]["mac"] = keccak.new(digest_bits=256, data=derived[16:] + ciphertext).hexdigest()
        with pytest.raises(BadKeystore, match="no key of Ethereum"):
            decrypt(parse_keystore(json.dumps(file).encode()), SecretStr("testpassword"))


def test_old_wallets_spellings_are_read() -> None:
    file = create_keyfile_json(VECTOR_KEY, b"testpassword", kdf="pbkdf2", iterations=1000)
    file["Crypto"] = file.pop("crypto")
    file["address"] = "0x" + file["address"].lower()
    assert (
        decrypt(parse_keystore(json.dumps(file).encode()), SecretStr("testpassword")).get_secret_value() == VECTOR_KEY
    )


def test_what_is_no_key_is_not_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SCRYPT_N", 2)  # nothing is derived in this test
    with pytest.raises(BadKey):
        encrypt(SecretBytes(bytes(32)), PASSWORD)
