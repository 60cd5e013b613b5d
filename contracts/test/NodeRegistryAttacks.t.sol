// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeRegistry} from "../src/NodeRegistry.sol";
import {RegistryKit, Slasher} from "./kit/RegistryKit.sol";
import {BlockingCurrency} from "./mocks/Currencies.sol";
import {ReentrantCurrency} from "./mocks/ReentrantCurrency.sol";

/// What somebody would try, and why it does not pay.
contract NodeRegistryAttacksTest is RegistryKit {
    bytes32 private constant REF = keccak256("a fault");

    function setUp() external {
        setUpRegistry();
    }

    function test_unbondingBeforeTheSlashSavesNothing() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 100); // the operator saw the proof of its fault coming
        skip(UNBONDING_TIME_S); // and waited until the last second at which the slash could come
        vm.assertEq(slasher.slash(nodeId, REF, 100, outsider), 100);
        vm.expectRevert(NodeRegistry.NothingUnbonding.selector);
        registry.release(nodeId, address(slasher));
        vm.assertEq(registry.owed(operator), 0);
    }

    function test_stakeCannotFleeToAnotherSlasher() external {
        uint256 nodeId = stakedNode(100);
        address own = address(new Slasher(registry));
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        allot(nodeId, own, 1); // only free stake can be allotted
        unbond(nodeId, address(slasher), 100);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        allot(nodeId, own, 1); // what leaves is not free
    }

    function test_aSlasherOfTheOperatorsOwnTakesNothingFromAnother() external {
        uint256 nodeId = stakedNode(100);
        depositFor(nodeId, 7);
        Slasher own = new Slasher(registry);
        allot(nodeId, address(own), 7);
        vm.assertEq(own.slash(nodeId, REF, type(uint256).max, operator), 7);
        // The 7 are out without waiting, which is why only stake for a slasher that one trusts counts.
        vm.assertEq(registry.owed(operator), 7);
        (uint256 bonded,) = stakeOf(nodeId, address(slasher));
        vm.assertEq(bonded, 100);
        vm.assertEq(slasher.slash(nodeId, REF, 100, outsider), 100); // its references are its own
    }

    function test_oneReferenceSlashesOnceOfAllNodes() external {
        uint256 one = stakedNode(100);
        uint256 two = registerNode("two");
        depositFor(two, 100);
        allot(two, address(slasher), 100);
        slasher.slash(one, REF, 10, outsider);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.AlreadySlashed.selector, REF));
        slasher.slash(two, REF, 10, outsider);
    }

    function test_aStrangersSlasherCannotJail() external {
        uint256 nodeId = stakedNode(100);
        Slasher strange = new Slasher(registry);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        strange.slash(nodeId, REF, 1, outsider);
        vm.assertEq(registry.jailedUntil(nodeId), 0);
    }

    function test_aSlasherThatTookAllCannotJailForEver() external {
        uint256 nodeId = stakedNode(100);
        slasher.slash(nodeId, REF, 100, outsider);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.StakeTooLow.selector, 0, 1));
        slasher.slash(nodeId, keccak256("again"), 1, outsider);
    }

    function test_jailIsNotShortenedByTheOperatorsOwnSlasher() external {
        uint256 nodeId = stakedNode(100);
        Slasher own = new Slasher(registry);
        depositFor(nodeId, 1);
        allot(nodeId, address(own), 1);
        slasher.slash(nodeId, REF, 1, outsider);
        uint64 until = registry.jailedUntil(nodeId);
        skip(1 days);
        own.slash(nodeId, REF, 1, operator);
        vm.assertGe(registry.jailedUntil(nodeId), until);
    }

    function test_aStolenSignerCannotChangeOrLeave() external {
        uint256 nodeId = stakedNode(100);
        address thief = account("signer"); // has the node's hot key
        bytes memory proof = proofOf("thief's", thief, block.timestamp);
        address wanted = account("thief's");
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, thief));
        vm.prank(thief);
        registry.changeSigner(nodeId, wanted, block.timestamp, proof);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.NotOperator.selector, thief));
        vm.prank(thief);
        registry.unbond(nodeId, address(slasher), 1);
    }

    function test_aRotatedSignerStaysTheNodesForEver() external {
        uint256 nodeId = stakedNode(100);
        bytes memory proof = proofOf("new", operator, block.timestamp);
        vm.prank(operator);
        registry.changeSigner(nodeId, account("new"), block.timestamp, proof);
        // Neither the thief with a node of its own nor the operator can use the old key again: what it signed stays blamed.
        proof = proofOf("signer", outsider, block.timestamp);
        address old = account("signer");
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.SignerTaken.selector, old));
        vm.prank(outsider);
        registry.register(old, block.timestamp, proof);
        proof = proofOf("signer", operator, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(NodeRegistry.SignerTaken.selector, old));
        vm.prank(operator);
        registry.changeSigner(nodeId, old, block.timestamp, proof);
        (uint256 blamed,,) = registry.signers(old);
        vm.assertEq(blamed, nodeId);
    }

    function test_aSignerCannotBeSquatted() external {
        address signer = account("signer");
        bytes memory proof = proofOf("signer", operator, block.timestamp); // seen in the operator's pending transaction
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(outsider);
        registry.register(signer, block.timestamp, proof);
        vm.prank(operator);
        vm.assertEq(registry.register(signer, block.timestamp, proof), 1);
    }

    function test_aProofHoldsForOneRegistryOnly() external {
        address signer = account("signer");
        bytes memory proof = proofOf("signer", operator, block.timestamp);
        NodeRegistry other = new NodeRegistry(currency, UNBONDING_TIME_S, CLAIM_WINDOW_S);
        vm.expectRevert(NodeRegistry.BadSignerProof.selector);
        vm.prank(operator);
        other.register(signer, block.timestamp, proof);
    }

    function test_dustFromAStrangerDelaysNobody() external {
        uint256 nodeId = stakedNode(100);
        unbond(nodeId, address(slasher), 100);
        skip(UNBONDING_TIME_S);
        depositFor(nodeId, 1); // free stake: the clock of what leaves does not move
        registry.release(nodeId, address(slasher));
        vm.assertEq(registry.owed(operator), 100);
    }

    function test_aReentrantCurrencyWithdrawsOnce() external {
        ReentrantCurrency reentrant = new ReentrantCurrency();
        registry = new NodeRegistry(reentrant, UNBONDING_TIME_S, CLAIM_WINDOW_S);
        uint256 mine = registerNode("signer");
        uint256 theirs = registerNode("theirs");
        reentrant.mint(address(this), 300);
        reentrant.approve(address(registry), 300);
        registry.deposit(mine, 100);
        registry.deposit(theirs, 100);
        unbond(mine, address(0), 100);
        skip(UNBONDING_TIME_S);
        registry.release(mine, address(0));

        reentrant.arm(address(registry), abi.encodeCall(NodeRegistry.withdraw, (operator)));
        registry.withdraw(operator);
        vm.assertTrue(reentrant.wasCalled());
        vm.assertFalse(reentrant.hasSucceeded());
        vm.assertEq(reentrant.balanceOf(operator), 100);
        vm.assertEq(reentrant.balanceOf(address(registry)), 100);

        reentrant.arm(address(registry), abi.encodeCall(NodeRegistry.deposit, (mine, 1)));
        registry.deposit(mine, 50); // the deposit in the middle does not count for two
        vm.assertFalse(reentrant.hasSucceeded());
        vm.assertEq(registry.bondedOf(mine), 50);
    }

    function test_aBlockedBeneficiaryStopsNobody() external {
        BlockingCurrency blocking = new BlockingCurrency();
        registry = new NodeRegistry(blocking, UNBONDING_TIME_S, CLAIM_WINDOW_S);
        slasher = new Slasher(registry);
        uint256 nodeId = registerNode("signer");
        blocking.mint(address(this), 100);
        blocking.approve(address(registry), 100);
        registry.deposit(nodeId, 100);
        allot(nodeId, address(slasher), 100);
        unbond(nodeId, address(slasher), 50);
        blocking.refuse(outsider);
        vm.assertEq(slasher.slash(nodeId, REF, 50, outsider), 50); // credited, not sent
        vm.expectRevert(abi.encodeWithSelector(BlockingCurrency.Refused.selector, outsider));
        registry.withdraw(outsider);
        skip(UNBONDING_TIME_S);
        registry.release(nodeId, address(slasher));
        registry.withdraw(operator);
        vm.assertEq(blocking.balanceOf(operator), 50);
        vm.assertEq(registry.owed(outsider), 50); // still its own, should the currency's issuer relent
    }
}
