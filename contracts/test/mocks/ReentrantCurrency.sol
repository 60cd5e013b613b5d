// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestCurrency} from "../TestCurrency.sol";

/// Makes one call of its own in the middle of a transfer, whoever takes part, and keeps how it ended.
contract ReentrantCurrency is TestCurrency {
    address private _target;
    bytes private _data;
    bool public wasCalled;
    bool public hasSucceeded;

    function arm(address target, bytes calldata data) external {
        (_target, _data, wasCalled) = (target, data, false);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        wasCalled = true;
        (hasSucceeded,) = target.call(_data);
    }
}
