// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Content, Contents} from "./Content.sol";
import {
    IReceiveWithAuthorization,
    ITaskCallback,
    ITaskMarket,
    Outcome,
    Status,
    Task
} from "./interfaces/ITaskMarket.sol";

/// Inference tasks against escrow. Fee and bonds are held here, nobody owns or pauses this contract, and every state has
/// an exit that anyone can take after a clock. A task's terms are passed with each call and proved by its id.
// forge-lint: disable-next-item(block-timestamp): clocks run for minutes, a proposer shifts them by seconds
contract TaskMarket is ITaskMarket, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 public constant MAX_WINDOW_S = 30 days;
    uint256 public constant BOUNTY_PARTS = 5; // a challenger who is right gets one such part of the provider's bond
    address public constant BURN = 0x000000000000000000000000000000000000dEaD;

    struct State {
        Status status;
        uint64 until; // the second at which the clock of this status runs out
        address provider;
    }

    IERC20 public immutable currency;

    mapping(bytes32 id => State) public stateOf;
    /// keccak256(result hash, transcript hash) of what was submitted.
    mapping(bytes32 id => bytes32) public submissionOf;
    mapping(bytes32 id => address) public challengerOf;
    mapping(bytes32 id => bool) public isCalledBack;
    /// What an account can withdraw.
    mapping(address account => uint256) public owed;

    constructor(IERC20 currency_) {
        currency = currency_;
    }

    // -- the client ---------------------------------------------------------------------------------------------------

    function createTask(Task calldata task, bytes calldata spec) external nonReentrant returns (bytes32 id) {
        require(msg.sender == task.client, NotClient(msg.sender));
        id = _open(task, spec);
        _pull(task.client, task.fee);
    }

    /// Gasless for the client: it signs one EIP-3009 authorisation, whose nonce is the task's id, and anyone sends it.
    function createTaskWithAuthorization(
        Task calldata task,
        bytes calldata spec,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 id) {
        id = _open(task, spec);
        uint256 before = currency.balanceOf(address(this));
        IReceiveWithAuthorization(address(currency))
            .receiveWithAuthorization(task.client, address(this), task.fee, validAfter, validBefore, id, signature);
        _checkReceived(before, task.fee);
    }

    /// Before anyone accepted.
    function cancel(Task calldata task) external {
        require(msg.sender == task.client, NotClient(msg.sender));
        (bytes32 id,) = _in(task, Status.Funded);
        _end(id, task, Status.Cancelled, Shares({client: task.fee, provider: 0, challenger: 0, burned: 0}));
    }

    // -- the provider -------------------------------------------------------------------------------------------------

    function accept(Task calldata task) external nonReentrant {
        (bytes32 id, State storage state) = _in(task, Status.Funded);
        require(task.provider == address(0) || task.provider == msg.sender, NotProvider(msg.sender));
        require(block.timestamp <= task.acceptBy, TooLate(task.acceptBy));
        uint64 submitBy = _advance(state, Status.Accepted, task.submitWithin);
        state.provider = msg.sender;
        emit TaskAccepted(id, msg.sender, submitBy);
        _pull(msg.sender, task.bond);
    }

    function submit(Task calldata task, Content calldata result, Content calldata transcript) external {
        (bytes32 id, State storage state) = _in(task, Status.Accepted);
        require(msg.sender == state.provider, NotProvider(msg.sender));
        require(block.timestamp <= state.until, TooLate(state.until));
        Contents.check(result.hash, result.data, result.uri);
        Contents.check(transcript.hash, transcript.data, transcript.uri);
        uint64 challengeBy = _advance(state, Status.Submitted, task.challengeWindow);
        submissionOf[id] = _submission(result.hash, transcript.hash);
        emit TaskSubmitted(id, msg.sender, challengeBy, result, transcript);
    }

    // -- challenge and judgement --------------------------------------------------------------------------------------

    /// By anyone who puts up a bond as large as the provider's. Names what it challenges: after a reorganisation another
    /// result could be there, and a provider who swapped a bad one for a good one would win the challenger's bond.
    function challenge(Task calldata task, bytes32 resultHash, bytes32 transcriptHash) external nonReentrant {
        (bytes32 id, State storage state) = _in(task, Status.Submitted);
        require(block.timestamp <= state.until, TooLate(state.until));
        require(submissionOf[id] == _submission(resultHash, transcriptHash), ResultWrong());
        uint64 resolveBy = _advance(state, Status.Challenged, task.resolveWithin);
        challengerOf[id] = msg.sender;
        emit TaskChallenged(id, msg.sender, resolveBy);
        _pull(msg.sender, task.bond);
    }

    /// By the resolver that the terms name, of exactly the result that was submitted.
    function resolve(Task calldata task, bytes32 resultHash, bytes32 transcriptHash, Outcome outcome) external {
        require(msg.sender == task.resolver, NotResolver(msg.sender));
        (bytes32 id, State storage state) = _in(task, Status.Challenged);
        require(block.timestamp <= state.until, TooLate(state.until));
        require(submissionOf[id] == _submission(resultHash, transcriptHash), ResultWrong());
        if (outcome == Outcome.Valid) _endValid(id, task);
        else if (outcome == Outcome.Invalid) _endInvalid(id, task);
        else _endInconclusive(id, task);
    }

    // -- what anyone may do -------------------------------------------------------------------------------------------

    /// After a clock ran out: the end that its status has.
    function close(Task calldata task) external {
        bytes32 id = taskId(task);
        State storage state = stateOf[id];
        Status status = state.status;
        require(Status.Funded <= status && status <= Status.Challenged, WrongStatus(status));
        require(block.timestamp > state.until, TooEarly(state.until));
        if (status == Status.Funded) {
            _end(id, task, Status.Cancelled, Shares({client: task.fee, provider: 0, challenger: 0, burned: 0}));
        } else if (status == Status.Accepted) {
            uint256 both = uint256(task.fee) + task.bond;
            _end(id, task, Status.Expired, Shares({client: both, provider: 0, challenger: 0, burned: 0}));
        } else if (status == Status.Submitted) {
            _endValid(id, task);
        } else {
            _endInconclusive(id, task);
        }
    }

    /// Tell the callback of a closed task, with the result's bytes where one was submitted and not found invalid. What
    /// the callback does cannot undo the end; when it fails anyone may try again. Not guarded against reentrance, so that
    /// a callback can ask for its next task or withdraw: all state is written before it is called, and a failed call has
    /// undone all that it did.
    function callBack(Task calldata task, bytes calldata result, bytes32 transcriptHash) external {
        bytes32 id = taskId(task);
        Status status = stateOf[id].status;
        require(status >= Status.Cancelled && task.callback != address(0), WrongStatus(status));
        require(!isCalledBack[id], CallbackAlreadyDone());
        bool hasResult = status == Status.Valid || status == Status.Inconclusive;
        require(
            hasResult ? submissionOf[id] == _submission(keccak256(result), transcriptHash) : result.length == 0,
            ResultWrong()
        );
        isCalledBack[id] = true;
        bytes memory message = abi.encodeCall(ITaskCallback.onTaskClosed, (id, status, result));
        uint256 callbackGas = task.callbackGas;
        address callback = task.callback;
        // EIP-150: a call gets at most 63/64 of what is left. Less than promised would let anyone make it fail.
        require(gasleft() * 63 / 64 > callbackGas + 5_000, CallbackGasTooLow(callbackGas));
        bool isDone;
        assembly ("memory-safe") {
            // No return data is copied: the callback cannot make its caller pay for it.
            isDone := call(callbackGas, callback, 0, add(message, 0x20), mload(message), 0, 0)
        }
        if (!isDone) isCalledBack[id] = false;
        emit CallbackCalled(id, isDone);
    }

    /// Pay out what `account` is owed, to `account`.
    function withdraw(address account) external nonReentrant {
        uint256 amount = owed[account];
        require(amount != 0, NothingOwed(account));
        owed[account] = 0;
        emit Withdrawn(account, amount);
        currency.safeTransfer(account, amount);
    }

    function taskId(Task calldata task) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), task));
    }

    // -- inside -------------------------------------------------------------------------------------------------------

    struct Shares {
        uint256 client;
        uint256 provider;
        uint256 challenger;
        uint256 burned;
    }

    function _open(Task calldata task, bytes calldata spec) private returns (bytes32 id) {
        _checkTerms(task);
        Contents.check(task.specHash, spec, task.specURI);
        id = taskId(task);
        State storage state = stateOf[id];
        require(state.status == Status.None, WrongStatus(state.status));
        state.status = Status.Funded;
        state.until = task.acceptBy;
        emit TaskCreated(id, task.client, task.provider, task, spec);
    }

    function _checkTerms(Task calldata task) private view {
        require(task.client != address(0), BadTerms("no client"));
        require(task.fee != 0, BadTerms("no fee"));
        // Half the fee of each bond is lost without a verdict, which must never be less than a party gains by that.
        require(task.bond >= task.fee, BadTerms("bond below fee"));
        require(task.resolver.code.length != 0, BadTerms("resolver is no contract"));
        // A call to an account without code succeeds, and would count as told.
        require(task.callback == address(0) || task.callback.code.length != 0, BadTerms("callback is no contract"));
        require(block.timestamp < task.acceptBy, BadTerms("acceptBy has passed"));
        require(task.acceptBy - block.timestamp <= MAX_WINDOW_S, BadTerms("acceptBy too far"));
        require(_isWindow(task.submitWithin), BadTerms("submitWithin"));
        require(_isWindow(task.challengeWindow), BadTerms("challengeWindow"));
        require(_isWindow(task.resolveWithin), BadTerms("resolveWithin"));
    }

    function _isWindow(uint256 seconds_) private pure returns (bool) {
        return 0 < seconds_ && seconds_ <= MAX_WINDOW_S;
    }

    function _in(Task calldata task, Status status) private view returns (bytes32 id, State storage state) {
        id = taskId(task);
        state = stateOf[id];
        require(state.status == status, WrongStatus(state.status));
    }

    function _advance(State storage state, Status status, uint32 window) private returns (uint64 until) {
        until = uint64(block.timestamp) + window;
        state.status = status;
        state.until = until;
    }

    function _submission(bytes32 resultHash, bytes32 transcriptHash) private pure returns (bytes32) {
        return keccak256(abi.encode(resultHash, transcriptHash));
    }

    /// The result stands. A challenger's bond pays the provider for the trouble.
    function _endValid(bytes32 id, Task calldata task) private {
        uint256 all = uint256(task.fee) + task.bond;
        if (challengerOf[id] != address(0)) all += task.bond;
        _end(id, task, Status.Valid, Shares({client: 0, provider: all, challenger: 0, burned: 0}));
    }

    /// Four fifths of the provider's bond are burned, so a provider who challenges itself still loses them.
    function _endInvalid(bytes32 id, Task calldata task) private {
        uint256 bounty = task.bond / BOUNTY_PARTS;
        _end(
            id,
            task,
            Status.Invalid,
            Shares({client: task.fee, provider: 0, challenger: task.bond + bounty, burned: task.bond - bounty})
        );
    }

    /// The fee is halved, and each bond loses as much as a party could gain by forcing this end.
    function _endInconclusive(bytes32 id, Task calldata task) private {
        uint256 toProvider = task.fee / 2;
        uint256 toClient = task.fee - toProvider; // the larger half
        uint256 kept = task.bond - toClient;
        _end(
            id,
            task,
            Status.Inconclusive,
            Shares({client: toClient, provider: toProvider + kept, challenger: kept, burned: 2 * toClient})
        );
    }

    function _end(bytes32 id, Task calldata task, Status status, Shares memory shares) private {
        State storage state = stateOf[id];
        state.status = status;
        _credit(task.client, shares.client);
        _credit(state.provider, shares.provider);
        _credit(challengerOf[id], shares.challenger);
        _credit(BURN, shares.burned);
        emit TaskClosed(id, status, shares.client, shares.provider, shares.challenger, shares.burned);
    }

    function _credit(address account, uint256 amount) private {
        if (amount != 0) owed[account] += amount;
    }

    function _pull(address from, uint256 amount) private {
        uint256 before = currency.balanceOf(address(this));
        currency.safeTransferFrom(from, address(this), amount);
        _checkReceived(before, amount);
    }

    function _checkReceived(uint256 before, uint256 amount) private view {
        uint256 received = currency.balanceOf(address(this)) - before;
        // Of this call alone: what others send before or after it does not count.
        // slither-disable-next-line incorrect-equality
        require(received == amount, CurrencyUnsound(amount, received));
    }
}
