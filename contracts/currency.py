"""The ERC-20 currency that fees, bonds and stakes are paid in. Amounts are in its base units."""

from __future__ import annotations

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract, address_topic, number_topic
from moray.contracts.typed_data import Domain, contract_typed_data
from moray.node_key import TypedData

_AUTHORIZATION = {  # of EIP-3009
    "from": "address",
    "to": "address",
    "value": "uint256",
    "validAfter": "uint256",
    "validBefore": "uint256",
    "nonce": "bytes32",
}


class Currency:
    """Any ERC-20; the interface is the test currency's, which has nothing else that is used here but ``mint``."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.contract = Contract(chain, "TestCurrency", address)

    @property
    def address(self) -> str:
        return self.contract.address

    async def balance(self, account: str, *, agreed: bool = False) -> int:
        return int(await self.contract.read("balanceOf", account, agreed=agreed))

    async def allowance(self, owner: str, spender: str) -> int:
        return int(await self.contract.read("allowance", owner, spender))

    async def decimals(self) -> int:
        return int(await self.contract.read("decimals"))

    async def symbol(self) -> str:
        return str(await self.contract.read("symbol"))

    def approve(self, spender: str, amount: int) -> Call:
        """Exactly what is needed: whoever is approved for more can take more."""
        return self.contract.call(
            "approve",
            spender,
            amount,
            summary=f"approve {spender} for {amount} of the currency",
            event="Approval",
        )

    def mint(self, account: str, amount: int) -> Call:
        """Of the test currency, which no chain but the development chain has."""
        from_nobody = (number_topic(0), address_topic(account))
        return self.contract.call(
            "mint", account, amount, summary=f"mint {amount} for {account}", event="Transfer", topics=from_nobody
        )

    async def authorization_typed_data(
        self, payer: str, receiver: str, amount: int, valid_after: int, valid_before: int, nonce: bytes
    ) -> TypedData:
        """What ``payer`` signs so that ``receiver`` (the task market) can take ``amount`` once, between the two seconds
        (both excluded): EIP-3009's ReceiveWithAuthorization. For a task, ``nonce`` is its id."""
        _, name, version, *_ = await self.contract.read("eip712Domain")
        # The currency's word is taken for its name and version only: a signature must not count elsewhere.
        domain = Domain(name, version, self.chain.chain_id, self.address)
        return contract_typed_data(
            domain,
            "ReceiveWithAuthorization",
            _AUTHORIZATION,
            {
                "from": payer,
                "to": receiver,
                "value": amount,
                "validAfter": valid_after,
                "validBefore": valid_before,
                "nonce": nonce,
            },
        )
