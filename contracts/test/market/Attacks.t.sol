// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Contents} from "../../src/Content.sol";
import {TaskMarket} from "../../src/TaskMarket.sol";
import {ITaskMarket, Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {TestCurrency} from "../TestCurrency.sol";
import {BlockingCurrency, FeeCurrency, HookCurrency, RebasingCurrency, SilentCurrency} from "../mocks/Currencies.sol";
import {Puppet} from "../mocks/Puppet.sol";
import {MarketKit} from "./MarketKit.sol";

/// What a thief tries: with currencies, with others' transactions, with results, with reorganisations.
contract AttacksTest is MarketKit {
    /// The usual market and parties, with another currency.
    function trade(TestCurrency other) private {
        currency = other;
        market = new TaskMarket(currency);
        client = richAccount("client");
        provider = richAccount("provider");
        challenger = richAccount("challenger");
    }

    // -- currencies ---------------------------------------------------------------------------------------------------

    /// A contract that is called before its money moves tries every function in the middle of every step that moves money.
    function test_attack_a_reentrant_currency_lets_nobody_take_more_than_is_theirs() external {
        HookCurrency hooked = new HookCurrency();
        trade(hooked);
        address thief = address(puppet(PURSE));
        Task[] memory tasks = new Task[](5);
        for (uint256 i = 0; i < tasks.length; i++) {
            tasks[i] = aTask();
            tasks[i].client = i == 4 ? client : thief;
            tasks[i].salt = bytes32(i);
        }
        create(tasks[1]);
        bring(tasks[2], Status.Submitted);
        bring(tasks[3], Status.Cancelled); // so that the thief is owed something
        bring(tasks[4], Status.Accepted); // somebody else's money
        hooked.hook(thief);
        reenter(abi.encodeCall(market.createTask, (tasks[0], SPEC)), thief, tasks[0], tasks);
        reenter(abi.encodeCall(market.accept, (tasks[1])), thief, tasks[1], tasks);
        reenter(abi.encodeCall(market.challenge, (tasks[2], RESULT_HASH, TRANSCRIPT_HASH)), thief, tasks[2], tasks);
        reenter(abi.encodeCall(market.withdraw, (thief)), thief, tasks[3], tasks);
    }

    function reenter(bytes memory step, address thief, Task memory task, Task[] memory tasks) private {
        bytes[8] memory tries = [
            abi.encodeCall(market.createTask, (task, SPEC)),
            abi.encodeCall(market.accept, (task)),
            abi.encodeCall(market.challenge, (task, RESULT_HASH, TRANSCRIPT_HASH)),
            abi.encodeCall(market.withdraw, (thief)),
            abi.encodeCall(market.submit, (task, inlined(RESULT), inlined(TRANSCRIPT))),
            abi.encodeCall(market.cancel, (task)),
            abi.encodeCall(market.close, (task)),
            abi.encodeCall(market.callBack, (task, RESULT, TRANSCRIPT_HASH))
        ];
        for (uint256 i = 0; i < tries.length; i++) {
            uint256 snapshot = vm.snapshotState();
            Puppet(thief).plan(address(market), tries[i]);
            Puppet(thief).act(address(market), step);
            vm.assertEq(Puppet(thief).numDone(), 1, "the currency did not call");
            if (i < 4) {
                vm.assertEq(
                    Puppet(thief).answers(0),
                    abi.encodePacked(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
                );
            }
            uint256 due = market.owed(thief) + market.owed(client) + market.owed(provider) + market.owed(challenger);
            for (uint256 j = 0; j < tasks.length; j++) {
                due += escrowOf(tasks[j]);
            }
            vm.assertEq(currency.balanceOf(address(market)), due, "money went or came from nowhere");
            vm.revertToState(snapshot);
        }
    }

    function test_attack_a_currency_that_keeps_a_fee_is_refused_at_each_step() external {
        FeeCurrency taking = new FeeCurrency();
        trade(taking);
        Task memory funded = aTask();
        create(funded);
        Task memory submitted = aTask();
        submitted.salt = bytes32(uint256(1));
        bring(submitted, Status.Submitted);
        taking.take();
        Task memory task = aTask();
        task.salt = bytes32(uint256(2));
        unsound(task.fee);
        create(task);
        bytes memory signature = signed(keyOf("client"), authorizationDigest(task, 0, START_S + 1));
        unsound(task.fee);
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1, signature);
        unsound(task.bond);
        accept(funded);
        unsound(task.bond);
        challenge(submitted);
        assertStatus(market.taskId(task), Status.None);
        assertStatus(market.taskId(funded), Status.Funded);
        assertStatus(market.taskId(submitted), Status.Submitted);
    }

    function unsound(uint256 asked) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.CurrencyUnsound.selector, asked, asked - asked / 100));
    }

    /// Wrapped ether answers any call: an authorisation it knows nothing of must not pass for a payment.
    function test_attack_a_currency_that_ignores_authorisations_creates_nothing() external {
        market = new TaskMarket(IERC20(address(new SilentCurrency())));
        Task memory task = aTask();
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.CurrencyUnsound.selector, task.fee, 0));
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1, "");
    }

    /// The market owes amounts, not shares. So whoever withdraws last bears a loss, and a gain belongs to nobody.
    function test_attack_a_rebasing_currency_pays_nobody_more_and_may_leave_the_last_unpaid() external {
        RebasingCurrency rebasing = new RebasingCurrency();
        trade(rebasing);
        Task memory task = aTask();
        bring(task, Status.Cancelled);
        rebasing.rebase(address(market), 10 * task.fee);
        uint256 snapshot = vm.snapshotState();
        market.withdraw(client);
        vm.assertEq(currency.balanceOf(client), PURSE);
        vm.revertToState(snapshot);
        rebasing.rebase(address(market), task.fee - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, address(market), task.fee - 1, task.fee
            )
        );
        market.withdraw(client);
        vm.assertEq(market.owed(client), task.fee); // not lost: payable once the money is there
    }

    function test_attack_an_account_that_the_currency_refuses_holds_up_nobody_else() external {
        BlockingCurrency blocking = new BlockingCurrency();
        trade(blocking);
        Task memory task = aTask();
        bring(task, Status.Invalid);
        blocking.refuse(client);
        vm.expectRevert(abi.encodeWithSelector(BlockingCurrency.Refused.selector, client));
        market.withdraw(client);
        market.withdraw(challenger);
        vm.assertEq(gain(challenger), int256(uint256(task.bond / 5)));
        vm.assertEq(market.owed(client), task.fee);
    }

    // -- others' transactions -----------------------------------------------------------------------------------------

    function test_attack_nobody_submits_a_result_before_its_provider_does() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Accepted);
        address[2] memory thieves = [stranger, client];
        for (uint256 i = 0; i < thieves.length; i++) {
            refused(ITaskMarket.NotProvider.selector, thieves[i]);
            vm.prank(thieves[i]);
            market.submit(task, inlined(RESULT), inlined(TRANSCRIPT));
        }
        submit(task);
        assertStatus(id, Status.Submitted);
    }

    function test_attack_an_authorisation_in_the_open_cannot_be_turned_to_another_use() external {
        Task memory task = aTask();
        uint256 before = START_S + 1 hours;
        bytes memory signature = signed(keyOf("client"), authorizationDigest(task, 0, before));
        bytes32 id = market.taskId(task);
        vm.startPrank(stranger);
        // Other terms: another id, which the client did not sign.
        Task memory other = abi.decode(abi.encode(task), (Task));
        other.provider = stranger;
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        market.createTaskWithAuthorization(other, SPEC, 0, before, signature);
        // Another specification: not the one of the terms.
        vm.expectRevert(Contents.ContentHashWrong.selector);
        market.createTaskWithAuthorization(task, "do something else", 0, before, signature);
        // Other times: not what was signed.
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        market.createTaskWithAuthorization(task, SPEC, 0, before + 1, signature);
        // The money without the task: only the market may fetch it.
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(market)));
        currency.receiveWithAuthorization(client, address(market), task.fee, 0, before, id, signature);
        // The same calldata: what the client wanted. Its own transaction then finds it done.
        market.createTaskWithAuthorization(task, SPEC, 0, before, signature);
        vm.stopPrank();
        assertStatus(id, Status.Funded);
        vm.assertEq(gain(client), -int256(uint256(task.fee)));
    }

    function test_a_client_that_is_a_contract_authorises_by_its_own_rules() external {
        Puppet wallet = puppet(PURSE);
        Task memory task = aTask();
        task.client = address(wallet);
        bytes memory signature = "whatever the wallet stands by";
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1, signature);
        wallet.standBy(authorizationDigest(task, 0, START_S + 1), signature);
        bytes32 id = market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1, signature);
        assertStatus(id, Status.Funded);
        vm.assertEq(currency.balanceOf(address(wallet)), PURSE - task.fee);
    }

    // -- results ------------------------------------------------------------------------------------------------------

    /// The result is public once it is submitted, or seen on its way. The client can no longer keep its fee.
    function test_attack_a_client_that_copies_a_public_result_still_pays() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Accepted);
        for (uint256 i = 0; i < 2; i++) {
            // First while the result waits to be mined, then when it is there.
            if (i == 1) submit(task);
            Status status = statusOf(id);
            vm.startPrank(client);
            refused(ITaskMarket.WrongStatus.selector, uint256(status));
            market.cancel(task);
            refused(ITaskMarket.TooEarly.selector, until(id));
            market.close(task);
            refused(ITaskMarket.NotResolver.selector, client);
            market.resolve(task, RESULT_HASH, TRANSCRIPT_HASH, Outcome.Invalid);
            vm.stopPrank();
        }
        runOut(id);
        market.close(task);
        vm.assertEq(gain(provider), int256(uint256(task.fee)));
        vm.assertEq(gain(client), -int256(uint256(task.fee)));
    }

    // -- reorganisations ----------------------------------------------------------------------------------------------

    /// The chain forgets a task, and its client puts worse terms in its place. An acceptance on its way accepts nothing.
    function test_attack_terms_swapped_by_a_reorganisation_are_not_accepted() external {
        Task memory task = aTask();
        uint256 before = vm.snapshotState();
        create(task);
        vm.revertToState(before); // the reorganisation
        Task memory worse = abi.decode(abi.encode(task), (Task));
        worse.submitWithin = 1;
        create(worse);
        refused(ITaskMarket.WrongStatus.selector, uint256(Status.None));
        accept(task);
        vm.assertEq(gain(provider), 0);
    }

    /// The chain forgets a bad result, and its provider puts a good one in its place. A challenge on its way loses nothing.
    function test_attack_a_result_swapped_by_a_reorganisation_is_not_challenged() external {
        Task memory task = aTask();
        bring(task, Status.Accepted);
        uint256 before = vm.snapshotState();
        vm.prank(provider);
        market.submit(task, inlined("garbage"), inlined(TRANSCRIPT));
        vm.revertToState(before); // the reorganisation
        submit(task);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        vm.prank(challenger);
        market.challenge(task, keccak256("garbage"), TRANSCRIPT_HASH);
        vm.assertEq(gain(challenger), 0);
    }

    /// A contract with money that the market may fetch.
    function puppet(uint256 money) private returns (Puppet made) {
        made = new Puppet();
        currency.mint(address(made), money);
        made.act(address(currency), abi.encodeCall(currency.approve, (address(market), type(uint256).max)));
    }
}
