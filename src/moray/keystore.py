"""One private key under a password: Web3 Secret Storage, version 3, the format of geth and of most wallets.

A file may come from anywhere, so its shape and what it asks of this machine are checked before the password is tried.
Source: https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from moray.errors import BadKey, BadKeystore, WrongPassword
from moray.ethereum import Account, to_checksum_address
from moray.faults import first_fault
from moray.node_key import NodeKey

MAX_KEYSTORE_BYTES = 16 << 10
SCRYPT_N = 1 << 18  # of our own files, with r = 8 and p = 1: 256 MiB, about a second

# OWASP's password storage cheat sheet (2023): n = 2^17, r = 8, p = 1, or this many rounds of PBKDF2-HMAC-SHA256.
MIN_SCRYPT_WORK = (1 << 17) * 8  # n r p
MIN_PBKDF2_ROUNDS = 600_000
MIN_SCRYPT_MEMORY_BYTES = 16 << 20  # since p alone makes up the work without costing a guesser memory
# What a file may ask of us at most: eight times the work of our own.
MAX_SCRYPT_MEMORY_BYTES = 1 << 30
MAX_SCRYPT_WORK = 8 * SCRYPT_N * 8
MAX_PBKDF2_ROUNDS = 10_000_000


def _hex(min_bytes: int, max_bytes: int) -> StringConstraints:
    return StringConstraints(strict=True, pattern=f"^(0x)?([0-9a-fA-F]{{2}}){{{min_bytes},{max_bytes}}}$")


Hex16 = Annotated[str, _hex(16, 16)]
Hex20 = Annotated[str, _hex(20, 20)]
Hex32 = Annotated[str, _hex(32, 32)]
Salt = Annotated[str, _hex(8, 64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class ScryptParams(_Part):
    n: int = Field(ge=2, le=1 << 30)
    r: int = Field(ge=1, le=1 << 10)
    p: int = Field(ge=1, le=1 << 10)
    dklen: Literal[32]
    salt: Salt

    @property
    def work(self) -> int:
        return self.n * self.r * self.p

    @property
    def is_usable(self) -> bool:
        is_power_of_two = self.n & (self.n - 1) == 0
        memory_bytes = 128 * self.r * (self.n + self.p)
        return is_power_of_two and memory_bytes <= MAX_SCRYPT_MEMORY_BYTES and self.work <= MAX_SCRYPT_WORK

    @property
    def is_weak(self) -> bool:
        return 128 * self.r * self.n < MIN_SCRYPT_MEMORY_BYTES or self.work < MIN_SCRYPT_WORK


class Pbkdf2Params(_Part):
    c: int = Field(ge=1)
    prf: Literal["hmac-sha256"]
    dklen: Literal[32]
    salt: Salt

    @property
    def is_usable(self) -> bool:
        return self.c <= MAX_PBKDF2_ROUNDS

    @property
    def is_weak(self) -> bool:
        return self.c < MIN_PBKDF2_ROUNDS


class CipherParams(_Part):
    iv: Hex16


class _Crypto(_Part):
    cipher: Literal["aes-128-ctr"]
    cipherparams: CipherParams
    ciphertext: Hex32
    mac: Hex32


class ScryptCrypto(_Crypto):
    kdf: Literal["scrypt"]
    kdfparams: ScryptParams


class Pbkdf2Crypto(_Crypto):
    kdf: Literal["pbkdf2"]
    kdfparams: Pbkdf2Params


class Keystore(_Part):
    """A keystore's fields; others are ignored. ``address`` is optional in the format."""

    version: Literal[3]
    address: Hex20 | None = None
    crypto: Annotated[ScryptCrypto | Pbkdf2Crypto, Field(discriminator="kdf")] = Field(
        validation_alias=AliasChoices("crypto", "Crypto")  # the latter in files of old wallets
    )

    @property
    def checksum_address(self) -> str | None:
        return None if self.address is None else str(to_checksum_address(self.address))

    @property
    def is_weak(self) -> bool:
        """Whether guessing passwords is too cheap for whoever gets hold of the file."""
        return self.crypto.kdfparams.is_weak


def parse_keystore(text: bytes) -> Keystore:
    """Raises BadKeystore for what is no keystore, or one that would cost too much memory or time to open."""
    try:
        keystore = Keystore.model_validate_json(text)
    except ValidationError as exc:
        fault = first_fault(exc, "all of it")
        raise BadKeystore(f"not an Ethereum keystore of version 3 ({fault}); give another") from None
    if not keystore.crypto.kdfparams.is_usable:
        raise BadKeystore("its key derivation asks for absurd memory or time; export the key again with usual settings")
    return keystore


def encrypt(private_key: SecretBytes, password: SecretStr) -> bytes:
    """A keystore file of the key's. Takes about a second and 256 MiB. Raises BadKey."""
    NodeKey.from_bytes(private_key.get_secret_value())  # refuses what is no key
    content = Account.encrypt(
        private_key.get_secret_value(), password.get_secret_value(), kdf="scrypt", iterations=SCRYPT_N
    )
    return json.dumps(content, indent=2).encode() + b"\n"


def decrypt(keystore: Keystore, password: SecretStr) -> SecretBytes:
    """The private key. Takes what the file asks for. Raises WrongPassword, BadKeystore for another key than the file
    names."""
    try:
        private_key = bytes(Account.decrypt(keystore.model_dump(), password.get_secret_value()))
    except ValueError:  # the checks above leave only this: the MAC differs
        raise WrongPassword("the password is wrong, or the file is damaged; try again or restore your copy") from None
    try:
        address = NodeKey.from_bytes(private_key).address
    except BadKey:
        raise BadKeystore("it holds no key of Ethereum; give another") from None
    if keystore.checksum_address not in (None, address):
        raise BadKeystore(f"it names {keystore.checksum_address} and holds the key of {address}; restore your copy")
    return SecretBytes(private_key)
