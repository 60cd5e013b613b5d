// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {TestCurrency} from "./TestCurrency.sol";
import {TestStaking} from "./TestStaking.sol";
import {TestKit} from "./kit/TestKit.sol";
import {HookCurrency} from "./mocks/Currencies.sol";
import {Puppet} from "./mocks/Puppet.sol";

contract TestStakingTest is TestKit {
    uint64 private constant UNBONDING = 7 days;

    TestCurrency private _currency;
    TestStaking private _staking;
    address private _staker;

    function setUp() external {
        vm.warp(1_800_000_000);
        _currency = new TestCurrency();
        _staking = new TestStaking(_currency, UNBONDING);
        _staker = account("staker");
        _currency.mint(_staker, 100);
        vm.prank(_staker);
        _currency.approve(address(_staking), 100);
    }

    function test_itSaysWhatIsStakedAndForHowLong() external view {
        vm.assertEq(address(_staking.token()), address(_currency));
        vm.assertEq(_staking.unbondingTime(), UNBONDING);
    }

    function test_stakingTakesTheMoney() external {
        vm.expectEmit(address(_staking));
        emit TestStaking.Staked(_staker, 60);
        _stake(60);
        _check({held: 40, staked: 60, unbonding: 0});
    }

    function test_stakingMoreThanOneHasIsRefused() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(_staking), uint256(100), uint256(101)
            )
        );
        _stake(101);
    }

    function test_unstakingStartsTheClock() external {
        _stake(60);
        vm.expectEmit(address(_staking));
        emit TestStaking.Unstaked(_staker, 20, 1_800_000_000 + UNBONDING);
        _unstake(20);
        _check({held: 40, staked: 40, unbonding: 20});
        vm.assertEq(_staking.withdrawableAt(_staker), 1_800_000_000 + UNBONDING);
    }

    function test_unstakingMoreThanIsStakedIsRefused() external {
        _stake(60);
        vm.expectRevert(abi.encodeWithSelector(TestStaking.StakeTooLow.selector, uint256(60), uint256(61)));
        _unstake(61);
    }

    function test_nobodyUnstakesForAnother() external {
        _stake(60);
        vm.expectRevert(abi.encodeWithSelector(TestStaking.StakeTooLow.selector, uint256(0), uint256(1)));
        vm.prank(account("thief"));
        _staking.unstake(1);
    }

    function test_whatIsUnbondingComesOutWhenItsTimeIsOverAndNotASecondEarlier() external {
        _stake(60);
        _unstake(20);
        skip(UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(TestStaking.StillUnbonding.selector, 1_800_000_000 + UNBONDING));
        _withdraw();
        skip(1);
        vm.expectEmit(address(_staking));
        emit TestStaking.Withdrawn(_staker, 20);
        _withdraw();
        _check({held: 60, staked: 40, unbonding: 0});
        vm.expectRevert(TestStaking.NothingUnbonding.selector);
        _withdraw();
    }

    function test_unstakingAgainStartsTheClockAnewForAll() external {
        _stake(60);
        _unstake(20);
        skip(UNBONDING - 1);
        _unstake(10);
        skip(UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(TestStaking.StillUnbonding.selector, _staking.withdrawableAt(_staker)));
        _withdraw();
        skip(1);
        _withdraw();
        _check({held: 70, staked: 30, unbonding: 0});
    }

    /// A currency that calls whoever is paid, before the money moves.
    function test_withdrawingAgainInTheMiddleOfItGivesNothingMore() external {
        HookCurrency currency = new HookCurrency();
        TestStaking staking = new TestStaking(currency, UNBONDING);
        Puppet thief = new Puppet();
        currency.mint(address(thief), 10);
        currency.mint(address(staking), 90); // of others
        thief.act(address(currency), abi.encodeCall(currency.approve, (address(staking), 10)));
        thief.act(address(staking), abi.encodeCall(staking.stake, (10)));
        thief.act(address(staking), abi.encodeCall(staking.unstake, (10)));
        skip(UNBONDING);
        currency.hook(address(thief));
        thief.plan(address(staking), abi.encodeCall(staking.withdraw, ()));
        thief.act(address(staking), abi.encodeCall(staking.withdraw, ()));
        vm.assertEq(thief.numDone(), 1);
        vm.assertFalse(thief.isDone(0));
        vm.assertEq(currency.balanceOf(address(thief)), 10);
    }

    function test_noMoneyIsMadeOrLost(uint256 staked, uint256 unstaked) external {
        staked = bound(staked, 0, 100);
        unstaked = bound(unstaked, 0, staked);
        _stake(staked);
        _unstake(unstaked);
        _check({held: 100 - staked, staked: staked - unstaked, unbonding: unstaked});
    }

    function _check(uint256 held, uint256 staked, uint256 unbonding) private view {
        vm.assertEq(_currency.balanceOf(_staker), held);
        vm.assertEq(_staking.stakeOf(_staker), staked);
        vm.assertEq(_staking.unbondingOf(_staker), unbonding);
        vm.assertEq(_currency.balanceOf(address(_staking)), staked + unbonding);
    }

    function _stake(uint256 amount) private {
        vm.prank(_staker);
        _staking.stake(amount);
    }

    function _unstake(uint256 amount) private {
        vm.prank(_staker);
        _staking.unstake(amount);
    }

    function _withdraw() private {
        vm.prank(_staker);
        _staking.withdraw();
    }
}
