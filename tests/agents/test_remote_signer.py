"""A key in somebody else's service: what it answers is believed only when it is what was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from moray.agents.signer.desk import fields_of
from moray.agents.signer.remote import RemoteSigner, check_signed
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.errors import BadSignature, SignerUnreachable
from moray.guarded_http import Fetcher
from moray.node_key import typed_data
from signer_kit import FRIEND, KEY, STRANGER, payment

FIELDS = fields_of(payment(3, data=b"\x01\x02"))
DATA = typed_data(31337, "Word", {"Word": {"text": "string"}}, {"text": "yes"})


@contextmanager
def service(answer: Callable[[str, list[Any]], object]) -> Iterator[str]:
    """Answers each JSON-RPC request with the result of ``answer(method, params)``; bytes go out as they are."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = answer(asked["method"], asked["params"])
            body = result if isinstance(result, bytes) else json.dumps({"id": 1, "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def remote(url: str, address: str = KEY.address) -> RemoteSigner:
    return RemoteSigner(url, address, Fetcher(allow_private=True, patience_s=5.0))


def test_a_service_of_the_right_key_signs_the_same_bytes_as_the_key_here(anvil: Anvil) -> None:
    key = DEVELOPMENT_KEYS[0]
    assert remote(anvil.url, key.address).sign_transaction(FIELDS) == key.sign_transaction(FIELDS)


def test_typed_data_of_the_right_key_passes_and_of_another_does_not() -> None:
    with service(lambda method, params: f"0x{KEY.sign_typed_data(params[1]).hex()}") as url:
        assert remote(url).sign_typed_data(DATA) == KEY.sign_typed_data(DATA)
        with pytest.raises(BadSignature):
            remote(url, FRIEND.address).sign_typed_data(DATA)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 4},
        {"value": 10**18},
        {"to": STRANGER.address},
        {"data": b"\x01"},
        {"gas": 22_000},
        {"maxFeePerGas": 20 * 10**9},
        {"maxPriorityFeePerGas": 2},
        {"chainId": 1},
        {"accessList": [{"address": STRANGER.address, "storageKeys": []}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_transaction_with_any_other_field_is_not_given_out(changes: dict[str, Any]) -> None:
    raw = KEY.sign_transaction(FIELDS | changes)
    with service(lambda method, params: f"0x{raw.hex()}") as url, pytest.raises(BadSignature):
        remote(url).sign_transaction(FIELDS)


def test_another_signer_and_another_kind_of_transaction_are_not_given_out() -> None:
    with pytest.raises(BadSignature):
        check_signed(STRANGER.sign_transaction(FIELDS), FIELDS, KEY.address)
    legacy = {"chainId": 31337, "nonce": 3, "to": FIELDS["to"], "value": FIELDS["value"], "data": FIELDS["data"]}
    with pytest.raises(BadSignature):
        check_signed(KEY.sign_transaction(legacy | {"gas": 21_000, "gasPrice": 1}), FIELDS, KEY.address)
    check_signed(KEY.sign_transaction(FIELDS), FIELDS, KEY.address)


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"id": 1, "error": {"code": -32000}}', b"[" * 5000])
def test_a_service_that_does_not_sign_is_told_without_its_url(answer: bytes) -> None:
    with service(lambda method, params: answer) as url, pytest.raises(SignerUnreachable) as told:
        remote(url).sign_transaction(FIELDS)
    assert "127.0.0.1" not in str(told.value)


@pytest.mark.parametrize("answer", [None, "0x", "0xzz", 17, {"raw": "0x02"}, "0x02c0", ""])
def test_an_answer_that_is_no_transaction_is_not_given_out(answer: object) -> None:
    with service(lambda method, params: answer) as url, pytest.raises(BadSignature):
        remote(url).sign_transaction(FIELDS)
