"""The directory: the newest incarnation of a replica is the only one, and what it says is there is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import JoinRefused
from moray.router import directory as directory_module
from moray.router.blame import Blame
from moray.router.directory import Directory
from moray.router.uplink import Uplink, UplinkKey


@dataclass(eq=False)
class FakeUplink:
    """The part of an uplink that the directory sees; it closes like a real one, without a socket."""

    directory: Directory
    incarnation: int
    experts: list[int]
    key: UplinkKey
    is_draining: bool = False
    max_rows: int = 100
    closed_because: list[str] = field(default_factory=list)

    @property
    def join(self) -> SimpleNamespace:
        return SimpleNamespace(incarnation=self.incarnation, experts=self.experts)

    @property
    def is_usable(self) -> bool:
        return not self.is_draining and not self.closed_because

    def close(self, reason: str, blame: Blame = Blame.NETWORK) -> None:
        self.closed_because.append(reason)
        self.directory.remove(cast(Uplink, self))


def join(directory: Directory, incarnation: int, experts: list[int], replica: str = "replica") -> FakeUplink:
    uplink = claim(directory, incarnation, experts, replica)
    directory.register(cast(Uplink, uplink))
    return uplink


def claim(directory: Directory, incarnation: int, experts: list[int], replica: str = "replica") -> FakeUplink:
    uplink = FakeUplink(directory, incarnation, experts, UplinkKey("", "node", replica))
    directory.claim(cast(Uplink, uplink))
    return uplink


def serving(directory: Directory, expert: int) -> list[object]:
    return list(directory.replicas(expert))


def known(directory: Directory) -> list[object]:
    return list(directory.uplinks.values())


def test_the_older_incarnation_serves_until_the_newer_one_is_registered() -> None:
    directory = Directory(1)
    older = join(directory, 3, [0])
    newer = claim(directory, 5, [0])
    assert known(directory) == serving(directory, 0) == [older] and not older.closed_because
    directory.register(cast(Uplink, newer))
    assert known(directory) == serving(directory, 0) == [newer] and older.closed_because


def test_an_incarnation_that_was_overtaken_before_it_was_registered_is_closed() -> None:
    directory = Directory(1)
    overtaken = claim(directory, 3, [0])
    newest = join(directory, 5, [0])
    directory.register(cast(Uplink, overtaken))
    assert overtaken.closed_because == ["a newer incarnation joined"]
    assert known(directory) == serving(directory, 0) == [newest]


def test_a_higher_incarnation_evicts_the_older_one() -> None:
    directory = Directory(2)
    older = join(directory, 3, [0])
    newer = join(directory, 5, [1])
    assert older.closed_because == ["a newer incarnation joined"] and newer.closed_because == []
    assert serving(directory, 0) == [] and serving(directory, 1) == [newer]
    assert known(directory) == [newer]
    directory.remove(cast(Uplink, older))  # its socket closes a little later
    assert serving(directory, 1) == [newer]


@pytest.mark.parametrize("incarnation", [0, 2, 3])
@pytest.mark.parametrize("has_left", [False, True], ids=["while the older serves", "after the older left"])
def test_an_equal_or_lower_incarnation_is_refused(incarnation: int, has_left: bool) -> None:
    directory = Directory(1)
    older = join(directory, 3, [0])
    if has_left:
        directory.remove(cast(Uplink, older))
    with pytest.raises(JoinRefused) as refused:
        join(directory, incarnation, [0])
    assert refused.value.reason_code == "stale_incarnation"
    assert serving(directory, 0) == ([] if has_left else [older])
    assert older.closed_because == []


def test_incarnations_of_different_replicas_have_nothing_to_do_with_each_other() -> None:
    directory = Directory(1)
    first, second = join(directory, 9, [0], "first"), join(directory, 0, [0], "second")
    assert serving(directory, 0) == [first, second]


def test_an_expert_is_missing_until_someone_joins_and_after_the_last_one_left() -> None:
    directory = Directory(3)
    assert directory.missing() == {0, 1, 2}
    first, second = join(directory, 1, [0, 2], "first"), join(directory, 1, [2], "second")
    assert directory.missing() == {1}
    directory.remove(cast(Uplink, first))
    assert directory.missing() == {0, 1}
    directory.remove(cast(Uplink, second))
    directory.remove(cast(Uplink, second))
    assert directory.missing() == {0, 1, 2} and directory.uplinks == {}


def test_a_draining_replica_gets_nothing_new_but_stays_known() -> None:
    directory = Directory(1)
    uplink = join(directory, 1, [0])
    uplink.is_draining = True
    directory.refresh()
    assert serving(directory, 0) == [] and directory.missing() == {0}
    assert known(directory) == [uplink]


def test_all_are_closed_when_the_router_goes_down() -> None:
    directory = Directory(2)
    uplinks = [join(directory, 1, [index], str(index)) for index in range(2)]
    directory.close_all("bye")
    assert [uplink.closed_because for uplink in uplinks] == [["bye"], ["bye"]]
    assert directory.uplinks == {} and directory.missing() == {0, 1}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.booleans()), max_size=20))
def test_the_directory_agrees_with_a_plain_list_of_who_came_and_left(events: list[tuple[str, int, bool]]) -> None:
    directory, highest = Directory(1), dict[str, int]()
    live: dict[str, FakeUplink] = {}
    for replica, incarnation, joins in events:
        if not joins:
            if replica in live:
                directory.remove(cast(Uplink, live.pop(replica)))
        elif incarnation > highest.get(replica, -1):
            highest[replica], live[replica] = incarnation, join(directory, incarnation, [0], replica)
        else:
            with pytest.raises(JoinRefused):
                join(directory, incarnation, [0], replica)
        assert set(serving(directory, 0)) == set(live.values())
        assert directory.missing() == (set() if live else {0})


def test_faults_are_remembered_of_so_many_nodes_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "MAX_FAULTY", 2)
    directory = Directory(1)
    for node in ("a", "b", "a", "c"):
        directory.note_fault(UplinkKey("0x1", node, "replica"))
    assert [directory.faults("0x1", node) for node in "abc"] == [2, 0, 1]


def test_whose_incarnation_was_forgotten_while_it_was_examined_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "MAX_KNOWN", 1)
    directory = Directory(1)
    examined = claim(directory, 3, [0], "first")
    claim(directory, 3, [0], "second")
    directory.register(cast(Uplink, examined))
    assert examined.closed_because and known(directory) == []


def test_a_signer_with_all_its_uplinks_may_renew_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "MAX_UPLINKS_PER_SIGNER", 1)
    directory, key = Directory(1), UplinkKey("0x1", "node", "replica")
    for incarnation in (1, 2):
        uplink = cast(Uplink, FakeUplink(directory, incarnation, [0], key))
        directory.claim(uplink)
        directory.register(uplink)
    assert known(directory) == [uplink]
    with pytest.raises(JoinRefused) as refused:
        directory.claim(cast(Uplink, FakeUplink(directory, 1, [0], key._replace(replica_id="other"))))
    assert refused.value.reason_code == "too_many_uplinks"
