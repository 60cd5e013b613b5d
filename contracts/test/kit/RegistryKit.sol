// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {NodeRegistry} from "../../src/NodeRegistry.sol";
import {TestCurrency} from "../TestCurrency.sol";
import {TestKit} from "./TestKit.sol";

/// A contract that slashes on demand. An account with code, as `allot` wants it.
contract Slasher {
    NodeRegistry private immutable _registry;

    constructor(NodeRegistry registry) {
        _registry = registry;
    }

    function slash(uint256 nodeId, bytes32 ref, uint256 amount, address beneficiary) external returns (uint256) {
        return _registry.slash(nodeId, ref, amount, beneficiary);
    }
}

/// A registry over the test currency, and what its tests do again and again.
abstract contract RegistryKit is TestKit {
    uint64 internal constant UNBONDING_TIME_S = 9 days;
    uint64 internal constant CLAIM_WINDOW_S = 7 days - 1;

    TestCurrency internal currency;
    NodeRegistry internal registry;
    Slasher internal slasher;
    address internal operator;
    address internal outsider;

    function setUpRegistry() internal {
        vm.warp(1_800_000_000);
        currency = new TestCurrency();
        registry = new NodeRegistry(currency, UNBONDING_TIME_S, CLAIM_WINDOW_S);
        slasher = new Slasher(registry);
        operator = account("operator");
        outsider = account("outsider");
    }

    /// The consent of the key named `signer` to sign for `operator_`.
    function proofOf(string memory signer, address operator_, uint256 deadline) internal view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Moray NodeRegistry"),
                keccak256("1"),
                block.chainid,
                address(registry)
            )
        );
        bytes32 consent = keccak256(
            abi.encode(
                keccak256("Signer(address operator,address signer,uint256 deadline)"),
                operator_,
                vm.addr(keyOf(signer)),
                deadline
            )
        );
        return signed(keyOf(signer), MessageHashUtils.toTypedDataHash(domain, consent));
    }

    function registerNode(string memory signer) internal returns (uint256 nodeId) {
        bytes memory proof = proofOf(signer, operator, block.timestamp);
        vm.prank(operator);
        return registry.register(account(signer), block.timestamp, proof);
    }

    function depositFor(uint256 nodeId, uint256 amount) internal {
        fund(currency, address(this), amount);
        registry.deposit(nodeId, amount);
    }

    function fund(TestCurrency currency_, address from, uint256 amount) internal {
        currency_.mint(from, amount);
        vm.prank(from);
        IERC20(currency_).approve(address(registry), amount);
    }

    function allot(uint256 nodeId, address slasher_, uint256 amount) internal {
        vm.prank(operator);
        registry.allot(nodeId, slasher_, amount);
    }

    function unbond(uint256 nodeId, address slasher_, uint256 amount) internal {
        vm.prank(operator);
        registry.unbond(nodeId, slasher_, amount);
    }

    /// A node with `amount` allotted to the slasher.
    function stakedNode(uint256 amount) internal returns (uint256 nodeId) {
        nodeId = registerNode("signer");
        depositFor(nodeId, amount);
        allot(nodeId, address(slasher), amount);
    }

    function stakeOf(uint256 nodeId, address slasher_) internal view returns (uint256 bonded, uint256 unbonding) {
        (bonded, unbonding,) = registry.stakes(nodeId, slasher_);
    }
}
