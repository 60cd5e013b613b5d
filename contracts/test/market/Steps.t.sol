// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {Content, Contents} from "../../src/Content.sol";
import {ITaskMarket, Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {MarketKit} from "./MarketKit.sol";

/// Each step of a task: what it does, whom and when it refuses.
// forge-lint: disable-next-item(unsafe-typecast): numbers of tests are small, or meant to be cut
contract StepsTest is MarketKit {
    uint256 private constant NUM_STATUSES = uint256(Status.Inconclusive) + 1;

    // -- create -------------------------------------------------------------------------------------------------------

    function test_creating_takes_the_fee_and_announces_all_terms() external {
        Task memory task = aTask();
        bytes32 id = keccak256(abi.encode(block.chainid, address(market), task));
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskCreated(id, client, address(0), task, SPEC);
        vm.assertEq(create(task), id);
        assertStatus(id, Status.Funded);
        vm.assertEq(until(id), task.acceptBy);
        vm.assertEq(currency.balanceOf(address(market)), task.fee);
        vm.assertEq(gain(client), -int256(uint256(task.fee)));
    }

    function test_only_the_client_itself_creates_its_task() external {
        Task memory task = aTask();
        refused(ITaskMarket.NotClient.selector, stranger);
        vm.prank(stranger);
        market.createTask(task, SPEC);
    }

    function test_the_same_task_is_created_once() external {
        Task memory task = aTask();
        create(task);
        refused(ITaskMarket.WrongStatus.selector, uint256(Status.Funded));
        create(task);
    }

    function test_a_client_without_money_creates_nothing() external {
        Task memory task = aTask();
        task.client = account("pauper");
        vm.prank(task.client);
        currency.approve(address(market), task.fee);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, task.client, 0, task.fee)
        );
        create(task);
        assertStatus(market.taskId(task), Status.None);
    }

    function test_terms_that_leave_somebody_without_an_exit_are_refused() external {
        Task memory task = aTask();
        task.fee = 0;
        badTerms(task, "no fee");
        task = aTask();
        task.bond = task.fee - 1;
        badTerms(task, "bond below fee");
        task = aTask();
        task.resolver = stranger;
        badTerms(task, "resolver is no contract");
        task = aTask();
        task.callback = stranger;
        badTerms(task, "callback is no contract");
        task = aTask();
        task.acceptBy = uint64(START_S);
        badTerms(task, "acceptBy has passed");
        task.acceptBy = uint64(START_S + 30 days + 1);
        badTerms(task, "acceptBy too far");
        task = aTask();
        task.submitWithin = 0;
        badTerms(task, "submitWithin");
        task.submitWithin = 30 days + 1;
        badTerms(task, "submitWithin");
        task = aTask();
        task.challengeWindow = 0;
        badTerms(task, "challengeWindow");
        task.challengeWindow = 30 days + 1;
        badTerms(task, "challengeWindow");
        task = aTask();
        task.resolveWithin = 0;
        badTerms(task, "resolveWithin");
        task.resolveWithin = 30 days + 1;
        badTerms(task, "resolveWithin");
    }

    function test_terms_at_their_limits_are_taken() external {
        Task memory task = aTask();
        task.fee = 1;
        task.bond = 1;
        task.acceptBy = uint64(START_S + 30 days);
        task.submitWithin = 30 days;
        task.challengeWindow = 1;
        task.resolveWithin = 30 days;
        task.callback = address(currency);
        assertStatus(create(task), Status.Funded);
    }

    function badTerms(Task memory task, string memory reason) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.BadTerms.selector, reason));
        create(task);
    }

    // -- create, gasless ----------------------------------------------------------------------------------------------

    function test_an_authorisation_creates_a_task_whoever_sends_it() external {
        Task memory task = aTask();
        bytes32 id = market.taskId(task);
        bytes memory signature = authorisation(task, 0, START_S + 1 hours);
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskCreated(id, client, address(0), task, SPEC);
        vm.prank(stranger);
        vm.assertEq(market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1 hours, signature), id);
        assertStatus(id, Status.Funded);
        vm.assertEq(gain(client), -int256(uint256(task.fee)));
        vm.assertEq(gain(stranger), 0);
    }

    function test_an_expired_authorisation_creates_nothing() external {
        Task memory task = aTask();
        bytes memory signature = authorisation(task, 0, START_S);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, 0, START_S));
        market.createTaskWithAuthorization(task, SPEC, 0, START_S, signature);
    }

    function test_an_authorisation_is_used_once() external {
        Task memory task = aTask();
        bytes memory signature = authorisation(task, 0, START_S + 1 hours);
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1 hours, signature);
        refused(ITaskMarket.WrongStatus.selector, uint256(Status.Funded));
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1 hours, signature);
    }

    function test_nobody_can_authorise_in_the_name_of_no_client() external {
        Task memory task = aTask();
        task.client = address(0);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.BadTerms.selector, "no client"));
        market.createTaskWithAuthorization(task, SPEC, 0, START_S + 1 hours, new bytes(65));
    }

    function authorisation(Task memory task, uint256 validAfter, uint256 validBefore)
        private
        view
        returns (bytes memory)
    {
        return signed(keyOf("client"), authorizationDigest(task, validAfter, validBefore));
    }

    // -- content ------------------------------------------------------------------------------------------------------

    function test_content_is_bytes_that_hash_right_or_a_place() external {
        Task memory task = aTask();
        vm.startPrank(client);
        vm.expectRevert(Contents.ContentHashWrong.selector);
        market.createTask(task, "other bytes");
        vm.expectRevert(Contents.ContentHashWrong.selector); // neither bytes nor a place
        market.createTask(task, "");
        task.specURI = "https://example.org/spec";
        vm.expectRevert(Contents.ContentTwice.selector);
        market.createTask(task, SPEC);
        assertStatus(market.createTask(task, ""), Status.Funded);
    }

    function test_content_has_its_limits() external {
        Task memory task = aTask();
        bytes memory long = new bytes(Contents.MAX_BYTES + 1);
        task.specHash = keccak256(long);
        vm.startPrank(client);
        vm.expectRevert(Contents.ContentTooLong.selector);
        market.createTask(task, long);
        bytes memory just = new bytes(Contents.MAX_BYTES);
        task.specHash = keccak256(just);
        assertStatus(market.createTask(task, just), Status.Funded);
        task.specURI = string(new bytes(Contents.MAX_URI_BYTES + 1));
        vm.expectRevert(Contents.ContentTooLong.selector);
        market.createTask(task, "");
        task.specURI = string(new bytes(Contents.MAX_URI_BYTES));
        assertStatus(market.createTask(task, ""), Status.Funded);
    }

    function test_a_model_may_say_nothing() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Accepted);
        vm.prank(provider);
        market.submit(task, inlined(""), inlined(TRANSCRIPT));
        assertStatus(id, Status.Submitted);
    }

    function testFuzz_bytes_of_another_hash_are_never_taken(bytes calldata data, bytes32 hash) external {
        vm.assume(keccak256(data) != hash);
        vm.assume(data.length <= Contents.MAX_BYTES);
        Task memory task = aTask();
        task.specHash = hash;
        vm.expectRevert(Contents.ContentHashWrong.selector);
        vm.prank(client);
        market.createTask(task, data);
    }

    // -- cancel -------------------------------------------------------------------------------------------------------

    function test_a_client_cancels_what_nobody_accepted_also_after_the_clock() external {
        Task memory task = aTask();
        bytes32 id = create(task);
        runOut(id);
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskClosed(id, Status.Cancelled, task.fee, 0, 0, 0);
        vm.prank(client);
        market.cancel(task);
        vm.assertEq(market.owed(client), task.fee);
    }

    function test_nobody_else_cancels() external {
        Task memory task = aTask();
        create(task);
        refused(ITaskMarket.NotClient.selector, provider);
        vm.prank(provider);
        market.cancel(task);
    }

    // -- accept -------------------------------------------------------------------------------------------------------

    function test_accepting_takes_the_bond_and_starts_the_clock() external {
        Task memory task = aTask();
        bytes32 id = create(task);
        vm.warp(task.acceptBy); // the last second
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskAccepted(id, provider, task.acceptBy + task.submitWithin);
        accept(task);
        assertStatus(id, Status.Accepted);
        vm.assertEq(providerOf(id), provider);
        vm.assertEq(until(id), task.acceptBy + task.submitWithin);
        vm.assertEq(gain(provider), -int256(uint256(task.bond)));
    }

    function test_accepting_too_late_is_refused() external {
        Task memory task = aTask();
        create(task);
        vm.warp(task.acceptBy + 1);
        refused(ITaskMarket.TooLate.selector, task.acceptBy);
        accept(task);
    }

    function test_a_named_provider_alone_may_accept() external {
        Task memory task = aTask();
        task.provider = provider;
        bytes32 id = create(task);
        refused(ITaskMarket.NotProvider.selector, stranger);
        vm.prank(stranger);
        market.accept(task);
        accept(task);
        assertStatus(id, Status.Accepted);
    }

    // -- submit -------------------------------------------------------------------------------------------------------

    function test_submitting_publishes_the_result_and_opens_the_window() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Accepted);
        vm.warp(until(id)); // the last second
        uint64 challengeBy = until(id) + task.challengeWindow;
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskSubmitted(id, provider, challengeBy, inlined(RESULT), inlined(TRANSCRIPT));
        submit(task);
        assertStatus(id, Status.Submitted);
        vm.assertEq(until(id), challengeBy);
        vm.assertEq(market.submissionOf(id), keccak256(abi.encode(RESULT_HASH, TRANSCRIPT_HASH)));
    }

    function test_submitting_too_late_is_refused() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Accepted);
        uint64 last = until(id);
        runOut(id);
        refused(ITaskMarket.TooLate.selector, last);
        submit(task);
    }

    function test_a_result_and_a_transcript_of_other_bytes_are_refused() external {
        Task memory task = aTask();
        bring(task, Status.Accepted);
        Content memory wrong = Content({hash: RESULT_HASH, data: "garbled", uri: ""});
        vm.startPrank(provider);
        vm.expectRevert(Contents.ContentHashWrong.selector);
        market.submit(task, wrong, inlined(TRANSCRIPT));
        vm.expectRevert(Contents.ContentHashWrong.selector);
        market.submit(task, inlined(RESULT), wrong);
    }

    // -- challenge ----------------------------------------------------------------------------------------------------

    function test_a_challenge_takes_a_bond_and_starts_the_last_clock() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Submitted);
        vm.warp(until(id)); // the last second
        uint64 resolveBy = until(id) + task.resolveWithin;
        vm.expectEmit(address(market));
        emit ITaskMarket.TaskChallenged(id, challenger, resolveBy);
        challenge(task);
        assertStatus(id, Status.Challenged);
        vm.assertEq(until(id), resolveBy);
        vm.assertEq(market.challengerOf(id), challenger);
        vm.assertEq(gain(challenger), -int256(uint256(task.bond)));
    }

    function test_a_challenge_after_the_window_is_refused() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Submitted);
        uint64 last = until(id);
        runOut(id);
        refused(ITaskMarket.TooLate.selector, last);
        challenge(task);
    }

    function test_a_challenge_of_another_result_or_transcript_is_refused() external {
        Task memory task = aTask();
        bring(task, Status.Submitted);
        vm.startPrank(challenger);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.challenge(task, keccak256("other"), TRANSCRIPT_HASH);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.challenge(task, RESULT_HASH, keccak256("other"));
    }

    // -- resolve ------------------------------------------------------------------------------------------------------

    function test_only_the_resolver_of_the_terms_resolves() external {
        Task memory task = aTask();
        bring(task, Status.Challenged);
        refused(ITaskMarket.NotResolver.selector, stranger);
        vm.prank(stranger);
        market.resolve(task, RESULT_HASH, TRANSCRIPT_HASH, Outcome.Valid);
    }

    function test_a_verdict_in_the_last_second_counts_and_after_it_not() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        uint64 last = until(id);
        vm.warp(last + 1);
        refused(ITaskMarket.TooLate.selector, last);
        vm.prank(address(resolver));
        market.resolve(task, RESULT_HASH, TRANSCRIPT_HASH, Outcome.Valid);
        vm.warp(last);
        judge(task, Outcome.Valid);
        assertStatus(id, Status.Valid);
    }

    function test_a_verdict_of_another_result_is_refused() external {
        Task memory task = aTask();
        bring(task, Status.Challenged);
        vm.startPrank(address(resolver));
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.resolve(task, keccak256("other"), TRANSCRIPT_HASH, Outcome.Valid);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        market.resolve(task, RESULT_HASH, keccak256("other"), Outcome.Valid);
    }

    // -- close --------------------------------------------------------------------------------------------------------

    function test_each_clock_that_runs_out_has_its_end_by_anyone() external {
        closesAs(Status.Funded, Status.Cancelled);
        closesAs(Status.Accepted, Status.Expired);
        closesAs(Status.Submitted, Status.Valid);
        closesAs(Status.Challenged, Status.Inconclusive);
    }

    function closesAs(Status from, Status end) private {
        Task memory task = aTask();
        bytes32 id = bring(task, from);
        uint64 last = until(id);
        vm.warp(last);
        refused(ITaskMarket.TooEarly.selector, last);
        market.close(task);
        vm.warp(last + 1);
        vm.prank(stranger);
        market.close(task);
        assertStatus(id, end);
    }

    // -- withdraw -----------------------------------------------------------------------------------------------------

    function test_what_is_owed_is_paid_once_to_its_owner_whoever_asks() external {
        Task memory task = aTask();
        bring(task, Status.Cancelled);
        vm.expectEmit(address(market));
        emit ITaskMarket.Withdrawn(client, task.fee);
        vm.prank(stranger);
        market.withdraw(client);
        vm.assertEq(currency.balanceOf(client), PURSE);
        refused(ITaskMarket.NothingOwed.selector, client);
        market.withdraw(client);
    }

    function test_burned_money_leaves_the_market_for_nobody() external {
        Task memory task = aTask();
        bring(task, Status.Invalid);
        market.withdraw(market.BURN());
        vm.assertEq(currency.balanceOf(market.BURN()), task.bond - task.bond / 5);
    }

    // -- all steps in all states --------------------------------------------------------------------------------------

    /// Also: final states absorb.
    function test_no_step_is_taken_in_a_state_that_is_not_its_own() external {
        for (uint256 i = 0; i < NUM_STATUSES; i++) {
            Status status = Status(i);
            Task memory task = aTask();
            task.salt = bytes32(i);
            task.callback = address(currency);
            bytes32 id = status == Status.None ? market.taskId(task) : bring(task, status);
            uint256 snapshot = vm.snapshotState();
            if (status != Status.None) refusedIn(status, client, abi.encodeCall(market.createTask, (task, SPEC)));
            if (status != Status.Funded) {
                refusedIn(status, client, abi.encodeCall(market.cancel, (task)));
                refusedIn(status, provider, abi.encodeCall(market.accept, (task)));
            }
            if (status != Status.Accepted) {
                refusedIn(status, provider, abi.encodeCall(market.submit, (task, inlined(RESULT), inlined(TRANSCRIPT))));
            }
            if (status != Status.Submitted) {
                refusedIn(status, challenger, abi.encodeCall(market.challenge, (task, RESULT_HASH, TRANSCRIPT_HASH)));
            }
            if (status != Status.Challenged) {
                refusedIn(
                    status,
                    address(resolver),
                    abi.encodeCall(market.resolve, (task, RESULT_HASH, TRANSCRIPT_HASH, Outcome.Invalid))
                );
            }
            if (status < Status.Cancelled) {
                refusedIn(status, stranger, abi.encodeCall(market.callBack, (task, RESULT, TRANSCRIPT_HASH)));
            }
            vm.warp(START_S + 365 days);
            if (status == Status.None || status >= Status.Cancelled) {
                refusedIn(status, stranger, abi.encodeCall(market.close, (task)));
            }
            vm.revertToState(snapshot);
            assertStatus(id, status);
        }
    }

    function refusedIn(Status status, address caller, bytes memory call) private {
        vm.prank(caller);
        (bool isDone, bytes memory answer) = address(market).call(call);
        vm.assertFalse(isDone, "a step was taken");
        vm.assertEq(answer, abi.encodeWithSelector(ITaskMarket.WrongStatus.selector, status));
    }
}
