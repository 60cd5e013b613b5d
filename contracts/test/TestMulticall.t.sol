// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestCurrency} from "./TestCurrency.sol";
import {TestMulticall} from "./TestMulticall.sol";
import {TestKit} from "./kit/TestKit.sol";

contract TestMulticallTest is TestKit {
    TestMulticall private _multicall;
    TestCurrency private _currency;

    function setUp() external {
        _multicall = new TestMulticall();
        _currency = new TestCurrency();
        _currency.mint(address(this), 7);
    }

    function test_answersComeInTheOrderOfTheirQuestions() external view {
        TestMulticall.Call3[] memory calls = new TestMulticall.Call3[](2);
        calls[0] = _ask(abi.encodeCall(_currency.balanceOf, (address(this))), false);
        calls[1] = _ask(abi.encodeCall(_currency.decimals, ()), false);
        TestMulticall.Result[] memory results = _multicall.aggregate3(calls);
        vm.assertEq(results.length, 2);
        vm.assertTrue(results[0].success && results[1].success);
        vm.assertEq(abi.decode(results[0].returnData, (uint256)), 7);
        vm.assertEq(abi.decode(results[1].returnData, (uint8)), 6);
    }

    function test_noQuestionHasNoAnswer() external view {
        vm.assertEq(_multicall.aggregate3(new TestMulticall.Call3[](0)).length, 0);
    }

    function test_aRefusalIsAnAnswerWhereItIsAllowed() external view {
        TestMulticall.Call3[] memory calls = new TestMulticall.Call3[](2);
        calls[0] = _ask(hex"00000000", true);
        calls[1] = _ask(abi.encodeCall(_currency.decimals, ()), false);
        TestMulticall.Result[] memory results = _multicall.aggregate3(calls);
        vm.assertFalse(results[0].success);
        vm.assertTrue(results[1].success);
    }

    function test_elsewhereARefusalEndsAll() external {
        TestMulticall.Call3[] memory calls = new TestMulticall.Call3[](1);
        calls[0] = _ask(hex"00000000", false);
        vm.expectRevert("Multicall3: call failed");
        _multicall.aggregate3(calls);
    }

    /// It only asks: what would change something is refused, though anyone may mint.
    function test_nothingIsChangedThroughIt() external view {
        TestMulticall.Call3[] memory calls = new TestMulticall.Call3[](1);
        calls[0] = _ask(abi.encodeCall(_currency.mint, (address(this), 1)), true);
        vm.assertFalse(_multicall.aggregate3(calls)[0].success);
        vm.assertEq(_currency.balanceOf(address(this)), 7);
    }

    function test_etherIsCounted() external view {
        vm.assertEq(_multicall.getEthBalance(address(this)), address(this).balance);
        vm.assertEq(_multicall.getEthBalance(address(_multicall)), 0);
    }

    function _ask(bytes memory data, bool allowFailure) private view returns (TestMulticall.Call3 memory) {
        return TestMulticall.Call3(address(_currency), allowFailure, data);
    }
}
