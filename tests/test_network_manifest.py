"""A network manifest is believed when its owner said exactly this, of late, and has said nothing newer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

import eip712_oracle
from moray.errors import BadSetting, ManifestRefused
from moray.network_manifest import (
    DAY_S,
    MAX_NETWORK_MANIFEST_BYTES,
    NO_SLASHER,
    NetworkManifest,
    RouterEntry,
    StakeTerms,
    encode_manifest,
    manifest_typed_data,
    parse_manifest,
    read_signed,
    sign_manifest,
)
from moray.node_key import NodeKey
from moray.types import PublicAddress
from moray.web_address import MAX_URL_CHARACTERS

KEY = NodeKey.from_bytes(bytes(31) + b"\x07")
OTHER_KEY = NodeKey.from_bytes(bytes(31) + b"\x08")
NOW_S = 1_800_000_000
U64 = st.integers(0, 2**64 - 1)
HOSTS = st.sampled_from(["router.example", "203.0.113.5", "2001:db8::5", "r"])
URLS = st.sampled_from(["http://203.0.113.5:8000", "https://cdn.example/moray", "http://[::1]:1"])
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
ENTRIES = st.builds(RouterEntry, host=HOSTS, port=st.integers(1, 65535), url=URLS, tls_cert_sha256=DIGESTS)
TEXTS = st.text("abc 0x12_-", min_size=1, max_size=20)
ACCOUNTS = st.sampled_from([KEY.address, OTHER_KEY.address, NO_SLASHER])
STAKES = st.builds(StakeTerms, node_registry=ACCOUNTS, slasher=ACCOUNTS, min_stake=st.integers(0, 2**128 - 1))


@st.composite
def manifests(draw: st.DrawFn, is_valid_now: bool = False) -> NetworkManifest:
    """Signed by KEY."""
    lifetime_s = draw(st.integers(1, 366 * DAY_S))
    age_s = draw(st.integers(-300, lifetime_s - 1))
    issued_at = NOW_S - age_s if is_valid_now else draw(st.integers(0, 2**64 - 1 - lifetime_s))
    return sign_manifest(
        KEY,
        network_id=draw(TEXTS),
        chain_id=(chain_id := draw(U64)),
        version=draw(st.integers(1, 2**64 - 1)),
        model_id=draw(DIGESTS),
        numeric_class=draw(st.sampled_from(["float32", "int8", "int4"])),
        issued_at=issued_at,
        expires_at=issued_at + lifetime_s,
        routers=tuple(draw(st.lists(ENTRIES, min_size=1, max_size=4, unique_by=lambda entry: entry.name))),
        mirrors=tuple(draw(st.lists(URLS, max_size=3))),
        stake=draw(st.none() | STAKES) if chain_id else None,
    )


def signed(**changes: Any) -> NetworkManifest:
    entry = RouterEntry(host="203.0.113.5", port=7000, url="http://203.0.113.5:8000", tls_cert_sha256="ab" * 32)
    fields: dict[str, Any] = {
        "network_id": "eels",
        "chain_id": 0,
        "version": 3,
        "model_id": "cd" * 32,
        "numeric_class": "int8",
        "issued_at": NOW_S,
        "expires_at": NOW_S + 30 * DAY_S,
        "routers": (entry,),
        "mirrors": ("https://cdn.example/moray",),
    }
    return sign_manifest(KEY, **fields | changes)


PLAIN: dict[str, Any] = json.loads(encode_manifest(signed()))
TERMS = StakeTerms(node_registry=OTHER_KEY.address, slasher=NO_SLASHER, min_stake=10**18)
STAKED: dict[str, Any] = json.loads(encode_manifest(signed(chain_id=31337, stake=TERMS)))


def refused(content: object, now_s: float = NOW_S, owner: str = KEY.address, min_version: int = 1) -> str:
    """The reason, after a look at the message."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ManifestRefused) as caught:
        parse_manifest(text, owner, now_s, min_version)
    message = str(caught.value)
    assert message.startswith(f"{caught.value.reason_code}: ") and message.isprintable() and len(message) < 1000
    return caught.value.reason_code


@given(manifests(is_valid_now=True))
def test_what_is_signed_is_read_as_it_was(manifest: NetworkManifest) -> None:
    content = encode_manifest(manifest)
    assert parse_manifest(content, KEY.address, NOW_S, manifest.version) == manifest
    assert encode_manifest(read_signed(content, KEY.address)) == content


@given(manifests())
def test_what_is_signed_is_eip_712_of_plain_python(manifest: NetworkManifest) -> None:
    signable = encode_typed_data(full_message=manifest_typed_data(manifest))
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert digest == eip712_oracle.in_domain(manifest.chain_id, eip712_oracle.manifest_hash(manifest))


def test_every_field_is_signed() -> None:
    staked = NetworkManifest.model_validate(STAKED, strict=False)
    types = {
        struct: [field["name"] for field in fields] for struct, fields in manifest_typed_data(staked)["types"].items()
    }
    assert types["NetworkManifest"] == [name for name in NetworkManifest.model_fields if name != "signature"]
    assert types["RouterEntry"] == list(RouterEntry.model_fields)
    assert types["StakeTerms"] == list(StakeTerms.model_fields)


@settings(max_examples=40)
@given(manifests(is_valid_now=True), manifests(is_valid_now=True), st.data())
def test_a_field_of_another_manifest_breaks_the_signature(
    manifest: NetworkManifest, other: NetworkManifest, data: st.DataObject
) -> None:
    raw = json.loads(encode_manifest(manifest))
    foreign = json.loads(encode_manifest(other))
    name = data.draw(st.sampled_from([name for name in raw if name in foreign and name != "owner"]))
    changed = raw | {name: foreign[name]}
    if changed == raw:
        assert parse_manifest(json.dumps(changed).encode(), KEY.address, NOW_S) == manifest
    else:
        assert refused(changed) in ("bad_signature", "malformed")  # the latter for times that do not go together


@pytest.mark.parametrize(
    "change",
    [
        {"network_id": "eel"},
        {"chain_id": 1},
        {"version": 4},
        {"model_id": "ce" * 32},
        {"numeric_class": "int4"},
        {"issued_at": NOW_S - 1},
        {"expires_at": NOW_S + 30 * DAY_S + 1},
        {"routers": [PLAIN["routers"][0] | {"host": "203.0.113.6"}]},
        {"routers": [PLAIN["routers"][0] | {"port": 7001}]},
        {"routers": [PLAIN["routers"][0] | {"url": "http://203.0.113.5:8001"}]},
        {"routers": [PLAIN["routers"][0] | {"tls_cert_sha256": "aa" * 32}]},
        {"routers": [*PLAIN["routers"], PLAIN["routers"][0] | {"port": 7001}]},
        {"mirrors": []},
        {"mirrors": ["https://cdn.example"]},
        {"mirrors": ["https://cdn.example/moray", "https://cdn.example/moray"]},
        {"signature": "0x" + "00" * 65},
        {"signature": json.loads(encode_manifest(signed(version=4)))["signature"]},
    ],
    ids=str,
)
def test_one_changed_field_breaks_the_signature(change: dict[str, Any]) -> None:
    assert refused(PLAIN | change) == "bad_signature"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stake": STAKED["stake"] | {"min_stake": 10**18 - 1}}, "bad_signature"),
        ({"stake": STAKED["stake"] | {"node_registry": KEY.address}}, "bad_signature"),
        ({"stake": STAKED["stake"] | {"slasher": KEY.address}}, "bad_signature"),
        ({"stake": STAKED["stake"] | {"node_registry": KEY.address.lower()}}, "malformed"),
        ({"stake": STAKED["stake"] | {"min_stake": -1}}, "malformed"),
        ({"stake": STAKED["stake"] | {"min_stake": 2**128}}, "malformed"),
        ({"stake": STAKED["stake"] | {"min_stake": "1"}}, "malformed"),
        ({"stake": STAKED["stake"] | {"symbol": "X"}}, "malformed"),
        ({"stake": None}, "malformed"),
        ({"chain_id": 0}, "malformed"),
        ({"format_version": 1}, "malformed"),
        ({"format_version": 3}, "malformed"),
    ],
    ids=str,
)
def test_the_stake_that_joining_requires_is_signed(change: dict[str, Any], reason: str) -> None:
    assert parse_manifest(json.dumps(STAKED).encode(), KEY.address, NOW_S).stake is not None
    assert refused(STAKED | change) == reason


def test_without_the_stake_a_manifest_is_no_longer_that_of_the_owner() -> None:
    cut = {name: value for name, value in STAKED.items() if name != "stake"}
    assert refused(cut) == "malformed" and refused(cut | {"format_version": 1}) == "bad_signature"


def test_a_manifest_without_stake_is_what_it_was_before_there_was_any() -> None:
    assert PLAIN["format_version"] == 1 and "stake" not in PLAIN


def test_the_order_of_lists_is_signed() -> None:
    first = RouterEntry(host="a", port=1, url="http://a", tls_cert_sha256="00" * 32)
    raw = json.loads(encode_manifest(signed(routers=(first, first.model_copy(update={"host": "b"})))))
    assert refused(raw | {"routers": raw["routers"][::-1]}) == "bad_signature"


def test_a_twin_of_the_signature_is_none() -> None:
    """The same r with the other s, and v as 0 or 1: both are the owner's in other software."""
    r, s, v = (PLAIN["signature"][at:end] for at, end in ((2, 66), (66, 130), (130, 132)))
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin = f"0x{r}{order - int(s, 16):064x}{27 + 28 - int(v, 16):02x}"
    assert refused(PLAIN | {"signature": twin}) == "bad_signature"
    assert refused(PLAIN | {"signature": f"0x{r}{s}{int(v, 16) - 27:02x}"}) == "bad_signature"


def test_somebody_elses_manifest_is_refused_however_it_says_so() -> None:
    assert refused(PLAIN, owner=OTHER_KEY.address) == "wrong_owner"
    assert refused(PLAIN | {"owner": OTHER_KEY.address}, owner=OTHER_KEY.address) == "bad_signature"
    assert refused(PLAIN | {"owner": OTHER_KEY.address}) == "wrong_owner"
    assert refused(PLAIN, owner=KEY.address.lower()) == "wrong_owner"


MALFORMED: list[dict[str, Any]] = [
    {"format_version": 0},
    {"format_version": 2},
    {"stake": STAKED["stake"]},
    {"network_id": ""},
    {"network_id": "a" * 129},
    {"network_id": "a\n"},
    {"network_id": "é"},
    {"network_id": 1},
    {"chain_id": -1},
    {"chain_id": 2**64},
    {"chain_id": "0"},
    {"chain_id": 0.0},
    {"chain_id": False},
    {"version": 0},
    {"version": 2**64},
    {"model_id": "cd" * 31},
    {"model_id": "CD" * 32},
    {"model_id": "cd" * 32 + "\n"},
    {"numeric_class": "float64"},
    {"issued_at": None},
    {"expires_at": NOW_S},
    {"expires_at": NOW_S - 1},
    {"expires_at": NOW_S + 366 * DAY_S + 1},
    {"expires_at": 2**64 - 1},
    {"routers": []},
    {"routers": {}},
    {"routers": None},
    {"routers": PLAIN["routers"] * 2},
    {"routers": [PLAIN["routers"][0] | {"port": port} for port in range(1, 18)]},
    *({"routers": [PLAIN["routers"][0] | {"port": port}]} for port in (0, 65536, "7000", 7000.0)),
    *({"routers": [PLAIN["routers"][0] | {"host": host}]} for host in ("", "A.example", "0.0.0.0", "a b", None)),
    *(
        {"routers": [PLAIN["routers"][0] | {"url": url}]}
        for url in ("", "ftp://a", "http://u:p@a", "http://a?b", "//a")
    ),
    *({"routers": [PLAIN["routers"][0] | {"tls_cert_sha256": pin}]} for pin in ("", "AB" * 32, "ab" * 33)),
    {"routers": [PLAIN["routers"][0] | {"weight": 1}]},
    {"mirrors": ["http://a/"]},
    {"mirrors": [f"http://a/{number}" for number in range(17)]},
    {"mirrors": "http://a"},
    {"owner": KEY.address.lower()},
    {"owner": KEY.address[:-1]},
    {"owner": ""},
    {"signature": ""},
    {"signature": PLAIN["signature"].upper()},
    {"signature": PLAIN["signature"] + "00"},
    {"comment": "more"},
    {"\x1b[31m\n" * 200: 1},
]


@pytest.mark.parametrize("change", MALFORMED, ids=lambda change: ascii(change)[:60])
def test_what_has_another_shape_is_refused(change: dict[str, Any]) -> None:
    assert refused(PLAIN | change) == "malformed"


@pytest.mark.parametrize("name", PLAIN)
def test_a_field_that_is_missing_is_refused(name: str) -> None:
    assert refused({key: value for key, value in PLAIN.items() if key != name}) == "malformed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        encode_manifest(signed())[:-3],
        encode_manifest(signed()).replace(b'"version": 3', b'"version": NaN'),
        encode_manifest(signed()).replace(b'"version": 3', b'"version": ' + b"9" * 5000),
        encode_manifest(signed()).replace(b'"eels"', b'"\\ud800"'),
        encode_manifest(signed()) + b"{}",
    ],
    ids=lambda content: ascii(content[:20]),
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    assert refused(content) == "malformed"


def test_a_manifest_of_the_largest_shape_fits_and_a_byte_too_many_is_refused() -> None:
    url = "https://a/" + "b" * (MAX_URL_CHARACTERS - len("https://a/"))
    host = ".".join(["a" * 49] * 5)
    routers = tuple(
        RouterEntry(host=host, port=65520 + number, url=url, tls_cert_sha256="ab" * 32) for number in range(16)
    )
    largest = signed(
        network_id='"' * 128,
        chain_id=2**64 - 1,
        version=2**64 - 1,
        routers=routers,
        mirrors=(url,) * 16,
        stake=TERMS.model_copy(update={"min_stake": 2**128 - 1}),
    )
    content = encode_manifest(largest)
    assert parse_manifest(content, KEY.address, NOW_S) == largest
    padded = content.ljust(MAX_NETWORK_MANIFEST_BYTES)
    assert parse_manifest(padded, KEY.address, NOW_S) == largest
    assert refused(padded + b" ") == "malformed"


def test_it_holds_from_five_minutes_before_it_was_issued_until_it_expires() -> None:
    content, expires_at = encode_manifest(signed()), NOW_S + 30 * DAY_S
    for now_s in (NOW_S - 300, NOW_S, expires_at - 0.001):
        assert parse_manifest(content, KEY.address, now_s).version == 3
    assert refused(content, NOW_S - 300.001) == "not_yet_valid"
    assert refused(content, expires_at) == "expired"
    assert refused(content, 0) == "not_yet_valid"
    assert refused(content, 1e18) == "expired"


def test_a_year_is_the_longest_that_it_holds() -> None:
    expires_at = NOW_S + 366 * DAY_S
    assert parse_manifest(encode_manifest(signed(expires_at=expires_at)), KEY.address, expires_at - 1)
    with pytest.raises(BadSetting, match="366 days"):
        signed(expires_at=expires_at + 1)


def test_an_older_version_than_one_seen_is_refused() -> None:
    assert parse_manifest(encode_manifest(signed()), KEY.address, NOW_S, min_version=3)
    assert refused(PLAIN, min_version=4) == "rolled_back"


def test_the_first_thing_wrong_is_the_reason() -> None:
    """From shape to version, with all that follows wrong as well."""
    far: dict[str, Any] = {"now_s": NOW_S + 31 * DAY_S, "min_version": 9}
    assert refused(PLAIN | {"owner": OTHER_KEY.address, "more": 1}, **far) == "malformed"
    assert refused(PLAIN | {"owner": OTHER_KEY.address}, **far) == "wrong_owner"
    assert refused(PLAIN | {"version": 1}, **far) == "bad_signature"
    assert refused(PLAIN, **far) == "expired"


def test_an_expired_manifest_still_shows_who_signed_it() -> None:
    long_ago = signed(issued_at=1, expires_at=2)
    assert read_signed(encode_manifest(long_ago), KEY.address) == long_ago


@pytest.mark.parametrize(
    "changes",
    [{"version": 0}, {"mirrors": ("http://a/",)}, {"routers": ()}, {"network_id": "a\nb"}, {"model_id": ""}],
    ids=str,
)
def test_what_nobody_would_accept_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=next(iter(changes))) as refusal:
        signed(**changes)
    assert str(refusal.value).isprintable()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_mutated_json_is_refused_and_nothing_else_happens(data: st.DataObject) -> None:
    """Junk in the place of any field, of a router too, or beside it."""
    raw = json.loads(json.dumps(PLAIN))
    target = data.draw(st.sampled_from([raw, raw["routers"][0]]))
    name = data.draw(st.sampled_from([*target, "more"]))
    target[name] = data.draw(JUNK)
    if raw != PLAIN:
        assert refused(raw) in ("malformed", "wrong_owner", "bad_signature")


@given(content=st.binary(max_size=200), at=st.integers(0, 600), cut=st.integers(0, 50))
def test_any_bytes_are_refused_or_mean_the_same(content: bytes, at: int, cut: int) -> None:
    refused(content)
    whole = encode_manifest(signed())
    try:
        assert parse_manifest(whole[:at] + content + whole[at + cut :], KEY.address, NOW_S) == signed()
    except ManifestRefused as error:
        assert error.reason_code in ("malformed", "wrong_owner", "bad_signature")


@pytest.mark.parametrize("host", ["203.0.113.5", "router.example", "2001:db8::5"])
def test_a_router_has_the_name_that_it_gives_itself(host: str) -> None:
    """Else no node could report to it, or sign a Join for it."""
    entry = RouterEntry(host=host, port=7443, url="http://a", tls_cert_sha256="ab" * 32)
    assert entry.name == str(PublicAddress(host, 7443, "ab" * 32))
