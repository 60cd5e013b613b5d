"""A router's card: what its ``/network`` says that the owner of the network signs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from moray.cli.launch import MAX_REPLY_BYTES
from moray.errors import BadSetting, ClusterError
from moray.faults import first_fault
from moray.network_manifest import U64, Digest, Host, NetworkId, Port, RouterEntry, StakeTerms
from moray.types import NumericClass

TIMEOUT_S = 10  # for each read


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)  # other fields are ignored: /network shows much more


class ModelCard(_Part):
    id: Digest
    numeric_class: NumericClass


class PublicAddress(_Part):
    host: Host
    port: Port
    tls_cert_sha256: Digest


class RouterCard(_Part):
    network_id: NetworkId
    chain_id: U64
    model: ModelCard
    public_address: PublicAddress | None
    stake: StakeTerms | None = None

    @property
    def network(self) -> tuple[object, ...]:
        """What all routers of one network have in common."""
        return self.network_id, self.chain_id, self.model, self.stake


def read_card(url: str) -> RouterCard:
    """The card of the router whose gateway is at ``url``.

    Raises ClusterError when it does not answer with one, BadSetting for a router that has no shards to give.
    """
    content = _get(f"{url}/network", MAX_REPLY_BYTES)
    try:
        card = RouterCard.model_validate_json(content or b"")
    except ValidationError as error:
        raise ClusterError(f"{url}/network is not a router's ({first_fault(error)}); give a gateway's URL") from None
    if _get(f"{url}/model/manifest.json", 1) is None:
        raise BadSetting(
            f"{url} has no shards to give to those who join; `moray model shard` its checkpoint and start it with that"
        )
    return card


def router_entries(
    urls: Sequence[str], cards: Sequence[RouterCard], public_url: str | None = None
) -> tuple[RouterEntry, ...]:
    """The manifest's entries of routers read at ``urls``; ``public_url`` is written instead of a single one's.

    Raises BadSetting for routers that are not of one network, or that nobody else can reach.
    """
    if public_url is not None and len(urls) != 1:
        raise BadSetting("--public-url is for one router; read several at the URLs that others use")
    entries = []
    for url, card in zip(urls, cards, strict=True):
        if card.network != cards[0].network:
            raise BadSetting(
                f"{url} serves another network or model, or asks for another stake, than {urls[0]}; "
                "name routers of one network"
            )
        address = card.public_address
        if address is None:
            raise BadSetting(f"{url} has no public address; start its `moray up` with --public-host and --public-port")
        shown = public_url or url
        if is_loopback(urlsplit(shown).hostname) and not is_loopback(address.host):
            raise BadSetting(f"{shown} leads nowhere from another machine; give --public-url, or another --router")
        entries.append(
            RouterEntry(host=address.host, port=address.port, url=shown, tls_cert_sha256=address.tls_cert_sha256)
        )
    return tuple(entries)


def is_open_to_change(url: str) -> bool:
    """Whether what was read there may have been somebody else's words."""
    return url.startswith("http:") and not is_loopback(urlsplit(url).hostname)


def is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _get(url: str, limit_bytes: int) -> bytes | None:
    """The reply's first bytes, None for HTTP 404. Raises ClusterError."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:  # noqa: S310 - checked to be http or https
            content: bytes = reply.read(limit_bytes)
            return content
    except (OSError, HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 404:
            return None
        raise ClusterError(f"{url} does not answer ({ascii(str(error))[:200]}); check that the router runs") from None
