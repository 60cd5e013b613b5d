"""`moray agent ask`: it shows what it understood, stops at the first no, and does nothing on its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from chat_kit import chat_server
from http_kit import serving
from moray.actions import Quote, Transfer, canonical
from moray.cli import main

GOOD = canonical(Transfer(asset="USDC", amount="5", to="bob.eth"))
OTHER = canonical(Transfer(asset="USDC", amount="5", to="eve.eth"))


class Desk:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys

    def ask(self, *arguments: str, answer: str = GOOD) -> tuple[int, str, str]:
        with serving(chat_server("some-model", answer)) as server:
            command = ["moray", "agent", "ask", "send 5 USDC to bob.eth", "--url", server.url, *arguments]
            self._monkeypatch.setattr(sys, "argv", [*command, "--state-dir", str(self._folder)])
            code = 0
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_it_shows_the_action_and_that_it_is_what_was_said(desk: Desk) -> None:
    code, out, err = desk.ask()
    assert code == 0 and err == ""
    assert GOOD in out and "this is what you said" in out and "not planned" in out


def test_an_action_that_was_not_said_ends_it_even_with_yes(desk: Desk) -> None:
    code, out, _ = desk.ask("--json", "--yes", answer=OTHER)
    told = json.loads(out)
    assert code == 1 and told["agrees"] is False and "eve.eth" in told["why"][0] and "plan" not in told


def test_a_question_about_a_price_without_a_chain_says_what_an_answer_needs(desk: Desk) -> None:
    code, out, _ = desk.ask("--json", answer=canonical(Quote(pay="USDC")))
    told = json.loads(out)
    assert code == 0 and told["agrees"] is True and "--book" in told["note"] and "plan" not in told


def test_live_without_a_signer_or_a_book_is_refused_before_anything_is_asked(desk: Desk) -> None:
    code, out, err = desk.ask("--live", "31337")
    assert code == 2 and out == "" and "--signer" in err


def test_a_server_that_is_not_there_is_one_line(desk: Desk) -> None:
    code, out, err = desk.ask("--url", "http://127.0.0.1:9")
    assert code == 1 and out == "" and len(err.strip().splitlines()) == 1 and "is it running" in err
