"""The policy of the example, requests that it allows, and the signer's book as plain as it can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from moray.agents.policy.decide import decide
from moray.agents.policy.decision import Decision
from moray.agents.policy.ledger import Entry, LedgerView
from moray.agents.policy.policy import Policy
from moray.agents.policy.policy_reading import parse_policy
from moray.agents.policy.request import SignRequest, TransactionRequest, TypedDataRequest
from moray.agents.policy.typed import read_typed
from moray.ethereum import keccak, to_checksum_address
from moray.node_key import TypedData

EXAMPLE = Path(__file__).parent.parent / "examples" / "policies" / "development.yaml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
POLICY = parse_policy(TEXT.encode())

OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ALICE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
LOOKALIKE = to_checksum_address("0x3c44cd11111111111111111111111111111193bc")  # the same first and last digits
MALLORY = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
ROUTER = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
VAULT = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9"
USD_ADDRESS = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
WETH = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
USD = 10**6  # base units of one
ETHER = 10**18
NOW = 1_800_000_000.0

SINGLE = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"


def call(signature: str, *arguments: Any) -> bytes:
    """Encoded by eth-abi alone, so that the policy's own reading of signatures is not its judge."""
    inner = signature[signature.index("(") + 1 : -1]
    kinds, depth, start = [], 0, 0
    for place, character in enumerate(inner + ","):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            kinds.append(inner[start:place])
            start = place + 1
    return keccak(text=signature)[:4] + encode([kind for kind in kinds if kind], arguments)


def transaction(to: str | None, data: bytes = b"", **changes: Any) -> TransactionRequest:
    plain = TransactionRequest(31337, 0, to, 0, data, 200_000, 10**9, 10**6)
    return replace(plain, **changes)


def swap(
    *, pay: str = USD_ADDRESS, get: str = WETH, to: str = OWNER, amount: int = 100 * USD, least: int = 3 * 10**16
) -> bytes:
    """100 USD for at least 0.03 WETH, unless said otherwise."""
    return call(SINGLE, (pay, get, 3000, to, amount, least, 0))


def multicall(*calls: bytes, deadline: int = int(NOW) + 60) -> bytes:
    return call("multicall(uint256,bytes[])", deadline, list(calls))


def authorization(**changes: Any) -> TypedData:
    """EIP-3009: 20 USD for Alice."""
    message = {
        "from": OWNER,
        "to": ALICE,
        "value": 20 * USD,
        "validAfter": 0,
        "validBefore": int(NOW) + 600,
        "nonce": "0x" + "01" * 32,
    }
    kinds = ["address", "address", "uint256", "uint256", "uint256", "bytes32"]
    return typed(
        "TransferWithAuthorization",
        {"TransferWithAuthorization": dict(zip(message, kinds, strict=True))},
        message | changes,
    )


def typed(
    primary: str, structs: dict[str, dict[str, str]], message: dict[str, Any], contract: str = USD_ADDRESS
) -> TypedData:
    domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    return {
        "types": {
            name: [{"name": field, "type": kind} for field, kind in fields.items()]
            for name, fields in {"EIP712Domain": domain, **structs}.items()
        },
        "primaryType": primary,
        "domain": {"name": "USD", "version": "1", "chainId": 31337, "verifyingContract": contract},
        "message": message,
    }


class Book:
    """What was signed, as a signer keeps it. ``ask`` decides and, where that is allowed, signs."""

    def __init__(self, policy: Policy = POLICY, ledger: LedgerView | None = None) -> None:
        self.policy = policy
        self.ledger = ledger or LedgerView(known=frozenset({(31337, ALICE)}))
        self.now = NOW

    def ask(self, request: SignRequest, *, is_open: bool = False) -> Decision:
        decision = decide(self.policy, request, self.ledger, self.now)
        if decision.is_allowed:
            self.ledger = self.ledger.signed(entry_of(request, decision, self.now, is_open))
        return decision


def entry_of(request: SignRequest, decision: Decision, now: float, is_open: bool) -> Entry:
    if isinstance(request, TransactionRequest):
        return Entry(request.chain_id, request.tx_nonce, request.digest, now, is_open, decision.reserves)
    return Entry(31337, None, read_typed(request.data).digest, now, is_open, decision.reserves)


def ask(request: SignRequest | TypedData, policy: Policy = POLICY) -> Decision:
    """Of a signer that has signed nothing yet, and knows Alice."""
    return Book(policy).ask(TypedDataRequest(request) if isinstance(request, dict) else request)


def changed(*changes: tuple[str, str]) -> Policy:
    """The example's policy with some of its text replaced."""
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return parse_policy(text.encode())


def with_rule(rule: str, section: str = "calls") -> Policy:
    """With one rule more, written as YAML of one item."""
    lines = "\n".join(f"  {line}" for line in rule.strip("\n").splitlines())
    return changed((f"\n{section}:\n", f"\n{section}:\n{lines}\n"))
