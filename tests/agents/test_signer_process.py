"""The signer as a process of another user: what the agent's user gets at, and what is left after kill -9.

It needs three users, so it runs as root (as in the container of `make test`); elsewhere the same user stands in for
them, and only who is refused at the socket is not tried.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moray.agents.journal import read_entries, verify
from moray.agents.policy.ledger import DAY_S, NATIVE
from moray.agents.signer.book import Book
from moray.agents.signer.desk import fields_of
from moray.agents.signer.messages import decode_reply, encode, transaction_message
from moray.errors import DryRun, PolicyDenied, SignerUnreachable
from signer_home import AGENT, IS_ROOT, PASSWORD, SIGNER, THIRD, Home, signer_home
from signer_kit import CHAIN_ID, ETHER, KEY, PRIVATE_KEY, STRANGER, payment, sender_of

pytestmark = pytest.mark.integration

# Asks at a socket: a frame from stdin, the answer to stdout.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.stdin.buffer.read())
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with signer_home() as made:
        yield made


def test_the_agents_user_gets_signatures_and_nothing_else(home: Home) -> None:
    home.start(f"--live={CHAIN_ID}")
    assert home.process is not None
    pid = home.process.pid
    frame = encode(transaction_message(fields_of(payment(0))))
    answer = home.command("-c", ASK, str(home.path("socket")), user=AGENT, stdin=frame)
    reply = decode_reply(answer.stdout[4:])
    assert reply.kind == "done" and sender_of(reply.result) == KEY.address

    if IS_ROOT:  # what they get at of each other's: test_isolation.py
        turned_away = home.command("-c", ASK, str(home.path("socket")), user=THIRD, stdin=frame)
        assert turned_away.stdout == b""

    limits = Path(f"/proc/{pid}/limits").read_text()
    assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
    places = [path.read_bytes() for path in home.folder.iterdir() if path.is_file() and path.name != "password"]
    if IS_ROOT:
        places += [Path(f"/proc/{pid}/environ").read_bytes(), Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert home.end() == 0 and not home.path("socket").exists()
    for secret in (
        PRIVATE_KEY,
        PRIVATE_KEY.hex().encode(),
        str(int.from_bytes(PRIVATE_KEY)).encode(),
        PASSWORD.encode(),
    ):
        assert not [place for place in [*places, home.log.encode()] if secret in place]


@pytest.mark.root  # who may raise the limit of core files
def test_a_signer_that_crashes_leaves_no_core_file_where_another_process_does(home: Home) -> None:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        home.start(f"--live={CHAIN_ID}")
        assert home.process is not None
        home.process.send_signal(signal.SIGABRT)
        assert ended(home.process.pid) == (os.CLD_KILLED, signal.SIGABRT) and home.end() == -signal.SIGABRT
        with home.begin("-c", "import os; os.abort()", user=SIGNER, cwd=home.folder) as other:
            assert ended(other.pid) == (os.CLD_DUMPED, signal.SIGABRT)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)


def ended(pid: int) -> tuple[int, int]:
    """How a child did, and by which signal, without taking it from whoever waits for it."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_code, found.si_status


def test_nonsense_at_the_socket_is_no_harm_and_dry_run_is_the_default(home: Home) -> None:
    home.start()
    for frame in (b"", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00\xc1", encode(transaction_message({}))[:-2], bytes(9)):
        assert home.command("-c", ASK, str(home.path("socket")), user=AGENT, stdin=frame).stdout == b""
    with pytest.raises(DryRun):
        home.client.sign_transaction(fields_of(payment(0)))
    with pytest.raises(PolicyDenied):
        home.client.sign_transaction(fields_of(payment(0, to=STRANGER.address)))
    with pytest.raises(PolicyDenied) as denied:
        home.client.sign_transaction({"nonce": 1, "gasPrice": 3})
    assert denied.value.code == "bad_request"
    assert home.client.address == KEY.address
    home.client.kill()
    with pytest.raises(PolicyDenied, match="halted"):
        home.client.sign_transaction(fields_of(payment(0)))
    home.end()
    with pytest.raises(SignerUnreachable):
        home.client.status()
    kinds = [entry.kind for entry, _ in read_entries(home.path("journal"))]
    assert kinds == ["started", "decision", "decision", "decision", "halted", "decision"]


def test_after_kill_9_whatever_left_is_in_the_journal_and_reserved_once(home: Home) -> None:
    left: dict[int, bytes] = {}

    def ask(tx_nonce: int) -> None:
        try:
            raw = home.client.sign_transaction(fields_of(payment(tx_nonce, value_wei=ETHER // 10)))
        except (SignerUnreachable, PolicyDenied):
            return
        assert left.setdefault(tx_nonce, raw) == raw  # asked again, the same bytes

    for num_before in (1, 4, 7):
        home.start(f"--live={CHAIN_ID}")
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, tx_nonce) for tx_nonce in range(2 * num_before)]
            asked[num_before].result()
            home.end(signal.SIGKILL)
            for each in asked:
                each.result()
    home.start(f"--live={CHAIN_ID}")
    for tx_nonce in list(left):
        ask(tx_nonce)
    home.end()
    assert len(left) > 4 and verify(home.path("journal")).number > len(left)
    decided = {
        entry.fields["request"]["tx_nonce"]
        for entry, _ in read_entries(home.path("journal"))
        if entry.kind == "decision" and entry.fields["outcome"] == "allowed"
    }
    assert {str(tx_nonce) for tx_nonce in left} <= decided
    book = Book(home.path("ledger"))
    with book.begin() as pages:
        view = pages.view(0.0)
        now = max(entry.signed_at for entry in view.entries)
        assert {entry.tx_nonce for entry in view.entries} >= set(left)
        assert view.used(CHAIN_ID, NATIVE, now, DAY_S) == len(view.entries) * ETHER // 10 <= 2 * ETHER
    book.close()
