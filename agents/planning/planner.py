"""From an action to a plan: pure, over a snapshot, so that the same action in the same world is the same plan."""

from __future__ import annotations

from moray.actions import Action, Transfer
from moray.agents.plan import Plan, plan_key
from moray.agents.planning.transfer import plan_transfer
from moray.agents.planning.world import World
from moray.errors import BadSetting, NotPlanned


def plan(action: Action, world: World, request_id: str) -> Plan:
    """``request_id``: see ``plan_key``. Raises PlanRefused."""
    if world.book.chain_id != world.chain_id:
        raise BadSetting(f"the address book is of chain {world.book.chain_id}, the endpoint of {world.chain_id}")
    if isinstance(action, Transfer):
        world.book.check_chain(action.chain)
        draft = plan_transfer(action, world)
    else:
        raise NotPlanned(f"{action.do} is not carried out; ask for something else")
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
