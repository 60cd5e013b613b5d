// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Rehearsal} from "../src/Rehearsal.sol";
import {TestCurrency} from "./TestCurrency.sol";
import {TestKit} from "./kit/TestKit.sol";

/// Its code is put at an account's address, as a reader does it for one eth_call.
contract RehearsalTest is TestKit {
    TestCurrency private _currency;
    Rehearsal private _account;
    address private _payee;

    function setUp() external {
        _currency = new TestCurrency();
        address owner = account("owner");
        vm.etch(owner, address(new Rehearsal()).code);
        _account = Rehearsal(payable(owner));
        _payee = account("payee");
        _currency.mint(owner, 100);
    }

    function test_stepsAreTheAccountsOwnAndEachSeesTheOnesBefore() external {
        Rehearsal.Step[] memory steps = new Rehearsal.Step[](3);
        steps[0] = _pay(60);
        steps[1] = Rehearsal.Step(address(_currency), 0, abi.encodeCall(_currency.balanceOf, (address(_account))));
        steps[2] = _pay(40);
        Rehearsal.Outcome[] memory outcomes = _account.run(steps);
        vm.assertEq(outcomes.length, 3);
        for (uint256 i = 0; i < 3; i++) {
            vm.assertTrue(outcomes[i].isSuccess);
            vm.assertGt(outcomes[i].gasUsed, 0);
        }
        vm.assertEq(abi.decode(outcomes[1].data, (uint256)), 40);
        vm.assertEq(_currency.balanceOf(_payee), 100);
    }

    function test_aRefusalSaysWhyAndTheRestGoesOn() external {
        Rehearsal.Step[] memory steps = new Rehearsal.Step[](2);
        steps[0] = _pay(101);
        steps[1] = _pay(100);
        Rehearsal.Outcome[] memory outcomes = _account.run(steps);
        vm.assertFalse(outcomes[0].isSuccess);
        vm.assertEq(
            outcomes[0].data,
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, address(_account), uint256(100), uint256(101)
            )
        );
        vm.assertTrue(outcomes[1].isSuccess);
    }

    function test_theAccountsEtherIsCountedAfterEachStep() external {
        (bool isPaid,) = address(_account).call{value: 5 ether}("");
        vm.assertTrue(isPaid);
        Rehearsal.Step[] memory steps = new Rehearsal.Step[](3);
        steps[0] = Rehearsal.Step(_payee, 2 ether, "");
        steps[1] = Rehearsal.Step(_payee, 4 ether, ""); // more than is left
        steps[2] = Rehearsal.Step(_payee, 3 ether, "");
        Rehearsal.Outcome[] memory outcomes = _account.run(steps);
        vm.assertTrue(outcomes[0].isSuccess && !outcomes[1].isSuccess && outcomes[2].isSuccess);
        vm.assertEq(outcomes[0].balance, 3 ether);
        vm.assertEq(outcomes[1].balance, 3 ether);
        vm.assertEq(outcomes[2].balance, 0);
        vm.assertEq(_payee.balance, 5 ether);
    }

    function test_nothingAskedIsNothingDone() external {
        vm.assertEq(_account.run(new Rehearsal.Step[](0)).length, 0);
        vm.assertEq(_currency.balanceOf(address(_account)), 100);
    }

    function _pay(uint256 amount) private view returns (Rehearsal.Step memory) {
        return Rehearsal.Step(address(_currency), 0, abi.encodeCall(_currency.transfer, (_payee, amount)));
    }
}
