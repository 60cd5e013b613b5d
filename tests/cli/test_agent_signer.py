"""`moray agent approve`, `signer kill|revive`, `journal`: what people do about a signer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_keyfile.keyfile import create_keyfile_json
from typer.testing import CliRunner

from moray.agents.journal import Journal
from moray.agents.policy.request import SignRequest, TypedDataRequest
from moray.agents.signer.approvals import check_approval, draft, parse_approval
from moray.agents.signer.book import Book
from moray.cli import app
from moray.errors import BadInput, BadKey, BadSetting, JournalBroken, WrongPassword
from moray.files import write_private
from moray.node_key import typed_data
from signer_kit import APPROVER, CHAIN_ID, FRIEND, KEY, PRIVATE_KEY, judge, payment

PASSWORD = "correct horse"


def run(*arguments: object) -> str:
    """What a command prints; its error is raised."""
    done = CliRunner().invoke(app, ["agent", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def keystore(path: Path, private_key: bytes) -> list[object]:
    """The options of a key's file, made by somebody else's code."""
    content = create_keyfile_json(private_key, PASSWORD.encode(), kdf="pbkdf2", iterations=600_000)
    write_private(path, json.dumps(content).encode())
    write_private(path.with_suffix(".password"), PASSWORD.encode())
    return ["--keystore", path, "--password-file", path.with_suffix(".password")]


def test_an_approver_sees_what_the_bytes_say_and_signs_it(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    order = typed_data(CHAIN_ID, "Order", {"Order": {"what": "string"}}, {"what": "fish\n\x1b[2J"})
    asked: list[SignRequest] = [
        payment(0, data=bytes.fromhex("a9059cbb") + bytes(31) + b"\x07"),
        TypedDataRequest(order),
    ]
    file.write_text(draft(asked, KEY.address, judge().version, 2_000_000_000, bytes(32)).model_dump_json())
    shown = run("approve", file, *keystore(tmp_path / "mine", bytes([7]) * 32), "--yes")
    for said in (KEY.address, FRIEND.address, "a9059cbb", f"{7:064x}", "2033-05-18", "fish", APPROVER.address):
        assert said in shown
    assert "\x1b" not in shown
    signed = parse_approval(file.read_bytes())
    agreed = check_approval(signed.approval, signed.signatures, KEY.address, judge(), 2_000_000_000 - 60)
    assert agreed == {APPROVER.address}


def test_the_accounts_own_key_and_a_changed_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    drafted = draft([payment(0)], KEY.address, judge().version, 2_000_000_000, bytes(32))
    file.write_text(drafted.model_dump_json())
    with pytest.raises(BadKey, match="does not approve"):
        run("approve", file, *keystore(tmp_path / "own", PRIVATE_KEY), "--yes")
    file.write_text(drafted.model_copy(update={"data": ("0x00",)}).model_dump_json())
    with pytest.raises(BadInput, match="not what would be agreed to"):
        run("approve", file, *keystore(tmp_path / "mine", bytes([7]) * 32), "--yes")


def test_kill_needs_nothing_and_revive_the_password(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    options = keystore(tmp_path / "key", PRIVATE_KEY)
    with pytest.raises(BadSetting, match="is not there"):
        run("signer", "revive", *options, "--ledger", ledger)
    book = Book(ledger)
    with book.begin() as pages:
        pages.halt("too much")
    run("signer", "kill", "--ledger", ledger)
    write_private(tmp_path / "wrong", b"another one")
    with pytest.raises(WrongPassword):
        run("signer", "revive", *options[:2], "--password-file", tmp_path / "wrong", "--ledger", ledger)
    assert (tmp_path / "ledger.halted").exists()
    run("signer", "revive", *options, "--ledger", ledger)
    assert not (tmp_path / "ledger.halted").exists()
    with book.begin() as pages:
        assert pages.halted() == ""
    book.close()


def test_the_journal_is_shown_and_verified(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for number in range(3):
        journal.append("decision", {"outcome": "denied", "code": f"code {number}"})
    head = journal.head
    journal.close()
    shown = json.loads(run("journal", "show", tmp_path / "journal", "--last", 2, "--json"))
    assert [each["number"] for each in shown] == [2, 3]
    assert "code 2" in run("journal", "show", tmp_path / "journal")
    assert json.loads(run("journal", "verify", tmp_path / "journal", "--json")) == {"entries": 3, "hash": head.hash}
    with pytest.raises(BadSetting, match="is not there"):
        run("journal", "verify", tmp_path / "journal", "--anchor", tmp_path / "none")
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(content.replace(b"code 1", b"code 7"))
    with pytest.raises(JournalBroken, match="line 2"):
        run("journal", "verify", tmp_path / "journal")
