// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Content} from "../../src/Content.sol";
import {ITaskMarket, Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {MarketKit} from "./MarketKit.sol";

/// Many clients, providers and challengers, a resolver, strangers and time, all at random. Each action tries a step that
/// may or may not be due; what the market refuses must be refused with an error of its own. It keeps its own books of
/// what each task should have paid to whom, from the terms alone.
contract MarketHandler is MarketKit {
    uint256 private constant NUM_PARTIES = 5;
    uint256 private constant MAX_TASKS = 6; // so that steps meet

    address[] public parties;
    mapping(address party => uint256) public earned; // credited by ends, as the terms say
    mapping(address party => uint256) public withdrawn;
    mapping(bytes32 id => Status) public endOf; // the first final status seen
    mapping(bytes32 id => uint256) public numTold; // calls of its callback

    Task[] private _tasks;

    constructor() {
        setUp();
        for (uint256 i = 0; i < NUM_PARTIES; i++) {
            parties.push(richAccount(string.concat("party ", vm.toString(i))));
        }
        parties.push(market.BURN());
    }

    // -- actions ------------------------------------------------------------------------------------------------------

    function create(uint256 who, uint128 fee, uint128 bond, uint256 windows) external {
        if (_tasks.length == MAX_TASKS) return;
        Task memory task = aTask();
        task.client = party(who);
        if (windows % 5 == 0) task.provider = party(windows / 5);
        if (windows % 3 == 0) task.callback = address(this);
        task.callbackGas = 50_000;
        task.fee = uint128(bound(fee, 1, 1_000e6));
        task.bond = uint128(bound(bond, task.fee, 3_000e6));
        task.submitWithin = uint32(bound(windows >> 8, 1, 2 hours));
        task.challengeWindow = uint32(bound(windows >> 40, 1, 2 hours));
        task.resolveWithin = uint32(bound(windows >> 72, 1, 2 hours));
        task.salt = bytes32(_tasks.length);
        vm.prank(task.client);
        market.createTask(task, SPEC);
        _tasks.push(task);
    }

    function cancel(uint256 which, uint256 who) external {
        Task memory task = any(which);
        step(which, who % 8 == 0 ? task.client : party(who), abi.encodeCall(market.cancel, (task)));
    }

    function accept(uint256 which, uint256 who) external {
        step(which, who, abi.encodeCall(market.accept, (any(which))));
    }

    function submit(uint256 which, uint256 who) external {
        Task memory task = any(which);
        address sender = who % 4 == 0 ? party(who) : providerOf(market.taskId(task));
        step(which, sender, abi.encodeCall(market.submit, (task, inlined(RESULT), inlined(TRANSCRIPT))));
    }

    function challenge(uint256 which, uint256 who) external {
        step(which, who, abi.encodeCall(market.challenge, (any(which), RESULT_HASH, TRANSCRIPT_HASH)));
    }

    function resolve(uint256 which, uint256 outcome) external {
        step(
            which,
            address(resolver),
            abi.encodeCall(market.resolve, (any(which), RESULT_HASH, TRANSCRIPT_HASH, Outcome(outcome % 3)))
        );
    }

    function close(uint256 which, uint256 who) external {
        step(which, who, abi.encodeCall(market.close, (any(which))));
    }

    function callBack(uint256 which, uint256 who) external {
        Task memory task = any(which);
        Status status = statusOf(market.taskId(task));
        bool hasResult = status == Status.Valid || status == Status.Inconclusive;
        step(which, who, abi.encodeCall(market.callBack, (task, hasResult ? RESULT : bytes(""), TRANSCRIPT_HASH)));
    }

    function withdraw(uint256 who) external {
        address account = parties[who % parties.length];
        uint256 before = currency.balanceOf(account);
        (bool isDone,) = address(market).call(abi.encodeCall(market.withdraw, (account)));
        if (isDone) withdrawn[account] += currency.balanceOf(account) - before;
    }

    function pass(uint256 seconds_) external {
        skip(bound(seconds_, 1, 20 minutes));
    }

    /// The market calls, of a task whose callback this is.
    function onTaskClosed(bytes32 id, Status, bytes calldata) external {
        numTold[id]++;
    }

    // -- books --------------------------------------------------------------------------------------------------------

    function step(uint256 which, uint256 who, bytes memory call) private {
        step(which, party(who), call);
    }

    function step(uint256 which, address sender, bytes memory call) private {
        if (_tasks.length == 0) return;
        bytes32 id = market.taskId(any(which));
        Status before = statusOf(id);
        vm.prank(sender);
        (bool isDone, bytes memory answer) = address(market).call(call);
        if (!isDone) require(answer.length >= 4, "refused without a reason");
        Status status = statusOf(id);
        if (status != before) book(any(which), id, status);
    }

    function book(Task memory task, bytes32 id, Status end) private {
        if (end < Status.Cancelled) return;
        require(endOf[id] == Status.None, "ended twice");
        endOf[id] = end;
        uint256 fee = task.fee;
        uint256 bond = task.bond;
        address byChallenger = market.challengerOf(id);
        address byProvider = providerOf(id);
        uint256 lost = (fee + 1) / 2;
        if (end == Status.Cancelled) {
            earned[task.client] += fee;
        } else if (end == Status.Expired) {
            earned[task.client] += fee + bond;
        } else if (end == Status.Valid) {
            earned[byProvider] += fee + bond + (byChallenger == address(0) ? 0 : bond);
        } else if (end == Status.Invalid) {
            earned[task.client] += fee;
            earned[byChallenger] += bond + bond / 5;
            earned[market.BURN()] += bond - bond / 5;
        } else {
            earned[task.client] += lost;
            earned[byProvider] += fee / 2 + bond - lost;
            earned[byChallenger] += bond - lost;
            earned[market.BURN()] += 2 * lost;
        }
    }

    // -- what invariants read -----------------------------------------------------------------------------------------

    function numTasks() external view returns (uint256) {
        return _tasks.length;
    }

    function numParties() external view returns (uint256) {
        return parties.length;
    }

    function idOf(uint256 which) external view returns (bytes32) {
        return market.taskId(_tasks[which]);
    }

    function currentStatus(bytes32 id) external view returns (Status) {
        return statusOf(id);
    }

    function held() external view returns (uint256) {
        return currency.balanceOf(address(market));
    }

    function escrow() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _tasks.length; i++) {
            sum += escrowOf(_tasks[i]);
        }
    }

    function owed(address who) external view returns (uint256) {
        return market.owed(who);
    }

    /// Strangers end every task by time alone, and withdraw for all.
    function finish() external {
        for (uint256 i = 0; i < _tasks.length; i++) {
            bytes32 id = market.taskId(_tasks[i]);
            if (endOf[id] != Status.None) continue;
            if (vm.getBlockTimestamp() <= until(id)) runOut(id);
            step(i, stranger, abi.encodeCall(market.close, (_tasks[i])));
        }
        for (uint256 i = 0; i < parties.length; i++) {
            if (market.owed(parties[i]) != 0) market.withdraw(parties[i]);
        }
    }

    function party(uint256 who) private view returns (address) {
        return parties[who % NUM_PARTIES];
    }

    function any(uint256 which) private view returns (Task memory task) {
        if (_tasks.length != 0) task = _tasks[which % _tasks.length];
    }
}
