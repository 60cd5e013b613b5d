// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskCallback, ITaskMarket, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {
    BombCallback,
    BurningCallback,
    HungryCallback,
    ListeningCallback,
    RevertingCallback
} from "../mocks/Callbacks.sol";
import {Puppet} from "../mocks/Puppet.sol";
import {MarketKit} from "./MarketKit.sol";

/// A callback learns the end, at the cost of whoever calls, and can harm nobody.
contract CallbackTest is MarketKit {
    uint32 private constant CALLBACK_GAS = 300_000;
    /// What the market itself may need beside the callback: hashing the terms, three cold storage slots, the event.
    uint256 private constant OVERHEAD_GAS = 100_000;

    ListeningCallback private listener;

    function setUp() public override {
        super.setUp();
        listener = new ListeningCallback();
    }

    function calling(address callback) private view returns (Task memory task) {
        task = aTask();
        task.callback = callback;
        task.callbackGas = CALLBACK_GAS;
    }

    // -- what it is told ----------------------------------------------------------------------------------------------

    function test_a_callback_is_told_each_end_and_the_result_unless_invalid() external {
        tells(Status.Cancelled, "");
        tells(Status.Expired, "");
        tells(Status.Valid, RESULT);
        tells(Status.Invalid, "");
        tells(Status.Inconclusive, RESULT);
    }

    function tells(Status end, bytes memory result) private {
        Task memory task = calling(address(listener));
        task.salt = bytes32(uint256(end));
        bytes32 id = bring(task, end);
        uint256 before = listener.numCalls();
        vm.expectEmit(address(market));
        emit ITaskMarket.CallbackCalled(id, true);
        vm.prank(stranger);
        market.callBack(task, result, TRANSCRIPT_HASH);
        vm.assertEq(listener.numCalls(), before + 1);
        vm.assertEq(listener.id(), id);
        vm.assertEq(uint256(listener.status()), uint256(end));
        vm.assertEq(listener.result(), result);
        vm.assertTrue(market.isCalledBack(id));
    }

    function test_an_unchallenged_result_is_told_too() external {
        Task memory task = calling(address(listener));
        bytes32 id = bring(task, Status.Submitted);
        runOut(id);
        market.close(task);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertEq(listener.result(), RESULT);
    }

    function test_a_callback_is_told_once() external {
        Task memory task = calling(address(listener));
        bring(task, Status.Valid);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.expectRevert(ITaskMarket.CallbackAlreadyDone.selector);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
    }

    function test_nobody_tells_another_result() external {
        Task memory task = calling(address(listener));
        bring(task, Status.Valid);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.callBack(task, "another result", TRANSCRIPT_HASH);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.callBack(task, RESULT, keccak256("another transcript"));
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.callBack(task, "", TRANSCRIPT_HASH);
    }

    function test_nobody_tells_a_result_where_none_stands() external {
        Task memory task = calling(address(listener));
        bring(task, Status.Invalid);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
    }

    function test_a_task_without_callback_calls_nobody() external {
        Task memory task = aTask();
        bring(task, Status.Valid);
        refused(ITaskMarket.WrongStatus.selector, uint256(Status.Valid));
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
    }

    // -- what it can do -----------------------------------------------------------------------------------------------

    function test_attack_a_callback_that_reverts_blocks_no_payment_and_can_be_tried_again() external {
        RevertingCallback callback = new RevertingCallback();
        Task memory task = calling(address(callback));
        bytes32 id = bring(task, Status.Valid);
        fails(task, id);
        market.withdraw(provider);
        vm.assertEq(currency.balanceOf(provider), PURSE + task.fee + task.bond);
        callback.mend();
        vm.expectEmit(address(market));
        emit ITaskMarket.CallbackCalled(id, true);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertTrue(market.isCalledBack(id));
    }

    function test_attack_a_callback_that_burns_all_gas_burns_only_what_was_promised() external {
        Task memory task = calling(address(new BurningCallback()));
        bytes32 id = bring(task, Status.Valid);
        uint256 before = gasleft();
        fails(task, id);
        vm.assertLe(before - gasleft(), CALLBACK_GAS + OVERHEAD_GAS);
    }

    function test_attack_a_callback_that_answers_with_a_megabyte_makes_nobody_copy_it() external {
        bombs(true);
        bombs(false);
    }

    function bombs(bool isFailing) private {
        Task memory task = calling(address(new BombCallback(isFailing)));
        task.callbackGas = 3_000_000; // a megabyte of memory costs 2.2 million
        bytes32 id = bring(task, Status.Valid);
        uint256 before = gasleft();
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertLe(before - gasleft(), 2_300_000 + OVERHEAD_GAS, "copied"); // a copy would cost it again
        vm.assertEq(market.isCalledBack(id), !isFailing);
    }

    function fails(Task memory task, bytes32 id) private {
        vm.expectEmit(address(market));
        emit ITaskMarket.CallbackCalled(id, false);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertFalse(market.isCalledBack(id));
        assertStatus(id, Status.Valid);
    }

    function test_attack_a_callback_that_reenters_is_not_told_twice_and_takes_nothing() external {
        Puppet puppet = new Puppet();
        Task memory task = calling(address(puppet));
        task.callbackGas = 3_000_000;
        bring(task, Status.Valid);
        puppet.plan(address(market), abi.encodeCall(market.callBack, (task, RESULT, TRANSCRIPT_HASH)));
        puppet.plan(address(market), abi.encodeCall(market.close, (task)));
        puppet.plan(address(market), abi.encodeCall(market.cancel, (task)));
        puppet.plan(address(market), abi.encodeCall(market.withdraw, (address(puppet))));
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertEq(puppet.numDone(), 4);
        for (uint256 i = 0; i < 4; i++) {
            vm.assertFalse(puppet.isDone(i), "the market let it in");
        }
        vm.assertEq(puppet.answers(0), abi.encodePacked(ITaskMarket.CallbackAlreadyDone.selector));
        vm.assertEq(wealth(address(puppet)), 0);
    }

    function test_a_callback_may_ask_for_its_next_task_and_withdraw() external {
        Puppet puppet = new Puppet();
        currency.mint(address(puppet), PURSE);
        puppet.act(address(currency), abi.encodeCall(currency.approve, (address(market), type(uint256).max)));
        Task memory task = calling(address(puppet));
        task.client = address(puppet);
        task.callbackGas = 3_000_000;
        Task memory next = calling(address(puppet));
        next.client = address(puppet);
        next.salt = bytes32(uint256(1));
        bytes32 id = bring(task, Status.Invalid); // so its fee is owed
        puppet.plan(address(market), abi.encodeCall(market.createTask, (next, SPEC)));
        puppet.plan(address(market), abi.encodeCall(market.withdraw, (address(puppet))));
        market.callBack(task, "", 0);
        assertStatus(market.taskId(next), Status.Funded);
        vm.assertEq(market.owed(address(puppet)), 0);
        vm.assertEq(currency.balanceOf(address(puppet)), PURSE - next.fee);
        vm.assertTrue(market.isCalledBack(id));
    }

    // -- gas ----------------------------------------------------------------------------------------------------------

    /// EIP-150 keeps a 64th back, so a caller could give so little that the callback fails although it is sound.
    function testFuzz_attack_too_little_gas_makes_the_call_fail_never_the_callback(uint256 gas_, uint32 callbackGas)
        external
    {
        callbackGas = uint32(bound(callbackGas, 2_000, 5_000_000));
        HungryCallback callback = new HungryCallback(callbackGas - 300); // less what it needs until it looks
        Task memory task = calling(address(callback));
        task.callbackGas = callbackGas;
        bytes32 id = bring(task, Status.Valid);
        gas_ = bound(gas_, 20_000, 60_000) + uint256(callbackGas) * 64 / 63; // about where enough begins
        bytes memory call = abi.encodeCall(market.callBack, (task, RESULT, TRANSCRIPT_HASH));
        vm.cool(address(callback)); // its first touch costs the market more
        (bool isDone,) = address(market).call{gas: gas_}(call);
        vm.assertEq(market.isCalledBack(id), isDone, "called with less than was promised");
    }

    function test_with_too_little_gas_the_call_says_how_much_the_callback_needs() external {
        Task memory task = calling(address(listener));
        bring(task, Status.Valid);
        refused(ITaskMarket.CallbackGasTooLow.selector, CALLBACK_GAS);
        market.callBack{gas: CALLBACK_GAS}(task, RESULT, TRANSCRIPT_HASH);
    }

    function test_a_callback_gets_exactly_the_gas_of_the_terms() external {
        Task memory task = calling(address(listener));
        bring(task, Status.Valid);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertLe(listener.gasAtStart(), CALLBACK_GAS);
        vm.assertGt(listener.gasAtStart(), CALLBACK_GAS - 1_000);
    }

    function test_the_callback_has_no_selector_that_a_currency_knows() external pure {
        vm.assertNotEq(
            bytes32(ITaskCallback.onTaskClosed.selector), bytes32(bytes4(keccak256("transfer(address,uint256)")))
        );
        vm.assertNotEq(
            bytes32(ITaskCallback.onTaskClosed.selector), bytes32(bytes4(keccak256("approve(address,uint256)")))
        );
    }
}
