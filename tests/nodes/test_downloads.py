"""Shards from sources that lie, stall and break off: in the end the manifest's bytes or a typed error, and never a file
that is not whole."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from http_kit import Answer, Reply, Server, serving
from moray.errors import BadSetting, ClusterError, DownloadFailed, UnsafeAddress
from moray.experts.manifest import Manifest, read_manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.store import ShardStore
from moray.guarded_http import Fetcher
from moray.nodes import downloads
from moray.nodes.downloads import fetch_model_manifest, fetch_shards
from moray.nodes.state import hold_lock

FETCHER = Fetcher(allow_private=True, patience_s=10)
HASTY = Fetcher(allow_private=True, patience_s=0.3)
NAME, PART = "expert-00003.safetensors", ".expert-00003.safetensors.part"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharded folder whose shards have some 440 KB each."""
    root = tmp_path_factory.mktemp("model")
    write_random_checkpoint(root / "source", TINY_CONFIG | {"moe_intermediate_size": 512}, seed=5)
    write_shards(root / "source", root / "shards")
    return root / "shards"


@pytest.fixture(scope="module")
def manifest(model: Path) -> Manifest:
    return read_manifest(model)


@pytest.fixture(scope="module")
def shard(model: Path) -> bytes:
    return (model / NAME).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(model / "manifest.json", folder)
    return folder


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FIRST_BACKOFF_S", 0.001)


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources() as sources:
        yield sources


class Sources(ExitStack):
    def add(self, answer: Answer) -> Server:
        return self.enter_context(serving(answer))


def send_from(reply: Reply, content: bytes, end: int | None = None) -> None:
    """``content`` from where the request wants it, its head for all of it, its bytes up to ``end``."""
    first = reply.request_seen.first_byte
    headers: dict[str, object] = {"Content-Length": len(content) - first}
    if first:
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    reply.head(206 if first else 200, headers)
    reply.body(content[first:end])


def good(model: Path) -> Answer:
    """A source as it should be."""

    def answer(reply: Reply) -> None:
        path = model / reply.request_seen.path.removeprefix("/model/")
        if path.is_file():
            send_from(reply, path.read_bytes())
        else:
            reply.error(404, "not_found", "no such file")

    return answer


def wrong(shard: bytes) -> Answer:
    return lambda reply: send_from(reply, bytes(len(shard)))


def broken(reply: Reply) -> None:
    reply.error(503, "starting", "come back later")


def fetch(
    servers: Iterable[Server],
    manifest: Manifest,
    folder: Path,
    experts: Iterable[int] = (3,),
    fetcher: Fetcher = FETCHER,
) -> list[tuple[int, int, int]]:
    reports: list[tuple[int, int, int]] = []
    urls = [server.url for server in servers]
    fetch_shards(fetcher, urls, manifest, experts, folder, lambda *report: reports.append(report))
    return reports


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"lock", "manifest.json"}


def test_only_the_shards_asked_for_are_fetched_and_they_serve(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    source = sources.add(good(model))
    reports = fetch([source], manifest, folder, [6, 3, 6])
    assert names(folder) == {NAME, "expert-00006.safetensors"}
    ShardStore.open(folder).verify([3, 6])
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert [request.path for request in source.requests] == [f"/model/{NAME}", "/model/expert-00006.safetensors"]
    size = len(shard)
    assert reports[0] == (3, 0, size) and (3, size, size) in reports and reports[-1] == (6, size, size)
    done_of_3 = [done for expert, done, _ in reports if expert == 3]
    assert done_of_3 == sorted(done_of_3)


def test_what_is_whole_and_right_is_not_fetched_again_and_what_was_damaged_is(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    source = sources.add(good(model))
    fetch([source], manifest, folder)
    assert fetch([source], manifest, folder) == [(3, len(shard), len(shard))]
    assert len(source.requests) == 1
    (folder / NAME).write_bytes(shard[:-1] + b"?")
    fetch([source], manifest, folder)
    assert len(source.requests) == 2
    assert (folder / NAME).read_bytes() == shard


def test_an_expert_that_the_model_does_not_have_is_refused(manifest: Manifest, folder: Path) -> None:
    with pytest.raises(IndexError):
        fetch([], manifest, folder, [8])


def test_a_cut_connection_is_taken_up_where_it_ended(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def cuts(reply: Reply) -> None:
        send_from(reply, shard, reply.request_seen.first_byte + 150_000)

    source = sources.add(cuts)
    fetch([source], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert [request.first_byte for request in source.requests] == list(range(0, len(shard), 150_000))
    assert source.num_sent == len(shard)


def test_progress_makes_up_for_failures_and_their_number_is_bounded_without(
    manifest: Manifest, folder: Path, sources: Sources, shard: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.add(lambda reply: send_from(reply, shard, reply.request_seen.first_byte + 30_000))
    with pytest.raises(DownloadFailed, match="ended at byte"):
        fetch([source], manifest, folder)
    assert len(source.requests) == downloads.MAX_VAIN_ROUNDS
    assert names(folder) == {PART}
    monkeypatch.setattr(downloads, "PROGRESS_BYTES", 30_000)
    fetch([source], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert source.num_sent == len(shard)


@pytest.mark.parametrize("num_here", [1, 100_000, -1])
def test_a_part_is_gone_on_with_and_only_the_rest_is_asked_for(
    num_here: int, model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    (folder / PART).write_bytes(shard[:num_here])
    source = sources.add(good(model))
    reports = fetch([source], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert source.num_sent == len(shard) - len(shard[:num_here])
    assert reports[0] == (3, len(shard[:num_here]), len(shard))


def test_a_whole_part_needs_no_source(manifest: Manifest, folder: Path, shard: bytes) -> None:
    (folder / PART).write_bytes(shard)
    fetch([], manifest, folder)
    assert names(folder) == {NAME}
    assert (folder / NAME).read_bytes() == shard


@pytest.mark.parametrize("left", [b"not the shard's", bytes(1 << 20)], ids=["wrong", "too long"])
def test_a_part_of_something_else_is_thrown_away_and_nobody_is_blamed(
    left: bytes, model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    (folder / PART).write_bytes(left)
    fetch([sources.add(good(model))], manifest, folder)
    assert (folder / NAME).read_bytes() == shard


def test_a_part_that_is_a_link_is_not_followed(model: Path, manifest: Manifest, folder: Path, sources: Sources) -> None:
    (folder.parent / "precious").write_bytes(b"keep me")
    (folder / PART).symlink_to(folder.parent / "precious")
    with pytest.raises(BadSetting, match="cannot be used"):
        fetch([sources.add(good(model))], manifest, folder)
    assert (folder.parent / "precious").read_bytes() == b"keep me"


def test_a_source_without_ranges_ends_a_part_too(
    manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def refuses(reply: Reply) -> None:
        if "Range" in reply.request_seen.headers:
            reply.error(416, "no_ranges", "not here")
        else:
            reply.whole(shard)

    for answer in (lambda reply: reply.whole(shard), refuses):
        (folder / NAME).unlink(missing_ok=True)
        (folder / PART).write_bytes(shard[:100_000])
        fetch([sources.add(answer)], manifest, folder)
        assert (folder / NAME).read_bytes() == shard


def test_wrong_bytes_are_thrown_away_and_their_source_is_not_asked_again(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    liar, honest = sources.add(wrong(shard)), sources.add(good(model))
    fetch([liar, honest], manifest, folder, [3, 4, 5])
    ShardStore.open(folder).verify([3, 4, 5])
    assert len(liar.requests) == 1
    assert len(honest.requests) == 3
    assert names(folder) == {f"expert-0000{expert}.safetensors" for expert in (3, 4, 5)}


def test_with_liars_only_there_is_no_file_and_a_retryable_error(
    manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    liars = [sources.add(wrong(shard)), sources.add(wrong(shard))]
    with pytest.raises(DownloadFailed, match=f"{NAME} that is not the manifest's") as caught:
        fetch(liars, manifest, folder)
    assert caught.value.is_retryable
    assert [len(liar.requests) for liar in liars] == [1, 1]
    assert (folder / PART).read_bytes() == b""
    assert not (folder / NAME).exists()


def test_who_begins_a_shard_wrongly_does_not_get_the_one_blamed_who_ends_it(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def begins_wrongly(reply: Reply) -> None:
        send_from(reply, bytes(len(shard)), reply.request_seen.first_byte + 1000)

    liar, honest = sources.add(begins_wrongly), sources.add(good(model))
    fetch([liar, honest], manifest, folder, [3, 4])
    ShardStore.open(folder).verify([3, 4])
    assert [request.first_byte for request in honest.requests] == [1000, 0, 0]


def test_two_halves_of_honest_sources_are_one_shard(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def breaks_off(reply: Reply) -> None:
        if reply.request_seen.first_byte:
            broken(reply)
        else:
            send_from(reply, shard, 200_000)

    first, second = sources.add(breaks_off), sources.add(good(model))
    fetch([first, second], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert (first.num_sent, second.num_sent) == (200_000, len(shard) - 200_000)


def test_the_source_that_answered_last_is_asked_first(
    model: Path, manifest: Manifest, folder: Path, sources: Sources
) -> None:
    down, up = sources.add(broken), sources.add(good(model))
    fetch([down, up], manifest, folder, range(8))
    ShardStore.open(folder).verify(list(range(8)))
    assert (len(down.requests), len(up.requests)) == (1, 8)


def test_a_source_that_is_down_for_a_while_is_tried_again(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    server = sources.add(lambda reply: (broken if len(server.requests) < 4 else good(model))(reply))
    fetch([server], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert len(server.requests) == 4


def test_what_the_last_source_said_is_told(manifest: Manifest, folder: Path, sources: Sources) -> None:
    source = sources.add(broken)
    with pytest.raises(DownloadFailed, match="answers HTTP 503: starting: come back later"):
        fetch([source], manifest, folder)
    assert len(source.requests) == downloads.MAX_VAIN_ROUNDS
    with pytest.raises(DownloadFailed, match="no source"):
        fetch([], manifest, folder)


def test_a_source_that_stalls_is_left_for_the_next(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def stalls(reply: Reply) -> None:
        send_from(reply, shard, 50_000)
        reply.hang()

    stalling = sources.add(stalls)
    fetch([stalling, sources.add(good(model))], manifest, folder, fetcher=HASTY)
    assert (folder / NAME).read_bytes() == shard
    assert len(stalling.requests) == 1


def test_a_source_that_sends_for_ever_fills_no_disk(
    manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    largest = 0

    def floods(reply: Reply) -> None:
        reply.head(200, {})
        while not reply.server.ended.is_set():
            reply.body(bytes(1 << 16))

    def measure(*_: int) -> None:
        nonlocal largest
        largest = max(largest, (folder / PART).stat().st_size)

    source = sources.add(floods)
    with pytest.raises(DownloadFailed):
        fetch_shards(FETCHER, [source.url], manifest, [3], folder, measure)
    assert largest == len(shard)


def test_private_sources_are_left_out_and_only_they_make_it_an_unsafe_address(
    model: Path, manifest: Manifest, folder: Path, sources: Sources
) -> None:
    source = sources.add(good(model))
    careful = Fetcher(allow_private=False)
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        fetch([source], manifest, folder, fetcher=careful)
    with pytest.raises(UnsafeAddress):
        fetch_model_manifest(careful, [source.url], manifest.model_id, folder / "new")
    assert source.num_connections == 0


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.add(good(model))
    (folder / PART).write_bytes(shard[:1000])
    needed = 2 * len(shard) - 1000 + downloads.SPARE_BYTES
    free = needed - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(BadSetting, match=r"needs 0\.1 GB more for 2 shards and its disk has 0\.1 GB free") as caught:
        fetch([source], manifest, folder, [3, 4])
    assert "\n" not in str(caught.value)
    assert source.requests == []
    free = needed
    fetch([source], manifest, folder, [3, 4])
    ShardStore.open(folder).verify([3, 4])


def test_a_disk_that_fails_is_not_the_sources_fault_and_leaves_no_half_file(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = sources.add(good(model))
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail)
        with pytest.raises(BadSetting, match="No space left on device"):
            fetch([source], manifest, folder)
    assert names(folder) == {PART}
    fetch([source], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert len(source.requests) == 1


def test_two_processes_do_not_fetch_into_one_folder(
    model: Path, manifest: Manifest, folder: Path, sources: Sources
) -> None:
    source = sources.add(good(model))
    with hold_lock(folder), pytest.raises(ClusterError, match="another moray command is at work"):
        fetch([source], manifest, folder)
    assert source.requests == []
    assert names(folder) == set()


FETCH_SCRIPT = """
import sys
from pathlib import Path
from moray.experts.manifest import read_manifest
from moray.nodes.downloads import fetch_shards
from moray.guarded_http import Fetcher
folder = Path(sys.argv[2])
fetch_shards(Fetcher(True), [sys.argv[1]], read_manifest(folder), [3], folder, lambda *_: None)
"""


def test_after_kill_9_no_byte_that_was_there_is_fetched_again(
    model: Path, manifest: Manifest, folder: Path, sources: Sources, shard: bytes
) -> None:
    def stops_midway(reply: Reply) -> None:
        send_from(reply, shard, 123_457)
        reply.hang()

    source = sources.add(stops_midway)
    process = subprocess.Popen([sys.executable, "-c", FETCH_SCRIPT, source.url, str(folder)], env=dict(os.environ))
    try:
        patience = time.monotonic() + 120
        while not ((folder / PART).exists() and (folder / PART).stat().st_size == 123_457):
            assert process.poll() is None and time.monotonic() < patience
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(folder) == {PART}
    fresh = sources.add(good(model))
    fetch([fresh], manifest, folder)
    assert (folder / NAME).read_bytes() == shard
    assert [request.first_byte for request in fresh.requests] == [123_457]
    assert fresh.num_sent == len(shard) - 123_457


def test_the_models_manifest_is_fetched_once(model: Path, manifest: Manifest, tmp_path: Path, sources: Sources) -> None:
    source = sources.add(good(model))
    folder = tmp_path / "models" / "new"
    for _ in range(2):
        assert fetch_model_manifest(FETCHER, [source.url], manifest.model_id, folder) == manifest
    assert [request.path for request in source.requests] == ["/model/manifest.json"]
    assert (folder / "manifest.json").read_bytes() == (model / "manifest.json").read_bytes()
    assert stat.S_IMODE((folder / "manifest.json").stat().st_mode) == 0o600


def test_a_manifest_on_disk_that_is_damaged_or_of_another_model_is_replaced(
    model: Path, manifest: Manifest, folder: Path, sources: Sources
) -> None:
    source = sources.add(good(model))
    (folder / "manifest.json").write_text("{")
    assert fetch_model_manifest(FETCHER, [source.url], manifest.model_id, folder) == manifest
    with pytest.raises(DownloadFailed, match=f"has model {manifest.model_id}, not {'0' * 64}"):
        fetch_model_manifest(FETCHER, [source.url], "0" * 64, folder)
    assert read_manifest(folder) == manifest


def test_a_manifest_that_is_not_the_pinned_one_is_passed_over(
    model: Path, manifest: Manifest, tmp_path: Path, sources: Sources
) -> None:
    text = (model / "manifest.json").read_bytes()
    bad = [
        sources.add(broken),
        sources.add(lambda reply: reply.whole(text.replace(b'"rope_theta": 10000.0', b'"rope_theta": 10001.0'))),
        sources.add(lambda reply: reply.whole(b"[" * 100_000)),
        sources.add(lambda reply: reply.whole(b'{"format_version": "\\u001b[2J' + b"a" * 100_000 + b'"}')),
        sources.add(lambda reply: reply.whole(b" " * (5 << 20))),
    ]
    for source in bad:
        with pytest.raises(DownloadFailed) as caught:
            fetch_model_manifest(FETCHER, [source.url], manifest.model_id, tmp_path / "new")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    assert list((tmp_path / "new").iterdir()) == []
    urls = [source.url for source in [*bad, sources.add(good(model))]]
    assert fetch_model_manifest(FETCHER, urls, manifest.model_id, tmp_path / "new") == manifest


def test_a_folder_that_cannot_be_made_is_one_clear_line(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for fetching in (
        lambda: fetch_model_manifest(FETCHER, [], manifest.model_id, tmp_path / "file" / "x"),
        lambda: fetch_shards(FETCHER, [], manifest, [3], tmp_path / "file" / "x", lambda *_: None),
    ):
        with pytest.raises(ClusterError, match="--state-dir"):
            fetching()
