// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskMarket} from "../../src/TaskMarket.sol";
import {ITaskMarket, Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {MarketKit} from "./MarketKit.sol";

/// Who gets what at each end, for any fee and bond; and that nobody gains by forcing one.
// forge-lint: disable-next-item(unsafe-typecast): numbers of tests are small, or meant to be cut
contract MoneyTest is MarketKit {
    // -- shares -------------------------------------------------------------------------------------------------------

    function testFuzz_each_end_shares_out_exactly_what_came_in(uint128 fee, uint128 bond, uint8 end_) external {
        Status end = Status(bound(end_, uint256(Status.Cancelled), uint256(Status.Inconclusive)));
        Task memory task = priced(fee, bond);
        bytes32 id = bring(task, end);
        assertStatus(id, end);
        uint256 all = currency.balanceOf(address(market));
        vm.assertEq(owedToAll(), all, "credited something else than came in");
        (uint256 toClient, uint256 toProvider, uint256 toChallenger, uint256 burned) = expected(task, end);
        vm.assertEq(market.owed(client), toClient, "client");
        vm.assertEq(market.owed(provider), toProvider, "provider");
        vm.assertEq(market.owed(challenger), toChallenger, "challenger");
        vm.assertEq(market.owed(market.BURN()), burned, "burned");
        withdrawAll();
        vm.assertEq(currency.balanceOf(address(market)), 0);
    }

    /// The table of docs/contracts.md, written down once more.
    function expected(Task memory task, Status end)
        private
        pure
        returns (uint256 toClient, uint256 toProvider, uint256 toChallenger, uint256 burned)
    {
        uint256 fee = task.fee;
        uint256 bond = task.bond;
        uint256 lost = (fee + 1) / 2;
        if (end == Status.Cancelled) return (fee, 0, 0, 0);
        if (end == Status.Expired) return (fee + bond, 0, 0, 0);
        if (end == Status.Valid) return (0, fee + 2 * bond, 0, 0); // after a challenge
        if (end == Status.Invalid) return (fee, 0, bond + bond / 5, bond - bond / 5);
        return (lost, fee / 2 + bond - lost, bond - lost, 2 * lost);
    }

    function testFuzz_an_unchallenged_result_pays_fee_and_bond(uint128 fee, uint128 bond) external {
        Task memory task = priced(fee, bond);
        bytes32 id = bring(task, Status.Submitted);
        runOut(id);
        market.close(task);
        vm.assertEq(market.owed(provider), uint256(task.fee) + task.bond);
        vm.assertEq(owedToAll(), currency.balanceOf(address(market)));
    }

    // -- forcing an end -----------------------------------------------------------------------------------------------

    /// The resolver is silent, and the client has its result: it has paid as if it had not challenged.
    function testFuzz_attack_a_client_that_forces_no_verdict_pays_as_much(uint128 fee, uint128 bond) external {
        Task memory task = priced(fee, bond);
        bytes32 id = bring(task, Status.Submitted);
        int256 before = int256(wealth(client));
        vm.prank(client);
        market.challenge(task, RESULT_HASH, TRANSCRIPT_HASH);
        runOut(id);
        market.close(task);
        vm.assertEq(int256(wealth(client)) - before, 0, "it paid less for the result");
    }

    /// A provider who challenges its own garbage and hopes for silence loses, however little it worked.
    function testFuzz_attack_a_provider_that_forces_no_verdict_loses(uint128 fee, uint128 bond) external {
        Task memory task = priced(fee, bond);
        uint256 before = wealth(provider);
        bytes32 id = bring(task, Status.Submitted);
        vm.prank(provider);
        market.challenge(task, RESULT_HASH, TRANSCRIPT_HASH);
        runOut(id);
        market.close(task);
        vm.assertLt(wealth(provider), before);
    }

    /// Also together: a client who is its own provider and challenger, say, to be seen busy.
    function testFuzz_attack_no_two_parties_together_gain_by_no_verdict(uint128 fee, uint128 bond) external {
        Task memory task = priced(fee, bond);
        uint256 ofClient = wealth(client);
        uint256 ofProvider = wealth(provider);
        uint256 ofChallenger = wealth(challenger);
        bytes32 id = bring(task, Status.Challenged);
        runOut(id);
        market.close(task);
        vm.assertLt(wealth(challenger), ofChallenger);
        vm.assertLe(wealth(client) + wealth(challenger), ofClient + ofChallenger - task.fee, "client and challenger");
        vm.assertLt(wealth(provider) + wealth(challenger), ofProvider + ofChallenger, "provider and challenger");
        vm.assertLt(wealth(client) + wealth(provider), ofClient + ofProvider, "client and provider");
    }

    /// A resolver that says nothing, or that it cannot say, comes to the same and gains nothing by it.
    function test_attack_an_abstaining_resolver_is_worth_as_much_as_a_silent_one() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        uint256 snapshot = vm.snapshotState();
        judge(task, Outcome.Inconclusive);
        uint256[3] memory told = [wealth(client), wealth(provider), wealth(challenger)];
        vm.revertToState(snapshot);
        runOut(id);
        market.close(task);
        vm.assertEq(wealth(client), told[0]);
        vm.assertEq(wealth(provider), told[1]);
        vm.assertEq(wealth(challenger), told[2]);
        vm.assertEq(wealth(address(resolver)), 0);
        for (uint256 i = 0; i < memberKeys.length; i++) {
            vm.assertEq(wealth(vm.addr(memberKeys[i])), 0);
        }
    }

    /// The bounty must not make cheating cheap: four fifths of the bond are gone.
    function testFuzz_attack_a_provider_that_challenges_itself_for_the_bounty_loses(uint128 fee, uint128 bond)
        external
    {
        Task memory task = priced(fee, bond);
        uint256 before = wealth(provider);
        bring(task, Status.Submitted);
        vm.prank(provider);
        market.challenge(task, RESULT_HASH, TRANSCRIPT_HASH);
        judge(task, Outcome.Invalid);
        vm.assertEq(before - wealth(provider), task.bond - task.bond / 5);
        vm.assertGe(before - wealth(provider), task.fee * uint256(4) / 5);
    }

    /// Nor does it gain more than the fee when its result is good.
    function testFuzz_attack_a_provider_that_challenges_its_good_result_gains_nothing(uint128 fee, uint128 bond)
        external
    {
        Task memory task = priced(fee, bond);
        uint256 before = wealth(provider);
        bring(task, Status.Submitted);
        vm.prank(provider);
        market.challenge(task, RESULT_HASH, TRANSCRIPT_HASH);
        judge(task, Outcome.Valid);
        vm.assertEq(wealth(provider) - before, task.fee);
    }

    function test_attack_a_garbage_result_earns_nothing_and_costs_the_bond() external {
        Task memory task = aTask();
        bring(task, Status.Accepted);
        vm.prank(provider);
        market.submit(task, inlined("asdf"), inlined("no transcript at all"));
        vm.prank(challenger);
        market.challenge(task, keccak256("asdf"), keccak256("no transcript at all"));
        vm.prank(address(resolver));
        market.resolve(task, keccak256("asdf"), keccak256("no transcript at all"), Outcome.Invalid);
        vm.assertEq(gain(client), 0);
        vm.assertEq(gain(provider), -int256(uint256(task.bond)));
        vm.assertEq(gain(challenger), int256(uint256(task.bond / 5)));
    }

    // -- ids and terms ------------------------------------------------------------------------------------------------

    function testFuzz_any_other_term_is_another_task(Task memory task, uint8 field, uint256 seed) external view {
        bytes32 before = market.taskId(task);
        change(task, field % 15, seed);
        vm.assertNotEq(market.taskId(task), before);
    }

    function change(Task memory task, uint256 field, uint256 seed) private pure {
        uint256 other = bound(seed, 1, type(uint32).max); // added or mixed in, so it is never the same
        if (field == 0) task.client = address(uint160(task.client) ^ uint160(other));
        else if (field == 1) task.provider = address(uint160(task.provider) ^ uint160(other));
        else if (field == 2) task.modelId ^= bytes32(other);
        else if (field == 3) task.specHash ^= bytes32(other);
        else if (field == 4) task.specURI = string.concat(task.specURI, "\x00");
        else if (field == 5) task.fee ^= uint128(other);
        else if (field == 6) task.bond ^= uint128(other);
        else if (field == 7) task.acceptBy ^= uint64(other);
        else if (field == 8) task.submitWithin ^= uint32(other);
        else if (field == 9) task.challengeWindow ^= uint32(other);
        else if (field == 10) task.resolveWithin ^= uint32(other);
        else if (field == 11) task.resolver = address(uint160(task.resolver) ^ uint160(other));
        else if (field == 12) task.callback = address(uint160(task.callback) ^ uint160(other));
        else if (field == 13) task.callbackGas ^= uint32(other);
        else task.salt ^= bytes32(other);
    }

    function testFuzz_the_same_terms_elsewhere_are_another_task(Task memory task, uint64 chainId) external {
        chainId = uint64(bound(chainId, 1, type(uint64).max - 1));
        TaskMarket other = new TaskMarket(currency);
        bytes32 here = market.taskId(task);
        vm.assertNotEq(other.taskId(task), here);
        vm.assume(chainId != block.chainid);
        vm.chainId(chainId);
        vm.assertNotEq(market.taskId(task), here);
    }

    /// Whatever terms are taken, time alone ends the task from each of its states, and all money has an owner.
    function testFuzz_terms_that_are_taken_have_an_exit(Task memory task, uint8 from) external {
        Task memory usual = aTask();
        task.client = client;
        task.provider = address(0);
        task.specHash = usual.specHash;
        task.specURI = "";
        task.resolver = usual.resolver;
        task.callback = address(0);
        if (task.acceptBy % 4 != 0) task.acceptBy = uint64(START_S + task.acceptBy % 40 days);
        if (task.bond % 4 != 0) task.bond = task.fee > task.bond ? task.fee : task.bond;
        task.submitWithin %= 40 days;
        task.challengeWindow %= 40 days;
        task.resolveWithin %= 40 days;
        rich(task);
        vm.prank(client);
        try market.createTask(task, SPEC) returns (bytes32 id) {
            if (from % 4 > 0) accept(task);
            if (from % 4 > 1) submit(task);
            if (from % 4 > 2) challenge(task);
            vm.warp(START_S + 365 days);
            vm.prank(stranger);
            market.close(task);
            vm.assertGe(uint256(statusOf(id)), uint256(Status.Cancelled));
            vm.assertEq(owedToAll(), currency.balanceOf(address(market)));
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(ITaskMarket.BadTerms.selector));
            vm.assertEq(currency.balanceOf(address(market)), 0);
        }
    }

    // -- helpers ------------------------------------------------------------------------------------------------------

    function priced(uint128 fee, uint128 bond) private returns (Task memory task) {
        task = aTask();
        task.fee = uint128(bound(fee, 1, type(uint128).max));
        task.bond = uint128(bound(bond, task.fee, type(uint128).max));
        rich(task);
    }

    function rich(Task memory task) private {
        uint256 enough = uint256(task.fee) + task.bond;
        currency.mint(client, enough);
        currency.mint(provider, 2 * uint256(task.bond));
        currency.mint(challenger, task.bond);
    }

    function owedToAll() private view returns (uint256) {
        return market.owed(client) + market.owed(provider) + market.owed(challenger) + market.owed(market.BURN());
    }

    function withdrawAll() private {
        address[4] memory all = [client, provider, challenger, market.BURN()];
        for (uint256 i = 0; i < all.length; i++) {
            if (market.owed(all[i]) != 0) market.withdraw(all[i]);
        }
    }
}
