// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {TestCurrency} from "./TestCurrency.sol";
import {TestVault} from "./TestVault.sol";
import {TestKit} from "./kit/TestKit.sol";

/// What is ours is the offset of the share's decimals: what it is for, and that money in is money out.
contract TestVaultTest is TestKit {
    TestCurrency private _currency;
    TestVault private _vault;
    address private _first;
    address private _second;

    function setUp() external {
        _currency = new TestCurrency();
        _vault = new TestVault(_currency);
        _first = account("first");
        _second = account("second");
    }

    function test_aShareHasSixDecimalsMoreThanTheAsset() external view {
        vm.assertEq(_vault.decimals(), uint256(_currency.decimals()) + 6);
        vm.assertEq(_vault.asset(), address(_currency));
    }

    function test_whatCameInGoesOut(uint256 amount) external {
        amount = bound(amount, 1, 1e30);
        uint256 shares = _deposit(_first, amount);
        vm.prank(_first);
        _vault.redeem(shares, _first, _first);
        vm.assertEq(_currency.balanceOf(_first), amount);
        vm.assertEq(_vault.totalSupply(), 0);
    }

    function test_whatAnyoneSendsItIsEarnedByShare(uint256 one, uint256 other, uint256 gift) external {
        one = bound(one, 1, 1e24);
        other = bound(other, 1, 1e24);
        gift = bound(gift, 0, 1e24);
        uint256 ones = _deposit(_first, one);
        uint256 others = _deposit(_second, other);
        _currency.mint(address(_vault), gift);
        vm.assertLe(_vault.previewRedeem(ones), one + gift * one / (one + other));
        vm.assertLe(_vault.previewRedeem(ones) + _vault.previewRedeem(others), one + other + gift);
        vm.assertGe(_vault.previewRedeem(ones) + 1, one);
    }

    /// The first depositor sends the vault money, so that the second's deposit rounds to few shares.
    function test_inflatingTheShareCostsTheAttackerMoreThanTheSecondLoses(uint256 gift, uint256 amount) external {
        gift = bound(gift, 1, 1e18);
        amount = bound(amount, 1, 1e18);
        uint256 attackers = _deposit(_first, 1);
        _currency.mint(address(_vault), gift);
        uint256 shares = _deposit(_second, amount);
        uint256 given = amount - _vault.previewRedeem(shares);
        uint256 kept = _vault.previewRedeem(attackers);
        vm.assertLe(kept, 1 + gift);
        vm.assertLe(given, gift / 1e6 + 1);
    }

    function test_nobodyTakesAnothersShares() external {
        uint256 shares = _deposit(_first, 100);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, _second, uint256(0), shares)
        );
        vm.prank(_second);
        _vault.redeem(shares, _second, _first);
        vm.expectRevert(
            abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxWithdraw.selector, _second, uint256(100), uint256(0))
        );
        vm.prank(_second);
        _vault.withdraw(100, _second, _second);
        vm.assertEq(_vault.balanceOf(_first), shares);
    }

    function _deposit(address from, uint256 amount) private returns (uint256 shares) {
        _currency.mint(from, amount);
        vm.startPrank(from);
        _currency.approve(address(_vault), amount);
        shares = _vault.deposit(amount, from);
        vm.stopPrank();
    }
}
