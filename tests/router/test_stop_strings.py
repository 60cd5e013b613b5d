"""Stop strings against str.find on the whole text, for any split of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.router.stop_strings import StopStrings

PIECES = st.lists(st.text("abc", max_size=4), max_size=12)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=4)


def cut(text: str, stops: list[str]) -> tuple[str, bool]:
    """Oracle: the stop string that ends first counts, of those the longest."""
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    return (text[: min(found)[1]], True) if found else (text, False)


@given(PIECES, STOPS)
def test_any_split_gives_the_text_before_the_stop_string(pieces: list[str], stops: list[str]) -> None:
    stopper = StopStrings(stops)
    sent = "".join(stopper.push(piece) for piece in pieces)
    if not stopper.is_stopped:
        sent += stopper.finish()
    assert (sent, stopper.is_stopped) == cut("".join(pieces), stops)


@given(PIECES, STOPS)
def test_only_a_possible_start_is_held_back(pieces: list[str], stops: list[str]) -> None:
    stopper, sent, text = StopStrings(stops), "", ""
    for piece in pieces:
        sent += stopper.push(piece)
        text += piece
        if stopper.is_stopped:
            return
        held = text.removeprefix(sent)
        assert held == "" or any(stop.startswith(held) and stop != held for stop in stops)


def test_nothing_comes_after_the_stop() -> None:
    stopper = StopStrings(["END"])
    assert [stopper.push(piece) for piece in ("to the E", "ND of", " it")] == ["to the ", "", ""]
    assert stopper.is_stopped and stopper.finish() == ""


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopStrings(["x", ""])
