"""A report stands for every word in it and for its signer alone; what is malformed or meant for others is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

import eip712_oracle as oracle
from moray.errors import JoinRefused
from moray.node_key import NodeKey
from moray.node_report import (
    MAX_ASSIGNMENT_BYTES,
    MAX_CLOCK_ERROR_S,
    MAX_REPORT_BYTES,
    Assignment,
    NodeReport,
    encode_assignment,
    encode_report,
    parse_assignment,
    parse_report,
    report_signer,
    report_typed_data,
    sign_report,
)
from moray.types import PLAIN_NAME
from report_kit import NETWORK_ID, ROUTER, a_report

KEY = NodeKey.from_bytes(bytes(31) + b"\x07")
OTHER_KEY = NodeKey.from_bytes(bytes(31) + b"\x08")
CHAIN_ID, NOW = 31337, 1_800_000_000
REPORT_TYPE = (
    "NodeReport(uint32 format_version,string network_id,string router,string node_id,string signer,uint32 num_slots,"
    "uint32[] experts,uint32[] asked,bool is_draining,uint64 reported_at)"
)
EXPERTS = st.lists(st.integers(0, 255), max_size=5).map(tuple)
REPORTS = st.builds(
    NodeReport,
    format_version=st.just(1),
    network_id=st.just(NETWORK_ID),
    router=st.just(ROUTER),
    node_id=st.from_regex(PLAIN_NAME, fullmatch=True),
    num_slots=st.integers(1, 1024),
    experts=EXPERTS,
    asked=EXPERTS,
    is_draining=st.booleans(),
    reported_at=st.integers(NOW - 300, NOW + 300),
)
REPORT = a_report(num_slots=2, experts=(3, 4), reported_at=NOW)
SIGNED = sign_report(KEY, REPORT, CHAIN_ID)
FIELDS = json.loads(encode_report(SIGNED))


def parse(content: bytes) -> NodeReport:
    return parse_report(content, NETWORK_ID, ROUTER, NOW)


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(JoinRefused) as refused:
        parse(json.dumps(FIELDS | changes).encode())
    return refused.value.reason_code


@given(REPORTS)
def test_a_report_arrives_as_it_was_signed_and_names_its_signer(report: NodeReport) -> None:
    signed = sign_report(KEY, report, CHAIN_ID)
    read = parse(encode_report(signed))
    assert read == signed == replace(report, signer=KEY.address, signature=signed.signature)
    assert report_signer(read, CHAIN_ID) == KEY.address


@given(REPORTS)
def test_what_is_signed_is_eip_712_of_plain_python(report: NodeReport) -> None:
    named = replace(report, signer=KEY.address)
    signable = encode_typed_data(full_message=report_typed_data(named, CHAIN_ID))
    struct_hash = oracle.keccak(
        oracle.text(REPORT_TYPE)
        + oracle.word(named.format_version)
        + oracle.text(named.network_id)
        + oracle.text(named.router)
        + oracle.text(named.node_id)
        + oracle.text(named.signer)
        + oracle.word(named.num_slots)
        + oracle.keccak(b"".join(map(oracle.word, named.experts)))
        + oracle.keccak(b"".join(map(oracle.word, named.asked)))
        + oracle.word(named.is_draining)
        + oracle.word(named.reported_at)
    )
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert digest == oracle.in_domain(CHAIN_ID, struct_hash)


def test_every_field_is_signed() -> None:
    signed = [field["name"] for field in report_typed_data(SIGNED, CHAIN_ID)["types"]["NodeReport"]]
    assert signed == [field.name for field in fields(NodeReport) if field.name != "signature"]


@pytest.mark.parametrize(
    "changes",
    [
        {"network_id": "tests"},
        {"router": "203.0.113.6:9000"},
        {"node_id": "node-2"},
        {"signer": OTHER_KEY.address},
        {"signer": KEY.address.lower()},
        {"num_slots": 3},
        {"experts": (3,)},
        {"experts": (4, 3)},
        {"asked": (3,)},
        {"is_draining": True},
        {"reported_at": NOW + 1},
        {"signature": sign_report(OTHER_KEY, REPORT, CHAIN_ID).signature},
        {"signature": "0x" + "00" * 65},
        {"signature": "0x" + "ff" * 64 + "1b"},
        {"signature": ""},
    ],
)
def test_a_report_that_was_changed_or_signed_by_somebody_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(JoinRefused) as refused:
        report_signer(replace(SIGNED, **changes), CHAIN_ID)
    assert refused.value.reason_code == "bad_signature"


def test_a_report_of_another_chain_is_refused() -> None:
    with pytest.raises(JoinRefused, match="bad_signature"):
        report_signer(SIGNED, 1)


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_may_be_missing(name: str) -> None:
    rest = {other: value for other, value in FIELDS.items() if other != name}
    with pytest.raises(JoinRefused, match="malformed"):
        parse(json.dumps(rest).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"format_version": "1"},
        {"network_id": "x" * 129},
        {"node_id": ""},
        {"node_id": "a\x1b[2J"},
        {"node_id": "a\n"},
        {"node_id": "x" * 129},
        {"node_id": 7},
        {"signer": ""},
        {"signer": KEY.address[:-1]},
        {"signer": KEY.address + "\n"},
        {"num_slots": 0},
        {"num_slots": 1025},
        {"num_slots": 2.5},
        {"num_slots": True},
        {"experts": [-1]},
        {"experts": [2**31]},
        {"experts": ["3"]},
        {"experts": "3"},
        {"experts": [0] * 1025},
        {"asked": None},
        {"asked": [10**30]},
        {"is_draining": 1},
        {"reported_at": -1},
        {"reported_at": 2**64},
        {"reported_at": str(NOW)},
        {"signature": "0x" + "00" * 64},
        {"signature": "0x" + "g0" * 65},
        {"extra": 1},
    ],
)
def test_a_field_out_of_its_bounds_is_malformed(changes: dict[str, Any]) -> None:
    assert refusal(changes) == "malformed"


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 5000, b'{"node_id": "\\ud800"}'])
def test_what_is_no_report_at_all_is_malformed(content: bytes) -> None:
    with pytest.raises(JoinRefused, match="malformed"):
        parse(content)


def test_a_report_may_fill_its_limit_and_not_a_byte_more() -> None:
    content = encode_report(SIGNED).ljust(MAX_REPORT_BYTES)
    assert parse(content) == SIGNED
    with pytest.raises(JoinRefused, match="malformed: the report is larger"):
        parse(content + b" ")


def test_a_report_for_another_network_or_router_is_refused() -> None:
    assert refusal({"network_id": "other"}) == "wrong_network"
    assert refusal({"router": "203.0.113.6:9000"}) == "wrong_router"


def test_a_report_made_too_long_ago_or_in_the_future_is_refused() -> None:
    for off_s in (-MAX_CLOCK_ERROR_S, MAX_CLOCK_ERROR_S):
        assert parse(encode_report(replace(SIGNED, reported_at=int(NOW + off_s)))).reported_at == NOW + off_s
    for off_s in (-MAX_CLOCK_ERROR_S - 1, MAX_CLOCK_ERROR_S + 1):
        assert refusal({"reported_at": int(NOW + off_s)}) == "wrong_clock"


def test_an_assignment_arrives_as_it_was_sent_and_a_newer_routers_fields_are_ignored() -> None:
    assignment = Assignment((3, 17), 20.0)
    assert parse_assignment(encode_assignment(assignment)) == assignment
    assert json.loads(encode_assignment(assignment)) == {"experts": [3, 17], "next_report_s": 20.0}
    assert parse_assignment(b'{"experts": [3, 17], "next_report_s": 20, "newer": 1}') == assignment


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"experts": [1]}',
        b'{"experts": [-1], "next_report_s": 20}',
        b'{"experts": [1.0], "next_report_s": 20}',
        b'{"experts": [1], "next_report_s": 0.9}',
        b'{"experts": [1], "next_report_s": 3601}',
        b'{"experts": [1], "next_report_s": NaN}',
        b'{"experts": [1], "next_report_s": 20}'.ljust(MAX_ASSIGNMENT_BYTES + 1),
    ],
)
def test_an_answer_that_would_mislead_a_node_is_refused(content: bytes) -> None:
    with pytest.raises(JoinRefused, match="malformed"):
        parse_assignment(content)


@pytest.mark.parametrize("parse", [parse_assignment, lambda content: parse_report(content, NETWORK_ID, ROUTER, 0.0)])
def test_what_a_refusal_quotes_of_the_sender_is_one_line(parse: Callable[[bytes], object]) -> None:
    with pytest.raises(JoinRefused, match="malformed") as refused:
        parse(b'{"\\n\\u001b[2J": 1, "experts": {"\\n": 1}}')
    assert str(refused.value).isprintable()
