"""What calls of well-known functions, and well-known typed data, do to their sender's money.

A meaning says which argument plays which role. A role's value is a path of an argument, or "target": the contract that
is called. For a route (v3's bytes, v2's address[]) ":first" and ":last" name the currencies at its ends. What is not
here is unknown, and a rule that allows it must say itself what it spends (``spends``, ``allows``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moray.agents.policy.function import Function, parse_function


@dataclass(frozen=True, slots=True)
class SpendRole:
    """``to``: who gets it; None where the called contract takes it for what it does."""

    asset: str
    amount: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class AllowRole:
    """``is_shown``: ERC-20's ``allowance`` of the asset shows what is left of it."""

    asset: str
    amount: str
    spender: str
    is_shown: bool = False


@dataclass(frozen=True, slots=True)
class SwapRole:
    """At most ``pay_max`` of ``pay`` for at least ``get_min`` of ``get``."""

    pay: str
    pay_max: str
    get: str
    get_min: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """``receivers``: who gets what comes out. ``inner``: calls of the same contract within this one. ``is_uncounted``:
    it moves money, or lets others move it, in ways that no amount in it bounds. ``minimums``: what must at least be
    taken or given; of several at least one is above 0. ``pinned``: what a rule must name (``where``: a value, or
    one_of), for whose money moves at which price hangs on it. ``pays``: the amounts that it takes of assets that it
    does not name: a rule says which they are (``spends``)."""

    spends: tuple[SpendRole, ...] = ()
    allows: tuple[AllowRole, ...] = ()
    swap: SwapRole | None = None
    receivers: tuple[str, ...] = ()
    payers: tuple[str, ...] = ()  # whose money it is: must be the owner
    deadline: str | None = None
    minimums: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    pays: tuple[str, ...] = ()
    inner: str | None = None
    is_uncounted: bool = False


NOTHING = Meaning()
_UNCOUNTED = Meaning(is_uncounted=True)
_LEAST = ("params.amount0Min", "params.amount1Min")


def _single(output: bool, has_deadline: bool) -> tuple[str, Meaning]:
    """exactInputSingle and exactOutputSingle: of SwapRouter02, and of the older router, which has a deadline."""
    pay, get = ("amountInMaximum", "amountOut") if output else ("amountIn", "amountOutMinimum")
    amounts = f"uint256 {get}, uint256 {pay}" if output else f"uint256 {pay}, uint256 {get}"
    deadline = "uint256 deadline, " if has_deadline else ""
    return (
        f"exact{'Output' if output else 'Input'}Single((address tokenIn, address tokenOut, uint24 fee, "
        f"address recipient, {deadline}{amounts}, uint160 sqrtPriceLimitX96) params)",
        Meaning(
            swap=SwapRole("params.tokenIn", f"params.{pay}", "params.tokenOut", f"params.{get}"),
            receivers=("params.recipient",),
            deadline="params.deadline" if has_deadline else None,
        ),
    )


def _route(output: bool, has_deadline: bool) -> tuple[str, Meaning]:
    """exactInput and exactOutput, whose route runs backwards."""
    pay, get = ("amountInMaximum", "amountOut") if output else ("amountIn", "amountOutMinimum")
    amounts = f"uint256 {get}, uint256 {pay}" if output else f"uint256 {pay}, uint256 {get}"
    ends = (":last", ":first") if output else (":first", ":last")
    deadline = "uint256 deadline, " if has_deadline else ""
    return (
        f"exact{'Output' if output else 'Input'}((bytes path, address recipient, {deadline}{amounts}) params)",
        Meaning(
            swap=SwapRole(f"params.path{ends[0]}", f"params.{pay}", f"params.path{ends[1]}", f"params.{get}"),
            receivers=("params.recipient",),
            deadline="params.deadline" if has_deadline else None,
        ),
    )


def _v2(output: bool, has_deadline: bool) -> tuple[str, Meaning]:
    name = "swapTokensForExactTokens" if output else "swapExactTokensForTokens"
    pay, get = ("amountInMax", "amountOut") if output else ("amountIn", "amountOutMin")
    amounts = f"uint256 {get}, uint256 {pay}" if output else f"uint256 {pay}, uint256 {get}"
    deadline = ", uint256 deadline" if has_deadline else ""
    return (
        f"{name}({amounts}, address[] path, address to{deadline})",
        Meaning(
            swap=SwapRole("path:first", pay, "path:last", get),
            receivers=("to",),
            deadline="deadline" if has_deadline else None,
        ),
    )


_CALLS: dict[str, Meaning] = {
    # ERC-20
    "transfer(address to, uint256 amount)": Meaning((SpendRole("target", "amount", "to"),)),
    "transferFrom(address from, address to, uint256 amount)": Meaning(
        (SpendRole("target", "amount", "to"),), payers=("from",)
    ),
    "approve(address spender, uint256 amount)": Meaning(allows=(AllowRole("target", "amount", "spender", True),)),
    "increaseAllowance(address spender, uint256 amount)": Meaning(
        allows=(AllowRole("target", "amount", "spender", True),)
    ),
    "deposit()": NOTHING,  # WETH9: what it takes is the value, which is counted anyway
    # Uniswap v3's routers, and v2's
    **dict(make(output, late) for make in (_single, _route, _v2) for output in (False, True) for late in (False, True)),
    "multicall(bytes[] calls)": Meaning(inner="calls"),
    "multicall(uint256 deadline, bytes[] calls)": Meaning(inner="calls", deadline="deadline"),
    "sweepToken(address token, uint256 minimum, address recipient)": Meaning(receivers=("recipient",)),
    "unwrapWETH9(uint256 minimum, address recipient)": Meaning(receivers=("recipient",)),
    "sweepToken(address token, uint256 minimum)": NOTHING,  # to the sender, as the next two
    "unwrapWETH9(uint256 minimum)": NOTHING,
    "refundETH()": NOTHING,
    # Uniswap v3's NonfungiblePositionManager. Its burn(uint256) is not here: of an ERC-20 the same bytes burn money.
    "mint((address token0, address token1, uint24 fee, int24 tickLower, int24 tickUpper, uint256 amount0Desired, "
    "uint256 amount1Desired, uint256 amount0Min, uint256 amount1Min, address recipient, uint256 deadline) "
    "params)": Meaning(
        (
            SpendRole("params.token0", "params.amount0Desired"),
            SpendRole("params.token1", "params.amount1Desired"),
        ),
        receivers=("params.recipient",),
        deadline="params.deadline",
        minimums=_LEAST,
        pinned=("params.fee", "params.tickLower", "params.tickUpper"),  # the pool, and where in it money is sold
    ),
    "increaseLiquidity((uint256 tokenId, uint256 amount0Desired, uint256 amount1Desired, uint256 amount0Min, "
    "uint256 amount1Min, uint256 deadline) params)": Meaning(
        deadline="params.deadline",
        minimums=_LEAST,
        pinned=("params.tokenId",),  # of a stranger's position it would be a gift
        pays=("params.amount0Desired", "params.amount1Desired"),
    ),
    "decreaseLiquidity((uint256 tokenId, uint128 liquidity, uint256 amount0Min, uint256 amount1Min, "
    "uint256 deadline) params)": Meaning(deadline="params.deadline", minimums=_LEAST),
    "collect((uint256 tokenId, address recipient, uint128 amount0Max, uint128 amount1Max) params)": Meaning(
        receivers=("params.recipient",)
    ),
    # What hands money or power over without an amount that bounds it
    **dict.fromkeys(
        (
            "setApprovalForAll(address operator, bool approved)",
            "safeTransferFrom(address from, address to, uint256 tokenId)",
            "safeTransferFrom(address from, address to, uint256 tokenId, bytes data)",
            "permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
            "permit(address holder, address spender, uint256 nonce, uint256 expiry, bool allowed, uint8 v, bytes32 r, "
            "bytes32 s)",
            "selfPermit(address token, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
            "selfPermitIfNecessary(address token, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
            "selfPermitAllowed(address token, uint256 nonce, uint256 expiry, uint8 v, bytes32 r, bytes32 s)",
            "selfPermitAllowedIfNecessary(address token, uint256 nonce, uint256 expiry, uint8 v, bytes32 r, bytes32 s)",
            "approve(address token, address spender, uint160 amount, uint48 expiration)",  # Permit2
            "approveMax(address token)",  # of SwapRouter02, as the next three
            "approveMaxMinusOne(address token)",
            "approveZeroThenMax(address token)",
            "approveZeroThenMaxMinusOne(address token)",
            "execute(bytes commands, bytes[] inputs)",  # Uniswap's UniversalRouter
            "execute(bytes commands, bytes[] inputs, uint256 deadline)",
            "execute(address target, uint256 value, bytes data)",
            "execute(bytes32 mode, bytes data)",  # ERC-7579, ERC-7821
            "execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, "
            "uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures)",  # Safe
            "aggregate((address target, bytes data)[] calls)",  # Multicall3
            "tryAggregate(bool requireSuccess, (address target, bytes data)[] calls)",
            "aggregate3((address target, bool allowFailure, bytes data)[] calls)",
            "multicall(bytes32 previousBlockhash, bytes[] data)",
            "delegate(address delegatee)",
            "transferOwnership(address newOwner)",
            "upgradeTo(address implementation)",
            "upgradeToAndCall(address implementation, bytes data)",
        ),
        _UNCOUNTED,
    ),
}

RECEIVE = parse_function("receive()")  # the chain's own asset sent with no data; its selector means nothing

CALLS: Mapping[bytes, tuple[Function, Meaning]] = {
    (function := parse_function(text)).selector: (function, meaning) for text, meaning in _CALLS.items()
}

_AUTHORIZATION = (
    "WithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
_DETAILS = "PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
_PERMITTED = "TokenPermissions(address token,uint256 amount)"

# By the text that EIP-712 hashes (encodeType).
TYPED: Mapping[str, Meaning] = {
    # EIP-3009: whoever holds the signature moves the money, so it is a transfer.
    **{
        f"{name}{_AUTHORIZATION}": Meaning(
            (SpendRole("target", "value", "to"),), payers=("from",), deadline="validBefore"
        )
        for name in ("Transfer", "Receive")
    },
    # ERC-2612
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)": Meaning(
        allows=(AllowRole("target", "value", "spender"),), payers=("owner",), deadline="deadline"
    ),
    # Permit2: an allowance of Permit2's own, and a transfer by whoever calls
    f"PermitSingle(PermitDetails details,address spender,uint256 sigDeadline){_DETAILS}": Meaning(
        allows=(AllowRole("details.token", "details.amount", "spender"),), deadline="sigDeadline"
    ),
    f"PermitTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline){_PERMITTED}": (
        Meaning((SpendRole("permitted.token", "permitted.amount", "spender"),), deadline="deadline")
    ),
}
# Whatever its fields: each can move anything, or give power away.
UNCOUNTED_TYPES = frozenset(
    {
        "Permit",  # DAI's, whose only amount is "all"; ERC-2612's is above
        "PermitBatch",
        "PermitBatchTransferFrom",
        "PermitWitnessTransferFrom",
        "PermitBatchWitnessTransferFrom",
        "SafeTx",
        "SafeMessage",
        "UserOperation",
        "PackedUserOperation",
        "Authorization",
        "OrderComponents",  # Seaport
        "BulkOrder",
        "Order",
        "MetaTransaction",
        "ForwardRequest",
        "Delegation",
        "Execute",
    }
)
