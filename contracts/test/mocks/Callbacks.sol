// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskCallback, Status} from "../../src/interfaces/ITaskMarket.sol";

/// Remembers what it was told, and how much gas it had.
contract ListeningCallback is ITaskCallback {
    uint256 public numCalls;
    bytes32 public id;
    Status public status;
    bytes public result;
    uint256 public gasAtStart;

    function onTaskClosed(bytes32 id_, Status status_, bytes calldata result_) external {
        gasAtStart = gasleft();
        numCalls++;
        id = id_;
        status = status_;
        result = result_;
    }
}

/// Fails until it is mended.
contract RevertingCallback is ITaskCallback {
    bool public isMended;

    function mend() external {
        isMended = true;
    }

    function onTaskClosed(bytes32, Status, bytes calldata) external view {
        require(isMended, "not now");
    }
}

/// Burns all gas it is given.
contract BurningCallback is ITaskCallback {
    function onTaskClosed(bytes32, Status, bytes calldata) external pure {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// Answers with a megabyte, or fails with one.
contract BombCallback is ITaskCallback {
    bool private immutable _isFailing;

    constructor(bool isFailing) {
        _isFailing = isFailing;
    }

    function onTaskClosed(bytes32, Status, bytes calldata) external view {
        bool isFailing = _isFailing;
        assembly {
            if isFailing { revert(0, 1048576) }
            return(0, 1048576)
        }
    }
}

/// Needs almost exactly the gas it was promised: it looks before anything else, even before it knows what was called.
contract HungryCallback {
    uint256 private immutable _needed;

    constructor(uint256 needed) {
        _needed = needed;
    }

    fallback() external {
        require(gasleft() >= _needed, "starved");
    }
}
