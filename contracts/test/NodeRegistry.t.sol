// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {NodeRegistry} from "../src/NodeRegistry.sol";
import {RegistryKit} from "./kit/RegistryKit.sol";
import {FeeCurrency} from "./mocks/Currencies.sol";

/// Each call's success and each of its refusals.
contract NodeRegistryTest is RegistryKit {
    bytes32 private constant REF = keccak256("a fault");

    function setUp() external {
        setUpRegistry();
    }

    // -- construction --

    function test_unbondingMustOutlastClaimsAndTheirDispute() external {
        uint64 needed = CLAIM_WINDOW_S + 48 hours;
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.UnbondingTooShort.selector, needed, needed));
        new NodeRegistry(currency, needed, CLAIM_WINDOW_S);
        vm.assertEq(new NodeRegistry(currency, needed + 1, CLAIM_WINDOW_S).unbondingTime(), needed + 1);
    }

    function test_unbondingCannotBeEndless() external {
        uint64 most = 365 days;
        vm.assertEq(new NodeRegistry(currency, most, CLAIM_WINDOW_S).unbondingTime(), most);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.UnbondingTooLong.selector, most + 1, most));
        new NodeRegistry(currency, most + 1, CLAIM_WINDOW_S);
    }

    // -- identity --

    function test_registerMakesTheCallerTheOperator() external {
        address signer = account("signer");
        bytes memory proof = proofOf("signer", operator, block.timestamp);
        vm.expectEmit(address(registry));
        emit NodeRegistry.NodeRegistered(1, operator, signer);
        vm.prank(operator);
        vm.assertEq(registry.register(signer, block.timestamp, proof), 1);
        vm.assertEq(registry.numNodes(), 1);
        vm.assertEq(registry.operatorOf(1), operator);
        vm.assertEq(registry.signerOf(1), signer);
        vm.assertEq(registry.nodeOf(signer), 1);
        (uint256 nodeId, uint64 since, uint64 until) = registry.signers(signer);
        vm.assertEq(nodeId, 1);
        vm.assertEq(since, block.timestamp);
        vm.assertEq(until, 0);
    }

    function test_nodesAreNumberedFromOne() external {
        vm.assertEq(registerNode("one"), 1);
        vm.assertEq(registerNode("two"), 2);
        vm.assertEq(registry.nodeOf(account("two")), 2);
        vm.assertEq(registry.nodeOf(account("nobody")), 0);
    }

    function test_registerNeedsTheSignersProof() external {
        address signer = account("signer");
        bytes memory proof = proofOf("other", operator, block.timestamp);
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        registry.register(signer, block.timestamp, proof);
    }

    function test_registerRefusesBytesThatAreNoSignature() external {
        address signer = account("signer");
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        registry.register(signer, block.timestamp, "");
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        registry.register(address(0), block.timestamp, new bytes(65)); // ecrecover answers 0
    }

    function test_registerRefusesAnExpiredProof() external {
        address signer = account("signer");
        uint256 deadline = block.timestamp - 1;
        bytes memory proof = proofOf("signer", operator, deadline);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.ProofExpired.selector, deadline));
        vm.prank(operator);
        registry.register(signer, deadline, proof);
    }

    function test_registerRefusesATakenSigner() external {
        registerNode("signer");
        address signer = account("signer");
        bytes memory proof = proofOf("signer", operator, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.SignerTaken.selector, signer));
        vm.prank(operator);
        registry.register(signer, block.timestamp, proof);
    }

    function test_changeSignerKeepsTheHistory() external {
        uint256 nodeId = registerNode("old");
        uint256 start = vm.getBlockTimestamp();
        uint256 time = skip(1 hours);
        bytes memory proof = proofOf("new", operator, time);
        vm.expectEmit(address(registry));
        emit NodeRegistry.SignerChanged(nodeId, account("old"), account("new"));
        vm.prank(operator);
        registry.changeSigner(nodeId, account("new"), time, proof);
        vm.assertEq(registry.nodeOf(account("old")), 0);
        vm.assertEq(registry.nodeOf(account("new")), nodeId);
        vm.assertEq(registry.signerOf(nodeId), account("new"));
        (uint256 then, uint64 since, uint64 until) = registry.signers(account("old"));
        vm.assertEq(then, nodeId);
        vm.assertEq(since, start);
        vm.assertEq(until, time);
    }

    function test_changeSignerIsTheOperatorsAlone() external {
        uint256 nodeId = registerNode("old");
        bytes memory proof = proofOf("new", outsider, block.timestamp);
        address signer = account("new");
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, outsider));
        vm.prank(outsider);
        registry.changeSigner(nodeId, signer, block.timestamp, proof);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NoSuchNode.selector, 2));
        vm.prank(operator);
        registry.changeSigner(2, signer, block.timestamp, proof);
    }

    // -- stake --

    function test_anyoneDepositsForANode() external {
        uint256 nodeId = registerNode("signer");
        fund(currency, outsider, 70);
        vm.expectEmit(address(registry));
        emit NodeRegistry.StakeDeposited(nodeId, 70);
        vm.prank(outsider);
        registry.deposit(nodeId, 70);
        (uint256 bonded,) = stakeOf(nodeId, registry.NOBODY());
        vm.assertEq(bonded, 70);
        vm.assertEq(registry.bondedOf(nodeId), 70);
        vm.assertEq(currency.balanceOf(address(registry)), 70);
    }

    function test_depositRefusals() external {
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NoSuchNode.selector, 1));
        registry.deposit(1, 70);
        uint256 nodeId = registerNode("signer");
        vm.expectRevert(NodeRegistry.ZeroAmount.selector);
        registry.deposit(nodeId, 0);
    }

    function test_depositIsNotCutTo128Bits() external {
        uint256 nodeId = registerNode("signer");
        uint256 amount = (1 << 128) + 5;
        fund(currency, address(this), amount);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, amount));
        registry.deposit(nodeId, amount);
    }

    function test_depositRefusesACurrencyThatTakesAFee() external {
        FeeCurrency unsound = new FeeCurrency();
        unsound.take();
        registry = new NodeRegistry(unsound, UNBONDING_TIME_S, CLAIM_WINDOW_S);
        uint256 nodeId = registerNode("signer");
        unsound.mint(address(this), 100);
        unsound.approve(address(registry), 100);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.CurrencyUnsound.selector, 100, 99));
        registry.deposit(nodeId, 100);
    }

    function test_allotMovesFreeStakeToASlasher() external {
        uint256 nodeId = registerNode("signer");
        depositFor(nodeId, 100);
        vm.expectEmit(address(registry));
        emit NodeRegistry.StakeAllotted(nodeId, address(slasher), 60);
        allot(nodeId, address(slasher), 60);
        (uint256 free,) = stakeOf(nodeId, address(0));
        (uint256 allotted,) = stakeOf(nodeId, address(slasher));
        vm.assertEq(free, 40);
        vm.assertEq(allotted, 60);
        vm.assertEq(registry.bondedOf(nodeId), 100);
    }

    function test_allotRefusals() external {
        uint256 nodeId = registerNode("signer");
        depositFor(nodeId, 100);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, outsider));
        vm.prank(outsider);
        registry.allot(nodeId, address(slasher), 1);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.SlasherIsNoContract.selector, outsider));
        allot(nodeId, outsider, 1);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.SlasherIsNoContract.selector, address(0)));
        allot(nodeId, address(0), 1);
        vm.expectRevert(NodeRegistry.ZeroAmount.selector);
        allot(nodeId, address(slasher), 0);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 100, 101));
        allot(nodeId, address(slasher), 101);
    }

    function test_unbondStartsTheClock() external {
        uint256 nodeId = stakedNode(100);
        uint64 end = uint64(vm.getBlockTimestamp()) + UNBONDING_TIME_S;
        vm.expectEmit(address(registry));
        emit NodeRegistry.UnbondingStarted(nodeId, address(slasher), 30, end);
        unbond(nodeId, address(slasher), 30);
        (uint128 bonded, uint128 unbonding, uint64 unbondsAt) = registry.stakes(nodeId, address(slasher));
        vm.assertEq(bonded, 70);
        vm.assertEq(unbonding, 30);
        vm.assertEq(unbondsAt, end);
        vm.assertEq(registry.bondedOf(nodeId), 70);
    }

    function test_unbondingMoreStartsTheClockOfBothAnew() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 30);
        uint256 time = skip(UNBONDING_TIME_S - 1);
        unbond(nodeId, address(slasher), 1);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StillUnbonding.selector, time + UNBONDING_TIME_S));
        registry.release(nodeId, address(slasher));
    }

    function test_unbondRefusals() external {
        uint256 nodeId = stakedNode(100);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, outsider));
        vm.prank(outsider);
        registry.unbond(nodeId, address(slasher), 1);
        vm.expectRevert(NodeRegistry.ZeroAmount.selector);
        unbond(nodeId, address(slasher), 0);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 100, 101));
        unbond(nodeId, address(slasher), 101);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        unbond(nodeId, address(0), 1);
    }

    function test_anyoneReleasesToTheOperator() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 30);
        uint256 unbondsAt = vm.getBlockTimestamp() + UNBONDING_TIME_S;
        skip(UNBONDING_TIME_S - 1);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StillUnbonding.selector, unbondsAt));
        registry.release(nodeId, address(slasher));
        skip(1);
        vm.expectEmit(address(registry));
        emit NodeRegistry.StakeWithdrawn(nodeId, address(slasher), 30);
        vm.prank(outsider);
        registry.release(nodeId, address(slasher));
        vm.assertEq(registry.owed(operator), 30);
        vm.expectRevert(NodeRegistry.NothingUnbonding.selector);
        registry.release(nodeId, address(slasher));
    }

    function test_withdrawPaysWhatIsOwedOnce() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 100);
        skip(UNBONDING_TIME_S);
        registry.release(nodeId, address(slasher));
        vm.expectEmit(address(registry));
        emit NodeRegistry.Withdrawn(operator, 100);
        vm.prank(outsider);
        registry.withdraw(operator);
        vm.assertEq(currency.balanceOf(operator), 100);
        vm.assertEq(currency.balanceOf(address(registry)), 0);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NothingOwed.selector, operator));
        registry.withdraw(operator);
    }

    // -- punishment --

    function test_slashTakesFirstWhatStays() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 40);
        vm.expectEmit(address(registry));
        emit NodeRegistry.Slashed(nodeId, address(slasher), REF, 70, outsider);
        vm.assertEq(slasher.slash(nodeId, REF, 70, outsider), 70);
        (uint256 bonded, uint256 unbonding) = stakeOf(nodeId, address(slasher));
        vm.assertEq(bonded, 0);
        vm.assertEq(unbonding, 30);
        vm.assertEq(registry.bondedOf(nodeId), 0);
        vm.assertEq(registry.owed(outsider), 70);
        vm.assertTrue(registry.isSlashed(address(slasher), REF));
        vm.assertEq(registry.jailedUntil(nodeId), vm.getBlockTimestamp() + 7 days);
    }

    function test_slashTakesNoMoreThanWasAllotted() external {
        uint256 nodeId = stakedNode(100);
        depositFor(nodeId, 50); // free
        vm.assertEq(slasher.slash(nodeId, REF, type(uint256).max, outsider), 100);
        vm.assertEq(registry.bondedOf(nodeId), 50);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        slasher.slash(nodeId, keccak256("another"), 1, outsider);
    }

    function test_slashRefusals() external {
        uint256 nodeId = stakedNode(100);
        vm.expectRevert(NodeRegistry.ZeroAmount.selector);
        slasher.slash(nodeId, REF, 0, outsider);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        vm.prank(outsider); // to whom nothing is allotted
        registry.slash(nodeId, REF, 1, outsider);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        slasher.slash(2, REF, 1, outsider);
        slasher.slash(nodeId, REF, 1, outsider);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.AlreadySlashed.selector, REF));
        slasher.slash(nodeId, REF, 1, outsider);
    }

    function test_aJailedNodeLeavesByItsOperatorAfterTheTime() external {
        uint256 nodeId = stakedNode(100);
        vm.expectRevert(NodeRegistry.NotJailed.selector);
        vm.prank(operator);
        registry.unjail(nodeId);
        slasher.slash(nodeId, REF, 1, outsider);
        uint64 until = registry.jailedUntil(nodeId);
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StillJailed.selector, until));
        vm.prank(operator);
        registry.unjail(nodeId);
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, outsider));
        vm.prank(outsider);
        registry.unjail(nodeId);
        vm.expectEmit(address(registry));
        emit NodeRegistry.Unjailed(nodeId);
        vm.prank(operator);
        registry.unjail(nodeId);
        vm.assertEq(registry.jailedUntil(nodeId), 0);
    }

    // -- for any numbers --

    function testFuzz_whatIsSlashedAndWhatIsLeftAddUp(uint128 staked, uint128 leaving, uint256 asked) external {
        staked = uint128(bound(staked, 1, type(uint128).max));
        leaving = uint128(bound(leaving, 0, staked));
        asked = bound(asked, 1, type(uint256).max);
        uint256 nodeId = stakedNode(staked);
        if (leaving != 0) unbond(nodeId, address(slasher), leaving);
        uint256 taken = slasher.slash(nodeId, REF, asked, outsider);
        (uint256 bonded, uint256 unbonding) = stakeOf(nodeId, address(slasher));
        vm.assertEq(taken + bonded + unbonding, staked);
        vm.assertEq(taken, asked < staked ? asked : staked);
        vm.assertEq(registry.bondedOf(nodeId), bonded);
        vm.assertEq(registry.owed(outsider), taken);
        vm.assertTrue(bonded == 0 || unbonding == leaving, "what leaves is touched last");
    }

    function testFuzz_noProofForOthersIsAccepted(address operator_, uint256 deadline, uint256 chain) external {
        vm.assume(operator_ != operator);
        deadline = bound(deadline, block.timestamp, type(uint256).max);
        address signer = account("signer");
        bytes memory foreign = proofOf("signer", operator_, deadline);
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        registry.register(signer, deadline, foreign);

        bytes memory proof = proofOf("signer", operator, deadline);
        uint256 here = block.chainid;
        chain = bound(chain, 1, type(uint64).max);
        vm.assume(chain != here);
        vm.chainId(chain);
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        registry.register(signer, deadline, proof);
    }
}
