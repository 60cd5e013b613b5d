// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ITaskCallback, ITaskMarket, Status, Task} from "../contracts/src/interfaces/ITaskMarket.sol";

/// A contract that asks a model and hears the answer. It pays with money that it holds.
contract Asker is ITaskCallback {
    using SafeERC20 for IERC20;

    event Answered(bytes32 indexed id, string answer);
    event Unanswered(bytes32 indexed id, Status status);

    error NotOwner(address caller);
    error NotTheMarket(address caller);
    error NotAsked(bytes32 id);

    ITaskMarket public immutable market;
    IERC20 public immutable currency;
    address public immutable owner;
    mapping(bytes32 id => bool) public isAsked;
    mapping(bytes32 id => string) public answerOf;

    constructor(ITaskMarket market_, IERC20 currency_) {
        market = market_;
        currency = currency_;
        owner = msg.sender;
    }

    /// Ask. `spec` is on-chain and public for ever: no secrets in it.
    function ask(bytes32 modelId, bytes calldata spec, uint128 fee, address resolver) external returns (bytes32 id) {
        require(msg.sender == owner, NotOwner(msg.sender));
        Task memory task = Task({
            client: address(this),
            provider: address(0), // whoever accepts first
            modelId: modelId,
            specHash: keccak256(spec),
            specURI: "",
            fee: fee,
            bond: 2 * fee,
            acceptBy: uint64(block.timestamp + 10 minutes),
            submitWithin: 10 minutes,
            challengeWindow: 1 hours,
            resolveWithin: 1 days,
            resolver: resolver,
            callback: address(this),
            callbackGas: 500_000,
            salt: blockhash(block.number - 1) // so that the same question can be asked again
        });
        currency.forceApprove(address(market), fee); // exactly this fee
        id = market.createTask(task, spec);
        isAsked[id] = true;
    }

    /// The market tells the end, which anyone can make it do (`callBack`). Only a result that stands is an answer.
    function onTaskClosed(bytes32 id, Status status, bytes calldata result) external {
        require(msg.sender == address(market), NotTheMarket(msg.sender));
        require(isAsked[id], NotAsked(id));
        if (status != Status.Valid) {
            emit Unanswered(id, status); // what the task gave back is owed to this contract
            return;
        }
        answerOf[id] = string(result);
        emit Answered(id, answerOf[id]);
    }

    /// Fetch what ended tasks gave back, and hand all to the owner.
    function sweep() external {
        if (market.owed(address(this)) != 0) market.withdraw(address(this));
        currency.safeTransfer(owner, currency.balanceOf(address(this)));
    }
}
