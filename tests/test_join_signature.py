"""A signed Join stands for every word of its handshake, and for nobody else's."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

import eip712_oracle
import wire_kit
from moray import wire
from moray.errors import BadSignature
from moray.join_signature import join_typed_data, recover_signer, sign_join
from moray.node_key import NodeKey

KEY = NodeKey.from_bytes(bytes(31) + b"\x07")
UNSIGNED = {"signature", "proof"}
FIELDS = [(cls, field.name) for cls in (wire.Hello, wire.Join) for field in fields(cls) if field.name not in UNSIGNED]
SEEDS = st.integers(0, 2**32)


def random_handshake(rng: random.Random) -> tuple[wire.Hello, wire.Join]:
    """As it comes over the wire, with what a signed Join must have."""
    hello, join = wire_kit.MAKERS["hello"](rng), wire_kit.MAKERS["join"](rng)
    assert isinstance(hello, wire.Hello) and isinstance(join, wire.Join)
    return hello, replace(join, tls_cert_sha256=rng.randbytes(32), expires_at=1 + rng.randrange(2**63))


def changed(value: Any, rng: random.Random) -> Any:
    """Another value of the same type, as near as can be."""
    if isinstance(value, int):
        return value ^ (1 << rng.randrange(31))
    if isinstance(value, bytes):
        at = rng.randrange(len(value))
        return value[:at] + bytes([value[at] ^ (1 << rng.randrange(8))]) + value[at + 1 :]
    if isinstance(value, str):
        return value[:-1] if value and rng.random() < 0.5 else value + "x"
    assert isinstance(value, list)
    return value[:-1] if value and rng.random() < 0.5 else [*value, value[0] if value else "x"]


@given(seed=SEEDS)
def test_a_signed_join_names_its_signer(seed: int) -> None:
    hello, join = random_handshake(random.Random(seed))
    signed = sign_join(KEY, hello, join)
    assert signed.signer == KEY.address == recover_signer(hello, signed)
    assert replace(signed, signer=join.signer, signature=join.signature) == join


@given(seed=SEEDS, where=st.sampled_from(FIELDS))
def test_any_changed_field_changes_the_signer(seed: int, where: tuple[type, str]) -> None:
    rng, (cls, name) = random.Random(seed), where
    hello, join = random_handshake(rng)
    signed = sign_join(KEY, hello, join)
    if cls is wire.Hello:
        hello = replace(hello, **{name: changed(getattr(hello, name), rng)})
    else:
        signed = replace(signed, **{name: changed(getattr(signed, name), rng)})
    assert recover_signer(hello, signed) != KEY.address


@given(seed=SEEDS)
def test_the_proof_is_made_after_the_signature(seed: int) -> None:
    hello, join = random_handshake(random.Random(seed))
    signed = sign_join(KEY, hello, join)
    assert recover_signer(hello, replace(signed, proof=bytes(32))) == KEY.address
    assert wire.join_proof(b"token", hello, signed) != wire.join_proof(b"token", hello, replace(signed, signature=b""))


@given(seed=SEEDS)
def test_what_is_signed_is_eip_712_of_plain_python(seed: int) -> None:
    hello, join = random_handshake(random.Random(seed))
    signable = encode_typed_data(full_message=join_typed_data(hello, join))
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert digest == eip712_oracle.signed_digest(hello, join)


def test_every_field_of_the_wire_is_signed() -> None:
    types = {
        struct: [field["name"] for field in named]
        for struct, named in join_typed_data(*random_handshake(random.Random(0)))["types"].items()
    }
    assert types["Hello"] == [field.name for field in fields(wire.Hello)]
    assert types["Join"] == ["hello", *(field.name for field in fields(wire.Join) if field.name not in UNSIGNED)]


@given(seed=SEEDS)
def test_a_signed_join_comes_over_the_wire_as_it_was_signed(seed: int) -> None:
    hello, join = random_handshake(random.Random(seed))
    read = wire.decode(wire.encode(sign_join(KEY, hello, join))[4:])
    assert isinstance(read, wire.Join)
    assert recover_signer(hello, read) == KEY.address


@pytest.mark.parametrize("missing", [{"tls_cert_sha256": b""}, {"expires_at": 0}])
def test_a_join_that_could_be_passed_on_is_not_signed(missing: dict[str, Any]) -> None:
    hello, join = random_handshake(random.Random(1))
    with pytest.raises(ValueError, match="certificate"):
        sign_join(KEY, hello, replace(join, **missing))


@given(seed=SEEDS, signature=st.binary(max_size=65))
def test_any_signature_is_somebody_elses_or_none(seed: int, signature: bytes) -> None:
    hello, join = random_handshake(random.Random(seed))
    try:
        assert recover_signer(hello, replace(join, signature=signature)) != KEY.address
    except BadSignature as error:
        assert str(error)
