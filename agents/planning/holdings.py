"""Putting a token to work and taking it back: ERC-4626 vaults, and staking with a time of unbonding.

A vault's ``deposit`` has no argument for the fewest shares. The plan's bound holds them instead: simulation refuses
before anything is signed, and the result says by the receipts whether they came.
"""

from __future__ import annotations

from moray.actions import Deposit, Stake, Unstake, Withdraw
from moray.agents.names import Staking, Token, Vault
from moray.agents.plan import NATIVE, Bound
from moray.agents.planning.amounts import less_bps, more_bps, shown
from moray.agents.planning.drafts import ANY, Draft
from moray.agents.planning.world import VaultView, World
from moray.contracts import erc4626, unbonding_stake
from moray.contracts.calls import Call
from moray.contracts.unbonding_stake import StakeState
from moray.errors import FundsTooLow, NotPlanned


def vault_amount(action: Deposit | Withdraw, world: World) -> int:
    """In base units of the vault's asset."""
    token, view = _asset(action.asset, world, world.book.venue("vault", action.vault, Vault)), _view(world)
    held = world.balance(token.address) if isinstance(action, Deposit) else view.state.value
    return world.held_amount(action.amount, token, held)


def plan_deposit(action: Deposit, world: World) -> Draft:
    vault, view = world.book.venue("vault", action.vault, Vault).site.address, _view(world)
    token, amount = world.book.token("asset", action.asset), vault_amount(action, world)
    if amount > view.state.max_deposit:
        raise FundsTooLow(f"the vault takes at most {shown(view.state.max_deposit, token.decimals)} now; give less")
    fewest = less_bps(view.previewed, world.slippage_bps(None))
    if fewest < 1:
        raise FundsTooLow("the vault would give no share for so little; give more")
    calls = (*world.leave(token.address, vault, amount), erc4626.deposit(vault, world.owner, amount))
    bounds = (Bound(token.address, -amount, -amount), Bound(vault, fewest, ANY))
    return Draft(calls, bounds, (), (f"deposit {world.said(amount, token)} for at least {fewest} shares of {vault}",))


def plan_withdraw(action: Withdraw, world: World) -> Draft:
    """ "all" redeems every share, so that no dust stays."""
    vault, view = world.book.venue("vault", action.vault, Vault).site.address, _view(world)
    token, amount = world.book.token("asset", action.asset), vault_amount(action, world)
    slippage_bps = world.slippage_bps(None)
    if action.amount == "all":
        call, shares = erc4626.redeem(vault, world.owner, view.state.shares), view.state.shares
        bounds = (Bound(token.address, less_bps(amount, slippage_bps), ANY), Bound(vault, -shares, -shares))
    else:
        call = erc4626.withdraw(vault, world.owner, amount)
        most = min(more_bps(view.previewed, slippage_bps), view.state.shares)
        bounds = (Bound(token.address, amount, amount), Bound(vault, -most, -1))
    return Draft((call,), bounds, (), (f"withdraw {world.said(amount, token)} from {vault}",))


def plan_stake(action: Stake, world: World) -> Draft:
    venue = world.book.venue("venue", action.venue, Staking)
    token, staking = _asset(action.asset, world, venue), venue.site.address
    amount = world.held_amount(action.amount, token, world.balance(token.address))
    calls = (*world.leave(token.address, staking, amount), unbonding_stake.stake(staking, world.owner, amount))
    line = f"stake {world.said(amount, token)} with {staking}"
    return Draft(calls, (Bound(token.address, -amount, -amount),), (), (line,))


def plan_unstake(action: Unstake, world: World) -> Draft:
    """What has unbonded is taken out first: unstaking starts its clock again."""
    venue = world.book.venue("venue", action.venue, Staking)
    token, staking, state = _asset(action.asset, world, venue), venue.site.address, _stake(world)
    amount = world.held_amount(action.amount, token, state.staked)
    calls: tuple[Call, ...] = (unbonding_stake.unstake(staking, world.owner, amount),)
    free = state.unbonding if state.withdrawable_at <= world.timestamp else 0
    lines: tuple[str, ...] = (
        f"unstake {world.said(amount, token)} from {staking}; it is free in {state.unbonding_time_s} s",
    )
    if free:
        calls = (unbonding_stake.withdraw(staking, world.owner), *calls)
        lines = (f"take out {world.said(free, token)} that has unbonded", *lines)
    return Draft(calls, (Bound(token.address, free, free),), (), lines)


def _asset(asset: str, world: World, venue: Vault | Staking) -> Token:
    token = world.book.token("asset", asset)
    if token.address == NATIVE or token != world.book.token("asset", venue.asset):
        raise NotPlanned(f"{asset} is not what goes there, which is {venue.asset}; name that")
    return token


def _view(world: World) -> VaultView:
    if world.vault is None:
        raise NotPlanned("the vault was not read; read the world anew")
    return world.vault


def _stake(world: World) -> StakeState:
    if world.stake is None:
        raise NotPlanned("the staking contract was not read; read the world anew")
    return world.stake
