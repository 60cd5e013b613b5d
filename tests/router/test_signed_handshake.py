"""Who becomes an uplink over TLS: a key's own signature over this session and no other. Real sockets, certificates and
keys; every way to come in on somebody else's word is tried."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import tls_kit
from dataplane_kit import IDENTITY, Peer, eventually, in_event_loop, make_join, random_rows, reference
from moray import wire
from moray.errors import JoinRefused, UnsafeAddress, WireError
from moray.experts.connections import dial_tls
from moray.join_signature import recover_signer, sign_join
from moray.node_key import NodeKey
from moray.nodes.tls_identity import ensure_tls_identity
from moray.router import credentials, directory, listener, tls_listener
from moray.router.refusals import MAX_REFUSALS, Refusals
from moray.router.uplink import Uplink, UplinkKey
from moray.types import PublicAddress
from tls_kit import KEY, OTHER_KEY, PublicRouter, greeted, open_public_router, signed_join
from wire_kit import bits

SIGNATURE = 65


async def refusal(peer: Peer, join: wire.Join) -> str:
    """The code with which ``join`` is refused; the connection is closed after it."""
    peer.send(join)
    answer = await peer.read()
    assert isinstance(answer, wire.Reject), answer
    assert await peer.is_closed()
    return answer.code


async def turned_away(router: PublicRouter, /, **changes: Any) -> str:
    """The code with which a Join with ``changes`` is refused, on a connection of its own."""
    peer, hello = await greeted(router.port)
    return await refusal(peer, signed_join(router, hello, **changes))


async def joined(router: PublicRouter, **changes: Any) -> Peer:
    peer, hello = await greeted(router.port)
    peer.send(signed_join(router, hello, **changes))
    assert isinstance(await peer.read(), wire.Welcome)
    return peer


# -- as it should be


@in_event_loop
async def test_a_node_of_another_operator_joins_and_answers_over_tls(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        with tls_kit.open_signing(tmp_path, tls_kit.membership(router.address)) as signing:
            async with tls_kit.open_signed_replica(router.address, signing):
                await router.joined(1)
                ((signer, node, _),) = router.directory.uplinks
                assert (signer, node) == (KEY.address, "node")
                for num_rows in (1, 3, 600):  # the last is more than one TLS record
                    rows = random_rows(num_rows)
                    ids = tls_kit.every_expert(num_rows)
                    outputs = await router.experts.dispatch(1, rows, ids)
                    assert bits(outputs) == bits(reference(1, rows, ids))
        await eventually(lambda: not router.directory.uplinks)


@in_event_loop
async def test_the_session_is_tls_1_3_with_the_pinned_certificate(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        peer, _ = await greeted(router.port)
        session = peer._writer.get_extra_info("ssl_object")
        assert session.version() == "TLSv1.3"
        assert ssl.DER_cert_to_PEM_cert(session.getpeercert(binary_form=True)).strip() == tls_kit.pem(router)


@in_event_loop
async def test_two_operators_may_use_the_same_names(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        _both = await joined(router, incarnation=7), await joined(router, key=OTHER_KEY, incarnation=7)
        assert {key.signer for key in router.directory.uplinks} == {KEY.address, OTHER_KEY.address}


# -- somebody else's word


@in_event_loop
async def test_a_join_of_another_session_is_refused(tmp_path: Path) -> None:
    """Replay: the same router, the same certificate, but another challenge."""
    async with open_public_router(tmp_path) as router:
        (_, first), (peer, _) = await greeted(router.port), await greeted(router.port)
        assert await refusal(peer, signed_join(router, first)) == "bad_signature"
        assert not router.directory.uplinks


@in_event_loop
async def test_a_router_in_the_middle_can_pass_nothing_on(tmp_path: Path) -> None:
    """It greets a node with another router's Hello: the node's Join is bound to the certificate of the session with
    the one in the middle. That node's signing process refuses already; so here is one that signs anything."""
    for name in ("real", "middle"):
        (tmp_path / name).mkdir()
    async with open_public_router(tmp_path / "real") as real, open_public_router(tmp_path / "middle") as middle:
        peer, hello = await greeted(real.port)
        seen_by_the_node = bytes.fromhex(middle.tls.sha256)
        join = signed_join(real, hello, tls_cert_sha256=seen_by_the_node)
        assert await refusal(peer, join) == "wrong_certificate"
        # With the certificate put right the signature is no longer over what is said.
        peer, hello = await greeted(real.port)
        join = signed_join(real, hello, tls_cert_sha256=seen_by_the_node)
        stolen = replace(join, tls_cert_sha256=bytes.fromhex(real.tls.sha256))
        assert await refusal(peer, stolen) == "bad_signature"
        # A Join that the node made for the one in the middle names it.
        assert await turned_away(real, router=str(middle.address)) == "wrong_router"


@in_event_loop
async def test_a_stolen_join_cannot_be_changed_or_taken_over(tmp_path: Path) -> None:
    changes: list[Callable[[wire.Join], wire.Join]] = [
        lambda join: replace(join, signer=OTHER_KEY.address),
        lambda join: replace(join, node_id="mine"),
        lambda join: replace(join, experts=[0, 1]),
        lambda join: replace(join, capacity=join.capacity + 1),
        lambda join: replace(join, incarnation=join.incarnation + 1),
        lambda join: replace(join, signature=bytes(SIGNATURE)),
        lambda join: replace(join, signature=join.signature[:64] + bytes([55 - join.signature[64]])),
    ]
    async with open_public_router(tmp_path) as router:
        for change in changes:
            peer, hello = await greeted(router.port)
            assert await refusal(peer, change(signed_join(router, hello))) == "bad_signature"
        assert not router.directory.uplinks


@in_event_loop
async def test_a_join_for_another_network_or_chain_is_refused(tmp_path: Path) -> None:
    """The signature covers the Hello: one given to another network does not count here."""
    async with open_public_router(tmp_path) as router:
        for other in ({"network_id": "other"}, {"chain_id": 1}, {"model_id": "other"}, {"features": ["x"]}):
            peer, hello = await greeted(router.port)
            join = signed_join(router, replace(hello, **other))
            assert await refusal(peer, join) == "bad_signature"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protocol": wire.PROTOCOL_VERSION + 1}, "wrong_protocol"),
        ({"model_id": "model-b"}, "wrong_model"),
        ({"numeric_class": "int8"}, "wrong_numeric_class"),
        ({"router": "router-b"}, "wrong_router"),
        ({"experts": [3, 2]}, "wrong_experts"),
        ({"experts": [8]}, "wrong_experts"),
        ({"tls_cert_sha256": bytes(32)}, "wrong_certificate"),
        ({"expires_at": int(time.time()) - 5}, "wrong_clock"),
        ({"expires_at": int(time.time()) + 3600}, "wrong_clock"),
        ({"expires_at": 2**64 - 1}, "wrong_clock"),
    ],
)
@in_event_loop
async def test_a_join_that_does_not_fit_is_refused_with_its_reason(
    changes: dict[str, Any], code: str, tmp_path: Path
) -> None:
    async with open_public_router(tmp_path) as router:
        assert await turned_away(router, **changes) == code
        assert router.acceptor.counters.joins_refused == 1 and not router.directory.uplinks
        (told,) = router.directory.refusals.snapshot(monotonic())
        assert (told["signer"], told["node_id"]) == (KEY.address, "node") and told["reason"].startswith(f"{code}: ")


@in_event_loop
async def test_a_refusal_is_told_until_the_replica_joins(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        for name in ("a", "b"):
            await turned_away(router, replica_id=name, model_id="model-b")
        _joined = await joined(router, replica_id="a")
        assert [told["replica_id"] for told in router.directory.refusals.snapshot(monotonic())] == ["b"]


def test_only_the_last_refusals_are_remembered_and_in_plain_characters() -> None:
    refusals = Refusals()
    for number in range(MAX_REFUSALS + 5):
        refusals.note(UplinkKey("\x1b[2J", "node", f"replica-{number}"), JoinRefused("wrong_model", "no\nmore"), number)
    told = refusals.snapshot(MAX_REFUSALS + 5.0)
    assert [one["ago_s"] for one in told] == [float(MAX_REFUSALS - at) for at in range(MAX_REFUSALS)]
    assert all(str(value).isprintable() for one in told for value in one.values())


@in_event_loop
async def test_shards_of_another_digest_are_refused(tmp_path: Path) -> None:
    digests = tuple(bytes([expert]) * 32 for expert in range(IDENTITY.num_experts))
    async with open_public_router(tmp_path) as router:
        router.acceptor.identity = replace(router.acceptor.identity, shard_digests=digests)
        assert await turned_away(router, experts=[2]) == "wrong_shard"
        await joined(router, experts=[2], shards_digest=wire.digest_of([digests[2]]))


@in_event_loop
async def test_an_unsigned_join_and_one_with_a_tokens_proof_are_refused(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        for change in ({"signature": b""}, {"signature": bytes(64)}, {"proof": bytes(32)}):
            peer, hello = await greeted(router.port)
            join = replace(signed_join(router, hello), **change)  # type: ignore[arg-type]
            assert await refusal(peer, join) == "bad_signature"


@in_event_loop
async def test_an_equal_or_lower_incarnation_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_public_router(tmp_path) as router:
        _first = await joined(router, incarnation=9)
        monkeypatch.setattr(credentials, "recover_signer", lambda *_: pytest.fail("this was to be cheap"))
        for incarnation in (9, 8, 0):
            assert await turned_away(router, incarnation=incarnation) == "stale_incarnation"
        assert len(router.directory.uplinks) == 1


@in_event_loop
async def test_a_higher_incarnation_takes_over_and_only_of_the_same_key(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        older, _other = await joined(router, incarnation=1), await joined(router, key=OTHER_KEY, incarnation=2)
        assert len(router.directory.uplinks) == 2
        _newer = await joined(router, incarnation=3)
        assert await older.is_closed() and len(router.directory.uplinks) == 2


# -- strangers


async def speaks_plainly(router: PublicRouter) -> bool:
    return await (await Peer.dial(router.port)).is_closed_after(b"\x10\0\0\0 this is not TLS")


async def speaks_tls_1_2(router: PublicRouter) -> bool:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await tls_kit.dial(router.port, ssl.TLSVersion.TLSv1_2)
    return True


async def says_nothing(router: PublicRouter) -> bool:
    return await (await Peer.dial(router.port)).is_closed()


async def sends_no_join(router: PublicRouter) -> bool:
    peer, _ = await greeted(router.port)
    return await peer.is_closed()


async def sends_a_large_join(router: PublicRouter) -> bool:
    peer, _ = await greeted(router.port)
    peer.send_bytes((4097).to_bytes(4, "little"))
    return await peer.is_closed()


async def answers_before_it_is_known(router: PublicRouter) -> bool:
    peer, hello = await greeted(router.port)
    peer.send(signed_join(router, hello), wire.Pong(1, 0, 0))
    return await peer.is_closed()


async def joins_twice_in_a_breath(router: PublicRouter) -> bool:
    peer, hello = await greeted(router.port)
    peer.send(signed_join(router, hello), signed_join(router, hello))
    return await peer.is_closed()


@pytest.mark.parametrize(
    "conduct",
    [
        speaks_plainly,
        speaks_tls_1_2,
        says_nothing,
        sends_no_join,
        sends_a_large_join,
        answers_before_it_is_known,
        joins_twice_in_a_breath,
    ],
)
@in_event_loop
async def test_whoever_does_not_keep_to_the_handshake_is_out(
    conduct: Callable[[PublicRouter], Awaitable[bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_listener, "HANDSHAKE_TIMEOUT_S", 0.3)
    async with open_public_router(tmp_path) as router:
        router.acceptor.handshake_timeout_s = 0.3
        assert await conduct(router)
        assert not router.directory.uplinks
        await joined(router)  # others are not disturbed


@in_event_loop
async def test_an_address_connects_only_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_listener, "CONNECTIONS_PER_S", 0.001)
    monkeypatch.setattr(tls_listener, "CONNECTION_BURST", 2)
    async with open_public_router(tmp_path) as router:
        for _ in range(2):
            await joined(router)
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
            await greeted(router.port)


@in_event_loop
async def test_an_address_has_only_so_many_tls_handshakes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_listener, "MAX_HANDSHAKES_PER_ADDRESS", 2)
    async with open_public_router(tmp_path) as router:
        idle = [await Peer.dial(router.port) for _ in range(2)]
        assert await (await Peer.dial(router.port)).is_closed()
        for peer in idle:
            peer.close()
        await eventually(lambda: not router.listener._tasks)
        await joined(router)


@in_event_loop
async def test_no_more_signatures_wait_than_can_be_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the event loop goes on meanwhile: it refuses the one that is too many."""
    go_on, recover = threading.Event(), recover_signer

    def slow(hello: wire.Hello, join: wire.Join) -> str:
        assert go_on.wait(20)
        return recover(hello, join)

    monkeypatch.setattr(credentials, "recover_signer", slow)
    monkeypatch.setattr(credentials, "MAX_VERIFYING", 2)
    async with open_public_router(tmp_path) as router:
        waiting = [await greeted(router.port) for _ in range(2)]
        for number, (peer, hello) in enumerate(waiting):
            peer.send(signed_join(router, hello, replica_id=f"replica-{number}"))
        await eventually(lambda: router.acceptor.credentials._num_verifying == 2)  # type: ignore[attr-defined]
        assert await turned_away(router) == "too_many_joins"
        go_on.set()
        for peer, _ in waiting:
            assert isinstance(await peer.read(), wire.Welcome)


@in_event_loop
async def test_a_key_joins_only_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "JOINS_PER_S", 0.001)
    monkeypatch.setattr(credentials, "JOIN_BURST", 2)
    async with open_public_router(tmp_path) as router:
        for _ in range(2):
            await joined(router)
        assert await turned_away(router) == "too_many_joins"
        await joined(router, key=OTHER_KEY)


@in_event_loop
async def test_a_key_has_only_so_many_uplinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_UPLINKS_PER_SIGNER", 2)
    async with open_public_router(tmp_path) as router:
        _both = [await joined(router, replica_id=name) for name in ("a", "b")]
        assert await turned_away(router, replica_id="c") == "too_many_uplinks"


class Slow:
    """An exam that lasts until the test lets it go on."""

    def __init__(self) -> None:
        self.is_over, self.ended = asyncio.Event(), list[str]()

    async def examine(self, uplink: Uplink) -> None:
        try:
            await self.is_over.wait()
        finally:
            self.ended.append(uplink.key.replica_id)


@in_event_loop
async def test_only_so_many_of_one_address_or_one_key_are_examined_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise whoever makes a key for each of its connections has the router read shards for nobody else."""
    monkeypatch.setattr(listener, "MAX_EXAMS", 2)
    async with open_public_router(tmp_path) as router:
        router.acceptor._examiner = exams = Slow()
        examined = [await joined(router, key=key, replica_id=key.address) for key in (KEY, OTHER_KEY)]
        peer, hello = await greeted(router.port)
        join = signed_join(router, hello, key=NodeKey.from_bytes(b"\3" * 32))
        assert await refusal(peer, join) == "too_many_joins"
        examined[0].close()  # who leaves is not examined any further
        await eventually(lambda: exams.ended == [KEY.address])
        examined.append(await joined(router))
        exams.is_over.set()
        await eventually(lambda: len(router.directory.uplinks) == 2 and not router.acceptor._exams)


@pytest.mark.parametrize("name", ["", "[/red]", "a\x1b[2J", "two\nlines", "-a", "é"])
@pytest.mark.parametrize("field", ["node_id", "replica_id"])
@in_event_loop
async def test_a_name_that_could_do_harm_where_it_is_shown_is_refused(field: str, name: str, tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        peer, hello = await greeted(router.port)
        changes: dict[str, Any] = {field: name}
        assert await refusal(peer, signed_join(router, hello, **changes)) == "wrong_name"


@in_event_loop
async def test_an_uplink_that_only_talks_is_closed(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        peer = await joined(router)
        peer.send(*[wire.Pong(0, 0, 0)] * 1100)
        assert await peer.is_closed()
        assert router.acceptor.counters.protocol_errors == 1


@in_event_loop
async def test_no_frame_is_larger_than_what_was_asked_for(tmp_path: Path) -> None:
    """A length alone, without its bytes, ends an uplink that owes nothing."""
    async with open_public_router(tmp_path) as router:
        peer = await joined(router)
        peer.send_bytes((64 << 20).to_bytes(4, "little"))
        assert await peer.is_closed()
        assert router.acceptor.counters.protocol_errors == 1


# -- the node's side


@in_event_loop
async def test_a_replica_hangs_up_on_a_router_with_another_certificate(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        with pytest.raises(WireError, match="not the pinned"):
            await asyncio.to_thread(dial_tls, router.address._replace(tls_cert_sha256="00" * 32), 2.0, True)
        assert router.acceptor.counters.frames_in == 0
        connection = await asyncio.to_thread(dial_tls, router.address, 2.0, True)
        connection.close()


def test_a_replica_dials_a_private_address_only_where_it_may() -> None:
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        dial_tls(PublicAddress("127.0.0.1", 9, "00" * 32), 2.0, allow_private=False)


def test_a_replica_does_not_speak_tls_1_2(tmp_path: Path) -> None:
    tls = ensure_tls_identity(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def shake_hands() -> None:
            connection, _ = server.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        with pytest.raises(OSError, match=r"(?i)protocol version|alert|EOF|reset"):
            dial_tls(PublicAddress("127.0.0.1", server.getsockname()[1], tls.sha256), 2.0, allow_private=True)
        thread.join()


@in_event_loop
async def test_a_signature_of_before_an_interruption_is_not_used_again(tmp_path: Path) -> None:
    """A replica that is cut off signs anew: two connections of one replica are two challenges and two Joins."""
    async with open_public_router(tmp_path) as router:
        with tls_kit.open_signing(tmp_path, tls_kit.membership(router.address)) as signing:
            async with tls_kit.open_signed_replica(router.address, signing):
                await router.joined(1)
                (first,) = router.directory.uplinks.values()
                first.close("the test cuts it off")
                await eventually(lambda: first not in router.directory.uplinks.values() and router.directory.uplinks)
                (second,) = router.directory.uplinks.values()
                assert first.join is not None and second.join is not None
                assert first.join.signature != second.join.signature
                assert first.join.incarnation < second.join.incarnation


def test_the_same_key_signs_differently_for_each_challenge(tmp_path: Path) -> None:
    hello = wire.Hello(2, 2, "test", 0, "model-a", "r", bytes(32), [])
    join = replace(make_join(hello), tls_cert_sha256=bytes(32), expires_at=1)
    assert sign_join(KEY, hello, join) != sign_join(KEY, replace(hello, challenge=b"\1" * 32), join)
