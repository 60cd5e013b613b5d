// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Content} from "../Content.sol";

/// What a client asks for and on which terms. The task's id is a hash over all of it, so whoever names an id has agreed
/// to these terms, also after a reorganisation. Times are Unix seconds or seconds, money is base units of the currency.
struct Task {
    address client; // pays the fee; is refunded
    address provider; // who alone may accept; 0: anyone
    bytes32 modelId; // of ModelRegistry
    bytes32 specHash; // keccak256 of the specification's bytes
    string specURI; // where they are; empty: they are in the call that creates the task
    uint128 fee; // for a result that stands
    uint128 bond; // the provider's, and a challenger's; at least the fee
    uint64 acceptBy;
    uint32 submitWithin; // seconds from acceptance
    uint32 challengeWindow; // seconds from submission
    uint32 resolveWithin; // seconds from the challenge
    address resolver; // judges a challenge
    address callback; // is told the end; 0: nobody
    uint32 callbackGas; // that the callback gets, exactly
    bytes32 salt; // makes two equal tasks two
}

enum Status {
    None,
    Funded, // the fee is here
    Accepted, // the provider's bond is here
    Submitted, // a result is claimed, and the challenge window is open
    Challenged, // a challenger's bond is here too
    // What follows is final.
    Cancelled, // by the client before anyone accepted, or by the clock when nobody did
    Expired, // accepted and not delivered
    Valid,
    Invalid,
    Inconclusive // the resolver could not say, or was silent
}

/// A resolver's judgement of a whole result.
enum Outcome {
    Valid,
    Invalid,
    Inconclusive
}

interface ITaskMarket {
    /// Whole, so that a reader of events knows the task without another call.
    event TaskCreated(bytes32 indexed id, address indexed client, address indexed provider, Task task, bytes spec);
    event TaskAccepted(bytes32 indexed id, address indexed provider, uint64 submitBy);
    event TaskSubmitted(
        bytes32 indexed id, address indexed provider, uint64 challengeBy, Content result, Content transcript
    );
    event TaskChallenged(bytes32 indexed id, address indexed challenger, uint64 resolveBy);
    /// The one event of every end. What each gets is credited, and `burned` left for nobody.
    event TaskClosed(
        bytes32 indexed id, Status status, uint256 toClient, uint256 toProvider, uint256 toChallenger, uint256 burned
    );
    event CallbackCalled(bytes32 indexed id, bool isDone);
    event Withdrawn(address indexed account, uint256 amount);

    error WrongStatus(Status status);
    /// The clock of this step has not run out yet, or has.
    error TooEarly(uint64 until);
    error TooLate(uint64 until);
    error BadTerms(string reason);
    error NotClient(address caller);
    error NotProvider(address caller);
    error NotResolver(address caller);
    /// The result that is challenged, judged or told is not the one that was submitted.
    error ResultWrong();
    /// The currency delivered another amount than asked for (it takes a fee, or rebases).
    error CurrencyUnsound(uint256 asked, uint256 received);
    error CallbackGasTooLow(uint256 needed);
    error CallbackAlreadyDone();
    error NothingOwed(address account);

    function createTask(Task calldata task, bytes calldata spec) external returns (bytes32 id);
    function createTaskWithAuthorization(
        Task calldata task,
        bytes calldata spec,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (bytes32 id);
    function cancel(Task calldata task) external;
    function accept(Task calldata task) external;
    function submit(Task calldata task, Content calldata result, Content calldata transcript) external;
    function challenge(Task calldata task, bytes32 resultHash, bytes32 transcriptHash) external;
    function resolve(Task calldata task, bytes32 resultHash, bytes32 transcriptHash, Outcome outcome) external;
    function close(Task calldata task) external;
    function callBack(Task calldata task, bytes calldata result, bytes32 transcriptHash) external;
    function withdraw(address account) external;
    function taskId(Task calldata task) external view returns (bytes32);
    function owed(address account) external view returns (uint256);
}

/// What a contract that asks for a task may implement to be told its end.
interface ITaskCallback {
    /// `result` is empty unless `status` is Valid or Inconclusive. Called by the market only; anyone may trigger it.
    function onTaskClosed(bytes32 id, Status status, bytes calldata result) external;
}

/// The part of EIP-3009 that the market needs, with a signature of bytes so that contracts can sign (ERC-1271).
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
