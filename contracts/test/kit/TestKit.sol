// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// What every test inherits: forge's cheatcodes, accounts, signatures, numbers within bounds.
/// Asserts are the cheatcodes themselves: `vm.assertEq(left, right)`.
abstract contract TestKit {
    /// Where forge answers, by its own convention: the lower 20 bytes of keccak256("hevm cheat code").
    address internal constant VM_ADDRESS = address(uint160(uint256(keccak256("hevm cheat code"))));
    Vm internal constant vm = Vm(VM_ADDRESS);

    /// A key of a name, never of anything real.
    function keyOf(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name))) >> 1 | 1; // above 0, below the order of the curve
    }

    /// The account of `keyOf(name)`, labelled so that traces show the name.
    function account(string memory name) internal returns (address made) {
        made = vm.addr(keyOf(name));
        vm.label(made, name);
    }

    /// A signature of 65 bytes: r, s, v.
    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// A fuzzed number brought between `low` and `high`, both included. The ends stay likely: fuzzers try 0 and the maximum.
    function bound(uint256 number, uint256 low, uint256 high) internal pure returns (uint256) {
        require(low <= high, "bound: low above high");
        if (low <= number && number <= high) return number;
        uint256 size = high - low + 1; // 0 when every number fits, and then the line above has returned
        if (number == type(uint256).max) return high;
        return low + number % size;
    }

    /// Later by `seconds_`. Returns the new time.
    function skip(uint256 seconds_) internal returns (uint256 time) {
        time = vm.getBlockTimestamp() + seconds_;
        vm.warp(time);
    }
}
