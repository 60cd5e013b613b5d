// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestCurrency} from "../TestCurrency.sol";

/// Calls whoever pays or is paid, when it is a contract that asked for it (as ERC-777 does), before the money moves.
contract HookCurrency is TestCurrency {
    mapping(address account => bool) public isHooked;

    function hook(address account) external {
        isHooked[account] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        _tell(from);
        _tell(to);
        super._update(from, to, amount);
    }

    function _tell(address account) private {
        if (!isHooked[account]) return;
        (bool isDone,) = account.call(abi.encodeWithSignature("tokensMove()"));
        require(isDone, "hook failed");
    }
}

/// Keeps a hundredth of each transfer, from when it is told to.
contract FeeCurrency is TestCurrency {
    bool public isTaking;

    function take() external {
        isTaking = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 kept = isTaking && from != address(0) && to != address(0) ? amount / 100 : 0;
        super._update(from, to, amount - kept);
        if (kept != 0) super._update(from, address(0), kept);
    }
}

/// Its issuer changes balances at will (a rebase of one account, as seen from there).
contract RebasingCurrency is TestCurrency {
    function rebase(address account, uint256 balance) external {
        uint256 before = balanceOf(account);
        if (balance < before) _burn(account, before - balance);
        else _mint(account, balance - before);
    }
}

/// Its issuer refuses accounts.
contract BlockingCurrency is TestCurrency {
    error Refused(address account);

    mapping(address account => bool) public isRefused;

    function refuse(address account) external {
        isRefused[account] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isRefused[to], Refused(to));
        super._update(from, to, amount);
    }
}

/// Knows no authorisations but answers every unknown call as if all were well (as wrapped ether does).
contract SilentCurrency {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    fallback() external {}
}
