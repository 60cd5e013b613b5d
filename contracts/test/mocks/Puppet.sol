// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A contract account that does what a test tells it, also when a currency or the market calls it in the middle of a step.
/// It signs (ERC-1271) what its owner's key signed.
contract Puppet {
    struct Step {
        address to;
        bytes data;
    }

    Step[] private _plan;
    bool[] public isDone; // for each planned step, once it was tried
    bytes[] public answers;
    bytes32 private _signable; // the hash of the one signature that it stands by

    function act(address to, bytes calldata data) external returns (bytes memory) {
        (bool isGood, bytes memory answer) = to.call(data);
        if (!isGood) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    /// To be done when it is called by surprise, once.
    function plan(address to, bytes calldata data) external {
        _plan.push(Step({to: to, data: data}));
    }

    function numDone() external view returns (uint256) {
        return isDone.length;
    }

    /// Called by `HookCurrency` before money moves, and by the market as a callback.
    fallback() external {
        while (isDone.length < _plan.length) {
            uint256 next = isDone.length;
            isDone.push();
            answers.push();
            (isDone[next], answers[next]) = _plan[next].to.call(_plan[next].data);
        }
    }

    function standBy(bytes32 hash, bytes calldata signature) external {
        _signable = keccak256(abi.encode(hash, signature));
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return keccak256(abi.encode(hash, signature)) == _signable ? this.isValidSignature.selector : bytes4(0);
    }
}
