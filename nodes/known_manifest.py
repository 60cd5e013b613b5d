"""The network manifest as a node knows it: the newest it has seen, on disk, so that nobody can make it go back."""

from __future__ import annotations

import logging
from pathlib import Path

from moray.errors import BadSetting, DownloadFailed, ManifestRefused, MorayError, UnsafeAddress
from moray.files import write_private
from moray.guarded_http import Fetcher
from moray.join_string import JoinString
from moray.network_manifest import (
    MAX_NETWORK_MANIFEST_BYTES,
    NetworkManifest,
    encode_manifest,
    parse_manifest,
    read_signed,
)

logger = logging.getLogger(__name__)


class KnownManifest:
    """One process at a time: whoever holds the state directory's lock."""

    def __init__(self, state_dir: Path, join_string: JoinString, fetcher: Fetcher) -> None:
        self._path = state_dir / f"network-{join_string.owner.lower()}.json"
        self._join_string, self._fetcher = join_string, fetcher

    def refresh(self, now_s: float) -> NetworkManifest:
        """The manifest from the join string's URL, or from a router of the stored one, or the stored one as long as it
        holds at ``now_s`` (Unix). Never of a lower version than one returned before, nor of another network.

        Raises ManifestRefused, DownloadFailed or UnsafeAddress, as the join string's URL failed, when there is none to
        go by; ManifestRefused for a damaged file in the state directory, BadSetting for one that cannot be used.
        """
        stored = self._stored()
        urls = [self._join_string.url]
        if stored is not None:
            urls += [router.url for router in stored.routers]
        problems: list[MorayError] = []
        for url in dict.fromkeys(urls):
            try:
                manifest = self._fetch(url, now_s, stored)
            except (DownloadFailed, UnsafeAddress, ManifestRefused) as error:
                logger.info("no network manifest from %s: %s", url, error)
                problems.append(error)
                continue
            if manifest != stored:
                self._store(manifest)
            return manifest
        if stored is None:
            raise problems[0]
        try:
            return parse_manifest(encode_manifest(stored), self._join_string.owner, now_s)
        except ManifestRefused as error:
            logger.info("nor from disk: %s", error)
            raise problems[0] from None

    def _fetch(self, url: str, now_s: float, stored: NetworkManifest | None) -> NetworkManifest:
        content = self._fetcher.get(f"{url}/network/manifest", MAX_NETWORK_MANIFEST_BYTES)
        manifest = parse_manifest(content, self._join_string.owner, now_s, stored.version if stored else 1)
        if stored is not None and manifest.network_id != stored.network_id:
            raise ManifestRefused(
                "wrong_network",
                f"it is of {manifest.network_id!r}, not of {stored.network_id!r}; give another --state-dir",
            )
        return manifest

    def _stored(self) -> NetworkManifest | None:
        """Expired or not."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_NETWORK_MANIFEST_BYTES + 1)
            return read_signed(content, self._join_string.owner)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadSetting(f"cannot read {self._path}: {error.strerror}; give another --state-dir") from None
        except ManifestRefused as error:
            # Going on without it would take any old version for new.
            raise ManifestRefused(error.reason_code, f"{self._path} was damaged: restore it, or delete it") from None

    def _store(self, manifest: NetworkManifest) -> None:
        try:
            write_private(self._path, encode_manifest(manifest))
        except OSError as error:
            raise BadSetting(f"cannot write {self._path}: {error.strerror}; give another --state-dir") from None
