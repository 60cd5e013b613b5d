// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

abstract contract MintableCurrency is ERC20 {
    constructor() ERC20("bad", "BAD") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// Burns one unit of every transfer, like a fee.
contract FeeCurrency is MintableCurrency {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) _burn(to, 1);
    }
}

/// Makes one call in the middle of a transfer and keeps how it ended.
contract ReentrantCurrency is MintableCurrency {
    address private _target;
    bytes private _data;
    bool public wasCalled;
    bool public hasSucceeded;
    bytes public answer;

    function arm(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        wasCalled = true;
        (hasSucceeded, answer) = target.call(_data);
    }
}

/// Refuses transfers to and from blocked accounts, as some deployed currencies do.
contract BlockingCurrency is MintableCurrency {
    mapping(address => bool) public isBlocked;

    error Blocked();

    function setBlocked(address account, bool isBlocked_) external {
        isBlocked[account] = isBlocked_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isBlocked[from] && !isBlocked[to], Blocked());
        super._update(from, to, amount);
    }
}
