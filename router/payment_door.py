"""Where the operator's own process that pays (``moray pay``) comes to the router: over HTTP, with a secret that follows
from the wire token, so that the token itself never travels."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from moray import wire
from moray.node_key import SIGNATURE_BYTES
from moray.router.http_body import CLIENT_LEFT, read_body
from moray.router.payments import PaidNode, PaymentBook

PATH = "/payments"
MAX_HANDED_BYTES = 4096

_Hex32 = Annotated[bytes, Field(min_length=32, max_length=32)]
_Name = Annotated[str, Field(max_length=128)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")


class Owed(_Model):
    """One node's account at the router. ``rows`` and ``cumulative`` are since the router started."""

    signer: _Name
    node_id: _Name
    payee: _Name
    max_unpaid_rows: int = Field(gt=0)
    rows: int = Field(ge=0)
    is_refusing: bool
    cumulative: int = Field(ge=0)  # of the last voucher that the router has


class AllOwed(_Model):
    life: _Name  # of the router: another one after each start
    row_price: int = Field(gt=0)
    nodes: list[Owed]


class Handed(_Model):
    """A voucher for a node."""

    signer: _Name
    node_id: _Name
    channel: _Hex32
    cumulative: int = Field(ge=0, lt=1 << 256)
    epoch: int = Field(ge=0, le=wire.MAX_U64)
    commitment: _Hex32
    signature: bytes = Field(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)

    def as_message(self) -> wire.Voucher:
        return wire.Voucher(self.channel, self.cumulative.to_bytes(32), self.epoch, self.commitment, self.signature)


def door_secret(wire_token: bytes) -> str:
    return hmac.digest(wire_token, b"moray payments", "sha256").hex()


def read_accounts(book: PaymentBook) -> AllOwed:
    nodes = [
        Owed(
            signer=node.signer,
            node_id=node.node_id,
            payee=account.terms.payee,
            max_unpaid_rows=account.terms.max_unpaid_rows,
            rows=account.rows,
            is_refusing=account.is_refusing,
            cumulative=account.cumulative,
        )
        for node, account in list(book.accounts.items())
    ]
    return AllOwed(life=book.life, row_price=book.row_price, nodes=nodes)


def payment_routes(book: PaymentBook, wire_token: bytes, call: Callable[[Callable[[], None]], None]) -> APIRouter:
    """``GET`` and ``POST /payments``; 403 without the secret. ``call`` runs what touches the book in its own loop."""
    routes, expected = APIRouter(), f"Bearer {door_secret(wire_token)}".encode()

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise HTTPException(403, "this door is for the router's operator")

    @routes.get(PATH)
    async def accounts(request: Request) -> Response:
        check(request)
        return Response(read_accounts(book).model_dump_json(), media_type="application/json")

    @routes.post(PATH)
    async def hand(request: Request) -> Response:
        check(request)
        try:
            handed = Handed.model_validate_json(await read_body(request, MAX_HANDED_BYTES))
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)
        except ValidationError:
            raise HTTPException(400, "this is no voucher") from None
        call(lambda: book.promise(PaidNode(handed.signer, handed.node_id), handed.as_message()))
        return Response(status_code=204)

    return routes
