"""The journal: whatever is changed in it is found, and a crash is no change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.agents.journal import ANCHOR_EVERY, SEEN_HEAD, Journal, head_file, read_entries, verify
from moray.errors import JournalBroken, JournalUnusable


def written(path: Path, count: int, anchor: Path | None = None) -> Path:
    journal = Journal(path, anchor, lambda: 1.5)
    for number in range(count):
        journal.append("decision", {"outcome": "denied", "number": number, "why": "größer als erlaubt"})
    journal.close()
    return path


def test_what_is_appended_is_read_again_in_order(tmp_path: Path) -> None:
    path = written(tmp_path / "journal", 5)
    entries = [entry for entry, _ in read_entries(path)]
    assert [entry.fields["number"] for entry in entries] == list(range(5))
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5] and entries[0].at_ms == 1500
    head = verify(path)
    assert (head.number, head.hash, head.num_bytes) == (5, entries[-1].hash, path.stat().st_size)
    assert oct(path.stat().st_mode)[-3:] == "600"


@settings(max_examples=60)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_bit_that_is_flipped_is_found(place: int, bit: int) -> None:
    with TemporaryDirectory() as folder:
        path = written(Path(folder) / "journal", 3)
        content = bytearray(path.read_bytes())
        content[place % len(content)] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(JournalBroken):
            verify(path)


def without(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (without(0), "line 1"),
        (without(2), "line 3"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3"),
        (lambda lines: [*lines[:3], b" " + lines[3], *lines[4:]], "line 4"),
        (lambda lines: [*lines[:4], b"{}\n"], "line 5"),
        (lambda lines: lines[:3], "ends at line 3 and once had 5"),
        (lambda lines: [], "ends at line 0 and once had 5"),
        (lambda lines: [*lines[:4], lines[4][:-10]], "ends at line 4 and once had 5"),
    ],
)
def test_a_journal_that_was_changed_is_refused_and_the_line_named(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], line: str
) -> None:
    path = written(tmp_path / "journal", 5)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalBroken, match=line):
        verify(path)
    with pytest.raises(JournalBroken, match=line):
        Journal(path)


@pytest.mark.parametrize("torn", [b"{", b'{"at_ms":15', b"x" * 3000])
def test_a_line_that_a_crash_left_half_is_cut_off_and_told(tmp_path: Path, torn: bytes) -> None:
    path = written(tmp_path / "journal", 2)
    with path.open("ab") as file:
        file.write(torn)
    assert verify(path).number == 2
    journal = Journal(path)
    assert journal.append("decision", {}).number == 4
    journal.close()
    mended = list(read_entries(path))[2][0]
    assert (mended.kind, mended.fields["num_bytes"]) == ("mended", len(torn))


def test_a_crash_before_the_head_was_written_loses_no_line(tmp_path: Path) -> None:
    path = written(tmp_path / "journal", 2)
    before = head_file(path).read_bytes()
    written(path, 1)
    head_file(path).write_bytes(before)
    assert verify(path).number == 3


def test_a_journal_written_anew_from_its_beginning_does_not_fit_its_anchor(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere"
    written(tmp_path / "journal", ANCHOR_EVERY + 3, anchor)
    assert [json.loads(line)["number"] for line in anchor.read_text().splitlines()] == [
        ANCHOR_EVERY,
        ANCHOR_EVERY + 3,
    ]
    assert verify(tmp_path / "journal", anchor).number == ANCHOR_EVERY + 3
    (tmp_path / "journal").unlink()
    head_file(tmp_path / "journal").unlink()
    with pytest.raises(JournalBroken, match=f"ends at line 0 and once had {ANCHOR_EVERY + 3}"):
        verify(written(tmp_path / "journal", 0), anchor)
    journal = Journal(tmp_path / "journal", None, lambda: 2.0)
    for _ in range(ANCHOR_EVERY):
        journal.append("decision", {})
    journal.close()
    assert verify(tmp_path / "journal").number == ANCHOR_EVERY
    with pytest.raises(JournalBroken, match=f"line {ANCHOR_EVERY}: not the entry that was anchored"):
        verify(tmp_path / "journal", anchor)


def forged(path: Path, lines: list[bytes]) -> None:
    """``lines`` as a journal that goes just so far, by somebody who can write both of its files."""
    path.write_bytes(b"".join(lines))
    last = json.loads(lines[-1])
    head_file(path).write_text(json.dumps({"number": last["number"], "hash": last["hash"], "num_bytes": 0}))


def heads_kept(path: Path) -> Path:
    """By a journal of five entries that was closed."""
    written(path, 5, path.with_name("elsewhere"))
    return path.with_name("elsewhere")


def head_seen(path: Path) -> Path:
    """By an agent, whose journal says so."""
    head = verify(written(path, 5))
    agents = Journal(path.with_name("agent"))
    for kind, fields in (("ask", {}), (SEEN_HEAD, {"number": head.number, "hash": head.hash}), ("ask", {})):
        agents.append(kind, fields)
    agents.close()
    return path.with_name("agent")


@pytest.mark.parametrize("keep", [heads_kept, head_seen])
def test_one_who_cuts_or_rewrites_journal_and_head_is_found_out_by_what_is_kept_elsewhere(
    tmp_path: Path, keep: Callable[[Path], Path]
) -> None:
    path = tmp_path / "journal"
    anchor = keep(path)
    assert verify(path, anchor).number == 5
    lines = path.read_bytes().splitlines(keepends=True)
    for count in (1, 4):
        forged(path, lines[:count])
        assert verify(path).number == count
        with pytest.raises(JournalBroken, match=f"ends at line {count} and once had 5"):
            verify(path, anchor)
    fresh = Journal(tmp_path / "fresh", None, lambda: 2.5)
    for _ in range(7):
        fresh.append("decision", {"outcome": "allowed"})
    fresh.close()
    forged(path, (tmp_path / "fresh").read_bytes().splitlines(keepends=True))
    assert verify(path).number == 7
    with pytest.raises(JournalBroken, match="line 5: not the entry that was anchored"):
        verify(path, anchor)


def test_an_agents_journal_that_was_changed_is_no_anchor(tmp_path: Path) -> None:
    agents = head_seen(tmp_path / "journal")
    agents.write_bytes(agents.read_bytes().replace(b'"number":5', b'"number":4'))
    with pytest.raises(JournalBroken, match="agent, line 2"):
        verify(tmp_path / "journal", agents)


def test_an_anchor_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match="No such file or directory; give another"):
        Journal(tmp_path / "journal", tmp_path / "nowhere" / "heads")
    with pytest.raises(JournalUnusable, match="a journal itself"):
        Journal(tmp_path / "journal", written(tmp_path / "other", 1))
    written(tmp_path / "journal", 1, tmp_path / "heads")


def test_only_one_process_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(JournalUnusable, match="another process"):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()


def test_after_a_write_that_failed_nothing_is_written_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "journal", 1)
    journal, write = Journal(path), os.write
    monkeypatch.setattr("moray.agents.journal.os.write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(JournalUnusable, match="make room"):
        journal.append("decision", {})
    monkeypatch.undo()
    with pytest.raises(JournalUnusable, match="failed half way"):
        journal.append("decision", {})
    journal.close()
    assert verify(path).number == 1
    Journal(path).close()
    assert [entry.kind for entry, _ in read_entries(path)] == ["decision", "mended"]


def test_an_entry_that_is_too_long_or_no_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(JournalUnusable, match="limit"):
        journal.append("decision", {"text": "x" * 70_000})
    with pytest.raises(TypeError):
        journal.append("decision", {"key": b"bytes"})
    assert journal.append("decision", {}).number == 1
    journal.close()
