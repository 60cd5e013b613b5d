// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestKit} from "./TestKit.sol";

/// For invariant tests. Forge calls random functions of the target contracts, and after each every `invariant_*`;
/// `target` is called in `setUp`. Nothing else is called: what a test sets up is left alone unless it is a target.
abstract contract InvariantKit is TestKit {
    /// The layout forge reads; its name does not matter.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private _contracts;
    FuzzSelector[] private _selectors;

    function target(address handler, bytes4[] memory selectors) internal {
        _contracts.push(handler);
        _selectors.push(FuzzSelector({addr: handler, selectors: selectors}));
    }

    function targetContracts() external view returns (address[] memory) {
        return _contracts;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return _selectors;
    }
}
