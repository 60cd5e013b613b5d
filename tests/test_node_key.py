"""A node's key signs and stays where it is."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.backends.native.main import NativeECCBackend
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st
from ray import cloudpickle

from moray.errors import BadKey, BadSignature
from moray.node_key import NodeKey, TypedData, recover

# The example of EIP-712 itself, with the key keccak256("cow"), its address and its signature.
COW = bytes.fromhex("c85ef7d79691fe79573b1a7064c19c1a9819ebdbd1faaab1a8ec92344438aaf4")
COW_ADDRESS = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
COW_SIGNATURE = bytes.fromhex(
    "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    "1c"
)
PERSON = [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}]
MAIL: TypedData = {
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Person": PERSON,
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "domain": {
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    "message": {
        "from": {"name": "Cow", "wallet": COW_ADDRESS},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}
PRIVATE_KEYS = st.integers(1, SECPK1_N - 1).map(lambda number: number.to_bytes(32, "big"))


def test_the_example_of_eip_712_has_the_signature_that_it_prints() -> None:
    key = NodeKey.from_bytes(COW)
    assert key.address == COW_ADDRESS
    assert key.sign_typed_data(MAIL) == COW_SIGNATURE
    assert recover(MAIL, COW_SIGNATURE) == COW_ADDRESS


@given(private_key=PRIVATE_KEYS, contents=st.text())
def test_a_signature_names_its_signer_and_stands_for_nothing_else(private_key: bytes, contents: str) -> None:
    key = NodeKey.from_bytes(private_key)
    data = MAIL | {"message": MAIL["message"] | {"contents": contents}}
    signature = key.sign_typed_data(data)
    assert len(signature) == 65 and recover(data, signature) == key.address
    other = MAIL | {"message": MAIL["message"] | {"contents": contents + "x"}}
    assert recover(other, signature) != key.address


@given(private_key=PRIVATE_KEYS)
def test_a_signature_has_no_twin(private_key: bytes) -> None:
    signature = NodeKey.from_bytes(private_key).sign_typed_data(MAIL)
    s = SECPK1_N - int.from_bytes(signature[32:64])
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(BadSignature, match="upper half"):
        recover(MAIL, twin)
    with pytest.raises(BadSignature, match="27 or 28"):
        recover(MAIL, signature[:64] + bytes([signature[64] - 27]))


@given(signature=st.one_of(st.binary(max_size=70), st.binary(min_size=64, max_size=64).map(lambda rs: rs + b"\x1b")))
def test_bytes_that_nobody_signed_with_are_a_typed_error_or_a_strangers_address(signature: bytes) -> None:
    try:
        address = recover(MAIL, signature)
    except BadSignature as error:
        assert str(error)
    else:
        assert address != COW_ADDRESS


@pytest.mark.parametrize("rs", [bytes(64), bytes(32) + bytes(31) + b"\1", bytes(31) + b"\1" + bytes(32), b"\xff" * 64])
def test_numbers_outside_the_curve_are_no_signature(rs: bytes) -> None:
    with pytest.raises(BadSignature):
        recover(MAIL, rs + b"\x1b")


@pytest.mark.parametrize(
    "wrong", [b"", bytes(32), SECPK1_N.to_bytes(32, "big"), b"\xff" * 32, b"\x11" * 31, b"\x11" * 33]
)
def test_what_is_no_private_key_is_refused_without_being_quoted(wrong: bytes) -> None:
    with pytest.raises(BadKey) as refused:
        NodeKey.from_bytes(wrong)
    told = "".join(traceback.format_exception(refused.value))
    for form in (wrong.hex(), repr(wrong)[2:-1], str(int.from_bytes(wrong))):
        assert len(form) < 2 or form not in told


@given(private_key=PRIVATE_KEYS)
def test_a_key_prints_its_address_only(private_key: bytes) -> None:
    key = NodeKey.from_bytes(private_key)
    assert repr(key) == str(key) == f"{key}" == f"NodeKey(address='{Account.from_key(private_key).address}')"


KEY = NodeKey.from_bytes(COW)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (pickle.dumps, KEY),
        (pickle.dumps, {"keys": [KEY]}),
        (cloudpickle.dumps, KEY),
        (cloudpickle.dumps, lambda key=KEY: key.address),
        (copy.copy, KEY),
        (copy.deepcopy, [KEY]),
    ],
)
def test_a_key_is_neither_pickled_nor_copied(way: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        way(value)


def test_the_curve_is_computed_by_coincurve(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    for name in ("ecdsa_sign", "ecdsa_recover"):
        method = getattr(CoinCurveECCBackend, name)

        def note(*arguments: Any, name: str = name, method: Callable[..., Any] = method) -> Any:
            computed.append(name)
            return method(*arguments)

        monkeypatch.setattr(CoinCurveECCBackend, name, note)
    recover(MAIL, KEY.sign_typed_data(MAIL))
    assert computed == ["ecdsa_sign", "ecdsa_recover"]


@given(private_key=PRIVATE_KEYS, digest=st.binary(min_size=32, max_size=32))
def test_coincurve_and_pure_python_agree(private_key: bytes, digest: bytes) -> None:
    fast, slow = (PrivateKey(private_key, backend) for backend in (CoinCurveECCBackend(), NativeECCBackend()))
    assert isinstance(fast.backend, CoinCurveECCBackend) and isinstance(slow.backend, NativeECCBackend)
    signature = fast.sign_msg_hash(digest)
    assert signature == slow.sign_msg_hash(digest)
    recovered = slow.backend.ecdsa_recover(digest, signature)
    assert recovered == fast.backend.ecdsa_recover(digest, signature)
    assert recovered.to_checksum_address() == NodeKey.from_bytes(private_key).address


@given(private_key=PRIVATE_KEYS, tx_nonce=st.integers(0, 2**63), data=st.binary(max_size=100))
def test_a_signed_transaction_is_of_the_key_and_says_what_was_asked(
    private_key: bytes, tx_nonce: int, data: bytes
) -> None:
    key = NodeKey.from_bytes(private_key)
    fields = {"type": 2, "chainId": 31337, "nonce": tx_nonce, "to": COW_ADDRESS, "data": data, "value": 1}
    raw = key.sign_transaction(fields | {"gas": 21000, "maxFeePerGas": 7, "maxPriorityFeePerGas": 3})
    assert Account.recover_transaction(raw) == key.address
    said = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert (said["nonce"], bytes(said["data"]), said["chainId"]) == (tx_nonce, data, 31337)
