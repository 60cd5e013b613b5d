"""Many questions in one call at one block, through Multicall3: a snapshot that no trade can get in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.outside import Read
from moray.contracts.reverts import decode_revert
from moray.errors import ContractMissing, Reverted

MULTICALL3: Final = "0xcA11bde05977b3631167028862bE2a173976CA11"  # the same on most chains; multicall3.com
MAX_READS: Final = 200  # in one call: an endpoint limits the gas of one
_AGGREGATE = "aggregate3((address,bool,bytes)[]) returns ((bool,bytes)[])"


def native_balance(multicall: str, account: str) -> Read:
    """Ether, as a question among the others."""
    return Read(multicall, "getEthBalance(address) returns (uint256)", (account,))


async def read_all(
    chain: Chain, multicall: str, reads: Sequence[Read], block: ChainBlock | Block, *, is_partial: bool = False
) -> tuple[Any, ...]:
    """The answers in their order, all of ``block``. ``is_partial``: None for a question that a contract
    does not answer.

    Otherwise raises Reverted for a refusal and ContractMissing for an answer of another shape. Raises ChainError.
    """
    answers: list[Any] = []
    for start in range(0, len(reads), MAX_READS):
        part = reads[start : start + MAX_READS]
        asked = [(each.address, True, each.data) for each in part]
        results = await Read(multicall, _AGGREGATE, (asked,)).ask(chain, block)
        for each, (is_answered, data) in zip(part, results, strict=True):
            try:
                if not is_answered:
                    raise decode_revert(data)
                answers.append(each.decode(data))
            except (Reverted, ContractMissing):
                if not is_partial:
                    raise
                answers.append(None)
    return tuple(answers)
