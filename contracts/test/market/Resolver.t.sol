// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Resolver} from "../../src/Resolver.sol";
import {TaskMarket} from "../../src/TaskMarket.sol";
import {ITaskMarket, Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {Puppet} from "../mocks/Puppet.sol";
import {MarketKit} from "./MarketKit.sol";

/// A committee speaks with enough of its members' signatures, about one result of one task of one market, and only then.
contract ResolverTest is MarketKit {
    // -- the committee ------------------------------------------------------------------------------------------------

    function test_a_committee_says_who_it_is() external {
        address[] memory members = committee(5);
        Resolver made = new Resolver(members, 3);
        vm.assertEq(made.members(), members);
        vm.assertEq(made.threshold(), 3);
        for (uint256 i = 0; i < members.length; i++) {
            vm.assertTrue(made.isMember(members[i]));
        }
        vm.assertFalse(made.isMember(stranger));
    }

    function test_committees_that_could_not_speak_or_be_listed_are_refused() external {
        badCommittee(new address[](0), 0);
        badCommittee(committee(3), 0);
        badCommittee(committee(3), 4);
        badCommittee(committee(33), 2);
        vm.assertEq(new Resolver(committee(32), 32).threshold(), 32);
    }

    function badCommittee(address[] memory members, uint256 threshold) private {
        vm.expectRevert(Resolver.BadCommittee.selector);
        new Resolver(members, threshold);
    }

    function test_members_stand_in_order_and_once() external {
        address[] memory members = committee(2);
        (members[0], members[1]) = (members[1], members[0]);
        vm.expectRevert(Resolver.NotAscending.selector);
        new Resolver(members, 1);
        members[1] = members[0];
        vm.expectRevert(Resolver.NotAscending.selector);
        new Resolver(members, 1);
        members[0] = address(0);
        vm.expectRevert(Resolver.NotAscending.selector);
        new Resolver(members, 1);
    }

    // -- verdicts -----------------------------------------------------------------------------------------------------

    function test_enough_members_decide_each_outcome_whoever_brings_their_word() external {
        for (uint256 i = 0; i < 3; i++) {
            Task memory task = aTask();
            task.salt = bytes32(i);
            bytes32 id = bring(task, Status.Challenged);
            Resolver.Verdict memory verdict = verdictOf(Outcome(i));
            (address[] memory signers, bytes[] memory signatures) = signedBy(2 + i % 2, id, verdict); // or all three
            vm.expectEmit(address(resolver));
            emit Resolver.Resolved(address(market), id, Outcome(i));
            vm.prank(stranger);
            resolver.resolve(task, verdict, signers, signatures);
            assertStatus(id, Status(uint256(Status.Valid) + i));
        }
    }

    /// Any subset that is large enough decides, and none that is not.
    function testFuzz_a_subset_of_the_members_decides_exactly_when_it_is_large_enough(
        uint8 size,
        uint8 threshold,
        uint32 chosen
    ) external {
        size = uint8(bound(size, 1, 12));
        threshold = uint8(bound(threshold, 1, size));
        resolver = new Resolver(committee(size), threshold);
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        Resolver.Verdict memory verdict = verdictOf(Outcome.Invalid);
        (address[] memory all, bytes[] memory allSignatures) = signedBy(size, id, verdict);
        uint256 num = 0;
        for (uint256 i = 0; i < size; i++) {
            if (chosen >> i & 1 == 1) num++;
        }
        address[] memory signers = new address[](num);
        bytes[] memory signatures = new bytes[](num);
        for ((uint256 i, uint256 j) = (0, 0); i < size; i++) {
            if (chosen >> i & 1 == 0) continue;
            (signers[j], signatures[j]) = (all[i], allSignatures[i]);
            j++;
        }
        if (num < threshold) {
            vm.expectRevert(abi.encodeWithSelector(Resolver.TooFewSignatures.selector, num, threshold));
        }
        resolver.resolve(task, verdict, signers, signatures);
        assertStatus(id, num < threshold ? Status.Challenged : Status.Invalid);
    }

    function test_each_signer_brings_one_signature() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        bytes[] memory more = new bytes[](3);
        vm.expectRevert(abi.encodeWithSelector(Resolver.SignaturesUnpaired.selector, 2, 3));
        resolver.resolve(task, verdict, signers, more);
        address[] memory fewer = new address[](1);
        vm.expectRevert(abi.encodeWithSelector(Resolver.SignaturesUnpaired.selector, 1, 2));
        resolver.resolve(task, verdict, fewer, signatures);
    }

    function test_who_is_no_member_has_no_voice() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        signers[1] = address(type(uint160).max);
        refused(Resolver.NotMember.selector, signers[1]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_a_signature_of_somebody_else_or_of_nothing_is_refused() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        bytes memory good = signatures[1];
        signatures[1] = signatures[0];
        refused(Resolver.BadSignature.selector, signers[1]);
        resolver.resolve(task, verdict, signers, signatures);
        signatures[1] = "";
        refused(Resolver.BadSignature.selector, signers[1]);
        resolver.resolve(task, verdict, signers, signatures);
        good[10] ^= 0x01;
        signatures[1] = good;
        refused(Resolver.BadSignature.selector, signers[1]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_attack_one_member_does_not_count_twice() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        (signers[1], signatures[1]) = (signers[0], signatures[0]);
        vm.expectRevert(Resolver.NotAscending.selector);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_signers_come_in_order() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        (signers[0], signers[1]) = (signers[1], signers[0]);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        vm.expectRevert(Resolver.NotAscending.selector);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_a_member_that_is_a_contract_signs_by_its_own_rules() external {
        Puppet member = new Puppet();
        address[] memory members = new address[](1);
        members[0] = address(member);
        resolver = new Resolver(members, 1);
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        Resolver.Verdict memory verdict = verdictOf(Outcome.Invalid);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = "its word";
        refused(Resolver.BadSignature.selector, address(member));
        resolver.resolve(task, verdict, members, signatures);
        member.standBy(resolver.digestOf(id, verdict), "its word");
        resolver.resolve(task, verdict, members, signatures);
        assertStatus(id, Status.Invalid);
    }

    // -- replays ------------------------------------------------------------------------------------------------------

    /// The very same result of another task: another judgement.
    function test_attack_a_verdict_is_not_replayed_on_another_task() external {
        (, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) = challenged();
        Task memory other = aTask();
        other.salt = "another";
        bring(other, Status.Challenged);
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(other, verdict, signers, signatures);
    }

    function test_attack_a_verdict_is_not_replayed_in_another_market() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        market = new TaskMarket(currency);
        client = richAccount("client");
        provider = richAccount("provider");
        challenger = richAccount("challenger");
        bring(task, Status.Challenged);
        verdict.market = market;
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    /// A market of the thief's own that names the id of another market's task gets no other market judged.
    function test_attack_a_market_that_lies_about_ids_moves_no_other_market() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        bytes32 id = market.taskId(task);
        verdict.market = ITaskMarket(address(new LyingMarket(id)));
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
        assertStatus(id, Status.Challenged);
    }

    function test_attack_a_verdict_is_not_replayed_on_another_chain() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        vm.chainId(8453);
        bring(task, Status.Challenged);
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_attack_a_verdict_is_not_replayed_at_another_committee_of_the_same_members() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        resolver = new Resolver(committee(3), 1);
        task.resolver = address(resolver);
        bring(task, Status.Challenged);
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_attack_a_verdict_is_not_turned_to_another_result_transcript_or_outcome() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        verdict.outcome = Outcome.Inconclusive;
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
        verdict = verdictOf(Outcome.Invalid);
        verdict.resultHash = keccak256("another");
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
        verdict = verdictOf(Outcome.Invalid);
        verdict.transcriptHash = keccak256("another");
        refused(Resolver.BadSignature.selector, signers[0]);
        resolver.resolve(task, verdict, signers, signatures);
    }

    /// Signed of a result that is not there: the market says so.
    function test_a_verdict_of_a_result_that_was_not_submitted_is_refused_by_the_market() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        Resolver.Verdict memory verdict = verdictOf(Outcome.Invalid);
        verdict.resultHash = keccak256("another");
        (address[] memory signers, bytes[] memory signatures) = signedBy(2, id, verdict);
        vm.expectRevert(ITaskMarket.ResultWrong.selector);
        resolver.resolve(task, verdict, signers, signatures);
    }

    function test_a_verdict_decides_once() external {
        (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures) =
            challenged();
        resolver.resolve(task, verdict, signers, signatures);
        refused(ITaskMarket.WrongStatus.selector, uint256(Status.Invalid));
        resolver.resolve(task, verdict, signers, signatures);
    }

    /// A challenged task and a good verdict on it.
    function challenged()
        private
        returns (Task memory task, Resolver.Verdict memory verdict, address[] memory signers, bytes[] memory signatures)
    {
        task = aTask();
        bytes32 id = bring(task, Status.Challenged);
        verdict = verdictOf(Outcome.Invalid);
        (signers, signatures) = signedBy(2, id, verdict);
    }
}

/// Says of every task that it is the one it wants judged.
contract LyingMarket {
    bytes32 private immutable _id;

    constructor(bytes32 id) {
        _id = id;
    }

    function taskId(Task calldata) external view returns (bytes32) {
        return _id;
    }

    function resolve(Task calldata, bytes32, bytes32, Outcome) external pure {}
}
