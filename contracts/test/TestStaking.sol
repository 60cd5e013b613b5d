// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// Staking with a time of unbonding, and no reward: for development chains only.
/// Unstaking again before the first time is over starts the clock anew, for all that is unbonding.
contract TestStaking {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    uint64 public immutable unbondingTime; // seconds

    mapping(address account => uint256) public stakeOf;
    mapping(address account => uint256) public unbondingOf;
    mapping(address account => uint64) public withdrawableAt; // Unix seconds

    event Staked(address indexed account, uint256 amount);
    event Unstaked(address indexed account, uint256 amount, uint64 withdrawableAt);
    event Withdrawn(address indexed account, uint256 amount);

    // As NodeRegistry's, whose lines for people are theirs too.
    error StakeTooLow(uint256 there, uint256 asked);
    error StillUnbonding(uint64 until);
    error NothingUnbonding();

    constructor(IERC20 token_, uint64 unbondingTime_) {
        token = token_;
        unbondingTime = unbondingTime_;
    }

    function stake(uint256 amount) external {
        stakeOf[msg.sender] += amount;
        emit Staked(msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function unstake(uint256 amount) external {
        uint256 there = stakeOf[msg.sender];
        require(amount <= there, StakeTooLow(there, amount));
        uint64 until = uint64(block.timestamp) + unbondingTime;
        stakeOf[msg.sender] = there - amount;
        unbondingOf[msg.sender] += amount;
        withdrawableAt[msg.sender] = until;
        emit Unstaked(msg.sender, amount, until);
    }

    function withdraw() external {
        uint256 amount = unbondingOf[msg.sender];
        require(amount > 0, NothingUnbonding());
        uint64 until = withdrawableAt[msg.sender];
        require(block.timestamp >= until, StillUnbonding(until));
        unbondingOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }
}
