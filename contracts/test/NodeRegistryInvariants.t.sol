// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvariantKit} from "./kit/InvariantKit.sol";
import {RegistryKit, Slasher} from "./kit/RegistryKit.sol";

/// Acts as three operators, two slashers, anybody and time, and keeps a plain account of what it did. Each action is made
/// possible first, so that none reverts.
contract RegistryHandler is RegistryKit {
    uint256 public constant NUM_OPERATORS = 3;
    uint256 private _numKeys;
    Slasher[2] private _slashers;
    uint256 private _numFaults;

    mapping(address => uint256) public allotted; // ever, to a slasher
    mapping(address => uint256) public slashed; // ever, by a slasher
    uint256 public deposited;
    uint256 public paidOut;
    address[] public usedSigners;
    uint256[] public usedSignersNode;

    constructor() {
        setUpRegistry();
        _slashers = [slasher, new Slasher(registry)];
        for (uint256 i = 0; i < NUM_OPERATORS; i++) {
            register(i);
        }
    }

    // -- actions --

    function register(uint256 who) public {
        if (registry.numNodes() >= 6) return; // few nodes, much done to each
        (string memory name, address operator_, uint256 deadline) = _next(who % NUM_OPERATORS);
        bytes memory proof = proofOf(name, operator_, deadline);
        vm.prank(operator_);
        _remember(name, registry.register(account(name), deadline, proof));
    }

    function changeSigner(uint256 seed) external {
        uint256 nodeId = _node(seed);
        address operator_ = registry.operatorOf(nodeId);
        string memory name = _newName();
        uint256 deadline = vm.getBlockTimestamp();
        bytes memory proof = proofOf(name, operator_, deadline);
        vm.prank(operator_);
        registry.changeSigner(nodeId, account(name), deadline, proof);
        _remember(name, nodeId);
    }

    function deposit(uint256 seed, uint256 amount) external {
        amount = bound(amount, 1, 1e12);
        depositFor(_node(seed), amount);
        deposited += amount;
    }

    function allot(uint256 seed, uint256 amount) external {
        uint256 nodeId = _node(seed);
        (uint256 free,) = stakeOf(nodeId, address(0));
        if (free == 0) return;
        amount = bound(amount, 1, free);
        address to = address(_slashers[seed % 2]);
        vm.prank(registry.operatorOf(nodeId));
        registry.allot(nodeId, to, amount);
        allotted[to] += amount;
    }

    function unbond(uint256 seed, uint256 amount) external {
        (uint256 nodeId, address from) = (_node(seed), _slasherOrNobody(seed));
        (uint256 bonded,) = stakeOf(nodeId, from);
        if (bonded == 0) return;
        vm.prank(registry.operatorOf(nodeId));
        registry.unbond(nodeId, from, bound(amount, 1, bonded));
    }

    function release(uint256 seed) external {
        (uint256 nodeId, address from) = (_node(seed), _slasherOrNobody(seed));
        (, uint128 unbonding, uint64 unbondsAt) = registry.stakes(nodeId, from);
        if (unbonding == 0) return;
        if (vm.getBlockTimestamp() < unbondsAt) vm.warp(unbondsAt);
        registry.release(nodeId, from);
    }

    function withdraw(uint256 seed) external {
        address account_ = accounts()[seed % accounts().length];
        uint256 amount = registry.owed(account_);
        if (amount == 0) return;
        uint256 before = currency.balanceOf(account_);
        registry.withdraw(account_);
        vm.assertEq(currency.balanceOf(account_) - before, amount);
        paidOut += amount;
    }

    function slash(uint256 seed, uint256 amount) external {
        (uint256 nodeId, Slasher by) = (_node(seed), _slashers[seed % 2]);
        (uint256 bonded, uint256 unbonding) = stakeOf(nodeId, address(by));
        if (bonded + unbonding == 0) return;
        uint256 taken = by.slash(nodeId, bytes32(++_numFaults), bound(amount, 1, 1e13), outsider);
        slashed[address(by)] += taken;
    }

    function unjail(uint256 seed) external {
        uint256 nodeId = _node(seed);
        uint64 until = registry.jailedUntil(nodeId);
        if (until == 0) return;
        if (vm.getBlockTimestamp() < until) vm.warp(until);
        vm.prank(registry.operatorOf(nodeId));
        registry.unjail(nodeId);
    }

    function wait(uint256 seconds_) external {
        skip(bound(seconds_, 1, 3 days));
    }

    // -- what there is --

    function balance() external view returns (uint256) {
        return currency.balanceOf(address(registry));
    }

    function numNodes() external view returns (uint256) {
        return registry.numNodes();
    }

    function slashers() external view returns (address[2] memory) {
        return [address(_slashers[0]), address(_slashers[1])];
    }

    /// Bonded and leaving, for all slashers and for none.
    function stakeOf(uint256 nodeId) external view returns (uint256 bonded, uint256 unbonding) {
        address[3] memory all = [address(0), address(_slashers[0]), address(_slashers[1])];
        for (uint256 i = 0; i < all.length; i++) {
            (uint256 b, uint256 u) = stakeOf(nodeId, all[i]);
            (bonded, unbonding) = (bonded + b, unbonding + u);
        }
    }

    function bondedOf(uint256 nodeId) external view returns (uint256) {
        return registry.bondedOf(nodeId);
    }

    function owed() external view returns (uint256 sum) {
        for (uint256 i = 0; i < accounts().length; i++) {
            sum += registry.owed(accounts()[i]);
        }
    }

    function accounts() public view returns (address[] memory all) {
        all = new address[](NUM_OPERATORS + 1);
        for (uint256 i = 0; i < NUM_OPERATORS; i++) {
            all[i] = _operator(i);
        }
        all[NUM_OPERATORS] = outsider;
    }

    function numUsedSigners() external view returns (uint256) {
        return usedSigners.length;
    }

    function nodeBlamedFor(address signer) external view returns (uint256 nodeId) {
        (nodeId,,) = registry.signers(signer);
    }

    function signerIsConsistent(uint256 nodeId) external view returns (bool) {
        return registry.nodeOf(registry.signerOf(nodeId)) == nodeId;
    }

    // -- inside --

    function _operator(uint256 i) private pure returns (address) {
        return vm.addr(keyOf(string.concat("operator ", vm.toString(i))));
    }

    function _newName() private returns (string memory) {
        return string.concat("key ", vm.toString(_numKeys++));
    }

    function _next(uint256 who) private returns (string memory name, address operator_, uint256 deadline) {
        return (_newName(), _operator(who), vm.getBlockTimestamp());
    }

    function _remember(string memory name, uint256 nodeId) private {
        usedSigners.push(vm.addr(keyOf(name)));
        usedSignersNode.push(nodeId);
    }

    function _node(uint256 seed) private view returns (uint256) {
        return 1 + (seed >> 8) % registry.numNodes();
    }

    function _slasherOrNobody(uint256 seed) private view returns (address) {
        return seed % 3 == 2 ? address(0) : address(_slashers[seed % 3]);
    }
}

/// Whatever happens, in whatever order.
contract NodeRegistryInvariants is InvariantKit {
    RegistryHandler private _handler;

    function setUp() external {
        _handler = new RegistryHandler();
        bytes4[] memory actions = new bytes4[](10);
        actions[0] = RegistryHandler.register.selector;
        actions[1] = RegistryHandler.changeSigner.selector;
        actions[2] = RegistryHandler.deposit.selector;
        actions[3] = RegistryHandler.allot.selector;
        actions[4] = RegistryHandler.unbond.selector;
        actions[5] = RegistryHandler.release.selector;
        actions[6] = RegistryHandler.withdraw.selector;
        actions[7] = RegistryHandler.slash.selector;
        actions[8] = RegistryHandler.unjail.selector;
        actions[9] = RegistryHandler.wait.selector;
        target(address(_handler), actions);
    }

    function invariant_everyUnitIsStakedOrOwedOrPaid() external view {
        uint256 staked;
        for (uint256 nodeId = 1; nodeId <= _handler.numNodes(); nodeId++) {
            (uint256 bonded, uint256 unbonding) = _handler.stakeOf(nodeId);
            staked += bonded + unbonding;
        }
        vm.assertEq(_handler.balance(), staked + _handler.owed());
        vm.assertEq(_handler.deposited(), _handler.balance() + _handler.paidOut());
    }

    function invariant_bondedIsTheSumOverAllSlashers() external view {
        for (uint256 nodeId = 1; nodeId <= _handler.numNodes(); nodeId++) {
            (uint256 bonded,) = _handler.stakeOf(nodeId);
            vm.assertEq(_handler.bondedOf(nodeId), bonded);
        }
    }

    function invariant_nobodyIsSlashedForMoreThanWasAllotted() external view {
        address[2] memory slashers = _handler.slashers();
        for (uint256 i = 0; i < slashers.length; i++) {
            vm.assertLe(_handler.slashed(slashers[i]), _handler.allotted(slashers[i]));
        }
    }

    function invariant_signersAreNeverForgotten() external view {
        for (uint256 i = 0; i < _handler.numUsedSigners(); i++) {
            vm.assertEq(_handler.nodeBlamedFor(_handler.usedSigners(i)), _handler.usedSignersNode(i));
        }
        for (uint256 nodeId = 1; nodeId <= _handler.numNodes(); nodeId++) {
            vm.assertTrue(_handler.signerIsConsistent(nodeId));
        }
    }
}
