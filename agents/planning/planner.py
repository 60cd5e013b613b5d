"""From an action to a plan: pure, over a snapshot, so that the same action in the same world is the same plan."""

from __future__ import annotations

from moray.actions import (
    Action,
    AddLiquidity,
    Automation,
    Deposit,
    Mandate,
    RemoveLiquidity,
    Stake,
    Swap,
    Transfer,
    Unstake,
    Withdraw,
)
from moray.agents.plan import Plan, plan_key
from moray.agents.planning.drafts import Draft
from moray.agents.planning.holdings import plan_deposit, plan_stake, plan_unstake, plan_withdraw
from moray.agents.planning.liquidity import plan_add_liquidity, plan_remove_liquidity
from moray.agents.planning.swap import plan_swap
from moray.agents.planning.transfer import plan_transfer
from moray.agents.planning.world import World
from moray.errors import BadSetting, NotPlanned


def plan(action: Action, world: World, request_id: str) -> Plan:
    """``request_id``: see ``plan_key``. Raises PlanRefused."""
    if world.book.chain_id != world.chain_id:
        raise BadSetting(f"the address book is of chain {world.book.chain_id}, the endpoint of {world.chain_id}")
    if isinstance(action, Transfer | Swap | Deposit | Withdraw | Stake | Unstake | AddLiquidity | RemoveLiquidity):
        world.book.check_chain(action.chain)
    draft = _draft(action, world)
    world.check_code()
    return Plan(
        key=plan_key(action, world.owner, world.chain_id, request_id),
        action=action,
        owner=world.owner,
        chain_id=world.chain_id,
        deadline=world.deadline,
        calls=draft.calls,
        bounds=draft.bounds,
        recipients=draft.recipients,
        block_number=world.block_number,
        summary=draft.summary,
    )


def _draft(action: Action, world: World) -> Draft:
    match action:
        case Transfer():
            return plan_transfer(action, world)
        case Swap():
            return plan_swap(action, world)
        case Deposit():
            return plan_deposit(action, world)
        case Withdraw():
            return plan_withdraw(action, world)
        case Stake():
            return plan_stake(action, world)
        case Unstake():
            return plan_unstake(action, world)
        case AddLiquidity():
            return plan_add_liquidity(action, world)
        case RemoveLiquidity():
            return plan_remove_liquidity(action, world)
        case Automation() | Mandate():
            raise NotPlanned(f"a {action.do} is understood, but nothing here carries it out yet; do it step by step")
        case _:
            raise NotPlanned(f"'{action.do}' moves nothing, or nothing here carries it out; ask for a transfer or swap")
