// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Asker} from "../../../examples/Asker.sol";
import {ITaskMarket, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {Log} from "../kit/Vm.sol";
import {MarketKit} from "../market/MarketKit.sol";

/// The example of docs/contracts.md does what it says.
contract AskerTest is MarketKit {
    uint128 private constant FEE = 5e6;
    Asker private asker;

    function setUp() public override {
        super.setUp();
        vm.prank(stranger);
        asker = new Asker(market, currency);
        currency.mint(address(asker), FEE);
    }

    /// The terms are read where a provider reads them: in the event.
    function ask() private returns (Task memory task, bytes32 id) {
        vm.recordLogs();
        vm.prank(stranger);
        id = asker.ask(keccak256("model"), SPEC, FEE, address(resolver));
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].topics[0] != ITaskMarket.TaskCreated.selector) continue;
            (task,) = abi.decode(logs[i].data, (Task, bytes));
        }
        vm.assertEq(market.taskId(task), id);
    }

    function test_a_contract_asks_and_hears_the_answer() external {
        (Task memory task, bytes32 id) = ask();
        accept(task);
        submit(task);
        runOut(id);
        market.close(task);
        vm.expectEmit(address(asker));
        emit Asker.Answered(id, string(RESULT));
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertEq(asker.answerOf(id), string(RESULT));
        vm.assertEq(currency.balanceOf(address(asker)), 0);
    }

    function test_a_contract_hears_that_nobody_answered_and_gets_its_money_back() external {
        (Task memory task, bytes32 id) = ask();
        runOut(id);
        market.close(task);
        vm.expectEmit(address(asker));
        emit Asker.Unanswered(id, Status.Cancelled);
        market.callBack(task, "", 0);
        asker.sweep();
        vm.assertEq(currency.balanceOf(stranger), PURSE + FEE);
        vm.assertEq(asker.answerOf(id), "");
    }

    function test_nobody_but_its_owner_makes_it_ask() external {
        refused(Asker.NotOwner.selector, client);
        vm.prank(client);
        asker.ask(keccak256("model"), SPEC, FEE, address(resolver));
    }

    function test_nobody_but_the_market_tells_it_an_answer() external {
        (, bytes32 id) = ask();
        refused(Asker.NotTheMarket.selector, client);
        vm.prank(client);
        asker.onTaskClosed(id, Status.Valid, "a lie");
    }

    /// Another's task may name this contract as its callback. It is no answer to anything that was asked.
    function test_it_hears_no_answers_to_the_questions_of_others() external {
        Task memory task = aTask();
        task.callback = address(asker);
        task.callbackGas = 500_000;
        bytes32 id = bring(task, Status.Valid);
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.assertFalse(market.isCalledBack(id));
        vm.assertEq(asker.answerOf(id), "");
    }
}
