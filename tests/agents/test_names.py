"""The address book: a name is what the user wrote down, or a question back; what looks like it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moray.agents.names import AddressBook, Staking, Vault, parse_book, read_book, resembles
from moray.errors import BadSetting, LookAlike, NameUnknown, NotPlanned
from moray.ethereum import to_checksum_address

OWNER = to_checksum_address("0x" + "a1" * 20)
ANN = to_checksum_address("0x52908400098527886E0F7030069857D2E4169EE7")
TOKEN = to_checksum_address("0x8617E340B3D01FA5F11F306F4090FD50E238070D")
VAULT = to_checksum_address("0xde709f2102306220921060314715629080e2fb77")
TEXT = f"""
chain: base
chain_id: 8453
tokens:
  USDC: {{address: {TOKEN}, decimals: 6, is_dollar: true}}
  ETH: {{address: native, decimals: 18}}
names:
  Ann: {ANN}
venues:
  house: {{kind: vault, site: {{address: {VAULT}}}, asset: USDC}}
"""
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: to_checksum_address("0x" + raw.hex()))


def book() -> AddressBook:
    return parse_book(TEXT.encode())


def test_names_are_found_as_they_are_written_but_for_capitals() -> None:
    assert book().recipient("to", "ann", OWNER) == ANN == book().recipient("to", ANN, OWNER)
    assert book().token("asset", "usdc").address == TOKEN == book().token("asset", TOKEN.lower()).address
    assert (
        book().venue("vault", "HOUSE", Vault).site.address == VAULT == book().venue("vault", None, Vault).site.address
    )


@pytest.mark.parametrize("name", ["anne", "an", "ann.eth", "Аnn", "bob"])  # the fourth begins with a Cyrillic letter
def test_a_name_that_is_not_there_is_a_question_back(name: str) -> None:
    with pytest.raises(NameUnknown) as caught:
        book().recipient("to", name, OWNER)
    assert caught.value.slot == "to"


def test_other_things_that_are_not_there_are_questions_too() -> None:
    with pytest.raises(NameUnknown):
        book().token("pay", "DAI")
    with pytest.raises(NameUnknown):
        book().token("pay", OWNER)
    with pytest.raises(NameUnknown):
        book().venue("venue", None, Staking)
    with pytest.raises(NameUnknown):
        book().venue("vault", "castle", Vault)
    with pytest.raises(NotPlanned):
        book().check_chain("ethereum")


@pytest.mark.parametrize("wrong", [TOKEN, VAULT, OWNER, "0x" + "00" * 20])
def test_nothing_is_sent_to_a_contract_to_oneself_or_to_nobody(wrong: str) -> None:
    with pytest.raises(NotPlanned):
        book().recipient("to", wrong, OWNER)


@given(addresses, st.integers(0, 6), st.binary(min_size=20, max_size=20))
def test_an_address_with_the_ends_of_a_known_one_is_refused(known: str, start: int, middle: bytes) -> None:
    end = 6 - start
    digits = known[2:].lower()
    made = digits[:start] + middle.hex()[start : 40 - end] + digits[40 - end :]
    made_address = to_checksum_address("0x" + made)
    assert resembles(made_address, known) == (made_address != known)
    assume(made_address not in (known, OWNER) and known != OWNER and not resembles(known, OWNER))
    named = AddressBook(chain="base", chain_id=1, names={"Ann": known})
    with pytest.raises(LookAlike):
        named.recipient("to", made_address, OWNER)


@given(addresses, st.integers(0, 39), st.integers(1, 15))
def test_a_slip_in_one_digit_is_refused(known: str, place: int, shift: int) -> None:
    digits = known[2:].lower()
    other = f"{(int(digits[place], 16) + shift) % 16:x}"
    assert resembles(to_checksum_address("0x" + digits[:place] + other + digits[place + 1 :]), known)


@given(addresses, addresses)
def test_resembling_goes_both_ways_and_nobody_resembles_himself(one: str, other: str) -> None:
    assert resembles(one, other) == resembles(other, one) and not resembles(one, one)


@pytest.mark.parametrize(
    "wrong",
    [
        "chain: base",
        "[1, 2",
        TEXT.replace(ANN, ANN.lower()),
        TEXT.replace("names:\n", f"names:\n  ANN: {OWNER}\n"),
        TEXT.replace("names:\n", f"names:\n  Ann: {OWNER}\n"),
        TEXT.replace("asset: USDC", "asset: DAI"),
        TEXT.replace("decimals: 6", "decimals: six"),
        TEXT + "surprise: 1\n",
        TEXT.replace(f"Ann: {ANN}", f"Ann: &a {ANN}\n  Bob: *a"),
        TEXT.replace(f"Ann: {ANN}", f"Ann: {ANN}\n  Bob: {to_checksum_address(ANN[:-1].lower() + '8')}"),
        "!!python/object/apply:os.system ['true']",
    ],
)
def test_a_book_with_a_fault_is_not_read(wrong: str) -> None:
    with pytest.raises(BadSetting):
        parse_book(wrong.encode())


@given(st.binary(max_size=200))
def test_whatever_the_file_holds_it_is_a_book_or_a_line(raw: bytes) -> None:
    try:
        parse_book(raw)
    except BadSetting as error:
        assert "\n" not in str(error)


def test_a_file_that_is_not_there_or_too_long_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(BadSetting):
        read_book(tmp_path / "none")
    (tmp_path / "long").write_bytes(b"#" * 300_000)
    with pytest.raises(BadSetting):
        read_book(tmp_path / "long")
    (tmp_path / "book").write_text(TEXT)
    assert read_book(tmp_path / "book") == book()
