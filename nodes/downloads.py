"""A model's manifest and the shards that this node serves, from any source that has them.

Sources are not trusted: the network manifest pins the model's id, the model's manifest the SHA-256 of every shard. A
shard has its name only when it is whole, right and on disk; until then it is ``.NAME.part``, which the next call goes
on with. A call may be killed at any byte.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from moray.errors import BadCheckpoint, BadSetting, DownloadFailed, MorayError, UnsafeAddress
from moray.experts.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestFile,
    parse_manifest,
    read_manifest,
)
from moray.files import sync_directory, write_private
from moray.guarded_http import Fetcher
from moray.nodes.state import hold_lock, open_state_dir
from moray.quoting import quoted

Report = Callable[[int, int, int], None]  # expert, bytes of its shard that are here, bytes of its shard

MAX_VAIN_ROUNDS = 5  # in which all sources together brought less than PROGRESS_BYTES
PROGRESS_BYTES = 1 << 20
FIRST_BACKOFF_S = 0.5  # after a vain round; doubles with each
SPARE_BYTES = 64 << 20  # of the disk, left free

_DISK = "an earlier call"  # which none can be blamed for


def model_folder(state_dir: Path, model_id: str) -> Path:
    """Where a node keeps what it has of a model."""
    return state_dir / "models" / model_id


def fetch_model_manifest(fetcher: Fetcher, sources: Sequence[str], model_id: str, folder: Path) -> Manifest:
    """The manifest with this id: the folder's own, or else the first source's that has it, which is kept there.

    ``sources`` are base URLs. ``folder`` is made if it is absent. Raises DownloadFailed, UnsafeAddress when every
    source has a private address, ClusterError or BadSetting for a folder that cannot be used.
    """
    open_state_dir(folder)
    with suppress(BadCheckpoint):  # none yet, or not what it was
        manifest = read_manifest(folder)
        if manifest.model_id == model_id:
            return manifest
    problems: list[MorayError] = []
    for source in sources:
        try:
            content = fetcher.get(_url(source, MANIFEST_FILE), MAX_MANIFEST_BYTES)
            manifest = parse_manifest(content, f"the manifest from {source}")
            if manifest.model_id != model_id:
                raise BadCheckpoint(f"{source} has model {manifest.model_id}, not {model_id}; ask its operator")
        except BadCheckpoint as error:
            problems.append(DownloadFailed(quoted(str(error))))
        except (DownloadFailed, UnsafeAddress) as error:
            problems.append(error)
        else:
            with _disk_errors_told(folder):
                write_private(folder / MANIFEST_FILE, content)
            return manifest
    raise _most_hopeful(problems)


def fetch_shards(
    fetcher: Fetcher, sources: Sequence[str], manifest: Manifest, experts: Iterable[int], folder: Path, report: Report
) -> None:
    """Bring the shards of ``experts`` into ``folder``, in ascending order. Shards that are there and right are kept.

    ``sources`` are base URLs, asked in that order; whoever sent a wrong shard is not asked again. Each that fails is
    tried again with back-off, as long as there is progress, and ``MAX_VAIN_ROUNDS`` times without. Raises what
    ``fetch_model_manifest`` raises, ClusterError also while another process fetches into the folder, and IndexError for
    an expert that the model does not have.
    """
    files = [manifest.expert_file(expert) for expert in sorted(set(experts))]
    open_state_dir(folder)
    with hold_lock(folder), _disk_errors_told(folder):
        missing = [file for file in files if not _is_here(file, folder, report)]
        _require_space(missing, folder)
        trusted = list(sources)
        for file in missing:
            with closing(_Part(file, folder, report)) as part:
                _fetch(fetcher, trusted, part)
                part.put_in_place()


class _Part:
    """What there is of one shard, and its digest so far."""

    def __init__(self, file: ManifestFile, folder: Path, report: Report) -> None:
        self.file = file
        self._path, self._whole_path = _part_path(file, folder), folder / file.name
        self._report = report
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._stream = os.fdopen(fd, "r+b")
        self._digest = hashlib.file_digest(self._stream, "sha256")  # leaves the stream at its end
        self.num_bytes = self._stream.tell()
        if self.num_bytes > file.size_bytes:
            self.discard()
        self._tell()

    def is_full(self) -> bool:
        return self.num_bytes == self.file.size_bytes

    def is_right(self) -> bool:
        return self._digest.hexdigest() == self.file.sha256

    def append(self, piece: bytes) -> None:
        self._stream.write(piece)
        self._stream.flush()  # to the system, which keeps it when this process is killed
        self._digest.update(piece)
        self.num_bytes += len(piece)
        self._tell()

    def discard(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    def put_in_place(self) -> None:
        os.fsync(self._stream.fileno())
        self._path.rename(self._whole_path)
        sync_directory(self._path.parent)

    def close(self) -> None:
        self._stream.close()

    def _tell(self) -> None:
        assert self.file.expert is not None
        self._report(self.file.expert, self.num_bytes, self.file.size_bytes)


def _fetch(fetcher: Fetcher, trusted: list[str], part: _Part) -> None:
    """Fill ``part`` with the right bytes. Whoever sent a wrong shard is taken out of ``trusted``."""
    authors = _fill(fetcher, trusted, part)
    if part.is_right():
        return
    problems: list[MorayError] = []
    if authors == {trusted[0]}:
        problems.append(_distrust(trusted, trusted[0], part.file))
    # Of several authors any may be to blame: from now on each source answers for a whole shard.
    for source in list(trusted):
        part.discard()
        try:
            _fill(fetcher, [source], part)
        except (DownloadFailed, UnsafeAddress) as error:
            problems.append(error)
            continue
        if part.is_right():
            return
        problems.append(_distrust(trusted, source, part.file))
    if part.is_full():
        part.discard()
    raise _most_hopeful(problems)


def _distrust(trusted: list[str], source: str, file: ManifestFile) -> DownloadFailed:
    trusted.remove(source)
    return DownloadFailed(f"{source} sends a {file.name} that is not the manifest's; tell its operator")


def _fill(fetcher: Fetcher, sources: list[str], part: _Part) -> set[str]:
    """Go on until ``part`` has its size, and return who its bytes are from. Of ``sources`` that one is put first which
    sent the last of them."""
    authors = {_DISK} if part.num_bytes else set()
    num_vain = 0
    while not part.is_full():
        num_before = part.num_bytes
        problems: list[MorayError] = []
        for source in sources:
            pieces = fetcher.get_range(_url(source, part.file.name), part.num_bytes, part.file.size_bytes)
            try:
                with closing(pieces):
                    for piece in pieces:
                        authors.add(source)
                        part.append(piece)
            except (DownloadFailed, UnsafeAddress) as error:
                problems.append(error)
                continue
            sources.insert(0, sources.pop(sources.index(source)))
            return authors
        num_vain = 0 if part.num_bytes - num_before >= PROGRESS_BYTES else num_vain + 1
        if num_vain == MAX_VAIN_ROUNDS or not any(problem.is_retryable for problem in problems):
            raise _most_hopeful(problems)
        if num_vain:
            time.sleep(FIRST_BACKOFF_S * 2 ** (num_vain - 1) * (0.5 + random.random()))
    return authors


def _is_here(file: ManifestFile, folder: Path, report: Report) -> bool:
    try:
        with (folder / file.name).open("rb") as stream:
            is_right = hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False
    if is_right and file.expert is not None:
        report(file.expert, file.size_bytes, file.size_bytes)
    return is_right


def _require_space(missing: list[ManifestFile], folder: Path) -> None:
    if not missing:
        return
    here = sum(path.stat().st_size for file in missing if (path := _part_path(file, folder)).exists())
    needed = sum(file.size_bytes for file in missing) - here + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BadSetting(
            f"{folder} needs {needed / 1e9:.1f} GB more for {len(missing)} shards and its disk has {free / 1e9:.1f} GB "
            "free; free space, serve fewer experts or give another --state-dir"
        )


def _part_path(file: ManifestFile, folder: Path) -> Path:
    return folder / f".{file.name}.part"


def _url(source: str, name: str) -> str:
    return f"{source}/model/{name}"


def _most_hopeful(problems: list[MorayError]) -> MorayError:
    """The first that may pass, or the first."""
    hopeful = [problem for problem in problems if problem.is_retryable]
    return (hopeful or problems or [DownloadFailed("there is no source to ask; name one")])[0]


@contextmanager
def _disk_errors_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSetting(
            f"{folder} cannot be used ({error.strerror or error}); free space or give another --state-dir"
        ) from None
