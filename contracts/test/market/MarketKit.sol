// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Content} from "../../src/Content.sol";
import {Resolver} from "../../src/Resolver.sol";
import {TaskMarket} from "../../src/TaskMarket.sol";
import {Outcome, Status, Task} from "../../src/interfaces/ITaskMarket.sol";
import {TestCurrency} from "../TestCurrency.sol";
import {TestKit} from "../kit/TestKit.sol";

/// A market with a currency, a committee of three of which two must agree, and one of each party with money.
// forge-lint: disable-next-item(unsafe-typecast): numbers of tests are small, or meant to be cut
abstract contract MarketKit is TestKit {
    uint256 internal constant START_S = 1_800_000_000;
    uint256 internal constant PURSE = 1_000_000e6; // of each party at the start
    bytes internal constant SPEC = '{"max_tokens":16,"prompt":"What is a moray?","version":1}';
    bytes internal constant RESULT = "An eel that waits in a reef.";
    bytes internal constant TRANSCRIPT = '{"output_token_ids":[1,2,3],"version":1}';
    bytes32 internal constant RESULT_HASH = keccak256(RESULT);
    bytes32 internal constant TRANSCRIPT_HASH = keccak256(TRANSCRIPT);

    TestCurrency internal currency;
    TaskMarket internal market;
    Resolver internal resolver;
    uint256[] internal memberKeys; // ascending by address
    address internal client;
    address internal provider;
    address internal challenger;
    address internal stranger;

    function setUp() public virtual {
        vm.warp(START_S);
        currency = new TestCurrency();
        market = new TaskMarket(currency);
        resolver = new Resolver(committee(3), 2);
        client = richAccount("client");
        provider = richAccount("provider");
        challenger = richAccount("challenger");
        stranger = richAccount("stranger");
    }

    // -- parties ------------------------------------------------------------------------------------------------------

    function richAccount(string memory name) internal returns (address made) {
        made = account(name);
        currency.mint(made, PURSE);
        vm.prank(made);
        currency.approve(address(market), type(uint256).max);
    }

    /// Addresses of `size` members, ascending; `memberKeys` are theirs.
    function committee(uint256 size) internal returns (address[] memory members) {
        members = new address[](size);
        delete memberKeys;
        for (uint256 i = 0; i < size; i++) {
            uint256 key = keyOf(string.concat("member ", vm.toString(i)));
            uint256 place = i;
            memberKeys.push(key);
            for (; place > 0 && members[place - 1] > vm.addr(key); place--) {
                members[place] = members[place - 1];
                memberKeys[place] = memberKeys[place - 1];
            }
            members[place] = vm.addr(key);
            memberKeys[place] = key;
        }
    }

    /// What `who` has and can withdraw.
    function wealth(address who) internal view returns (uint256) {
        return currency.balanceOf(who) + market.owed(who);
    }

    /// What `who` has won (or lost, below 0) since the start.
    function gain(address who) internal view returns (int256) {
        return int256(wealth(who)) - int256(PURSE);
    }

    // -- steps, by the usual party ------------------------------------------------------------------------------------

    /// An odd fee, so that halves differ.
    function aTask() internal view returns (Task memory task) {
        task.client = client;
        task.modelId = keccak256("model");
        task.specHash = keccak256(SPEC);
        task.fee = 10_000_001;
        task.bond = 30_000_003;
        task.acceptBy = uint64(vm.getBlockTimestamp() + 1 hours);
        task.submitWithin = 10 minutes;
        task.challengeWindow = 20 minutes;
        task.resolveWithin = 40 minutes;
        task.resolver = address(resolver);
    }

    function create(Task memory task) internal returns (bytes32 id) {
        vm.prank(task.client);
        return market.createTask(task, SPEC);
    }

    function accept(Task memory task) internal {
        vm.prank(provider);
        market.accept(task);
    }

    function submit(Task memory task) internal {
        vm.prank(provider);
        market.submit(task, inlined(RESULT), inlined(TRANSCRIPT));
    }

    function challenge(Task memory task) internal {
        vm.prank(challenger);
        market.challenge(task, RESULT_HASH, TRANSCRIPT_HASH);
    }

    function judge(Task memory task, Outcome outcome) internal {
        Resolver.Verdict memory verdict = verdictOf(outcome);
        (address[] memory signers, bytes[] memory signatures) = signedBy(2, market.taskId(task), verdict);
        resolver.resolve(task, verdict, signers, signatures);
    }

    /// What the client signs (EIP-3009) so that anybody can create its task.
    function authorizationDigest(Task memory task, uint256 validAfter, uint256 validBefore)
        internal
        view
        returns (bytes32)
    {
        bytes32 type_ = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes memory message =
            abi.encode(type_, task.client, market, task.fee, validAfter, validBefore, market.taskId(task));
        (, string memory name, string memory version, uint256 chainId, address verifier,,) = currency.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(message)));
    }

    function inlined(bytes memory data) internal pure returns (Content memory) {
        return Content({hash: keccak256(data), data: data, uri: ""});
    }

    function verdictOf(Outcome outcome) internal view returns (Resolver.Verdict memory) {
        return
            Resolver.Verdict({
                market: market, resultHash: RESULT_HASH, transcriptHash: TRANSCRIPT_HASH, outcome: outcome
            });
    }

    function signedBy(uint256 num, bytes32 id, Resolver.Verdict memory verdict)
        internal
        view
        returns (address[] memory signers, bytes[] memory signatures)
    {
        bytes32 digest = resolver.digestOf(id, verdict);
        signers = new address[](num);
        signatures = new bytes[](num);
        for (uint256 i = 0; i < num; i++) {
            signers[i] = vm.addr(memberKeys[i]);
            signatures[i] = signed(memberKeys[i], digest);
        }
    }

    /// Time goes on until the clock of the task's status has just run out.
    function runOut(bytes32 id) internal {
        vm.warp(until(id) + 1);
    }

    /// Create the task and bring it to `status` along the shortest way.
    function bring(Task memory task, Status status) internal returns (bytes32 id) {
        id = create(task);
        if (status == Status.Funded) return id;
        if (status == Status.Cancelled) {
            vm.prank(task.client);
            market.cancel(task);
            return id;
        }
        accept(task);
        if (status == Status.Accepted) return id;
        if (status == Status.Expired) {
            runOut(id);
            market.close(task);
            return id;
        }
        submit(task);
        if (status == Status.Submitted) return id;
        challenge(task);
        if (status == Status.Challenged) return id;
        judge(task, Outcome(uint8(status) - uint8(Status.Valid)));
    }

    // -- state --------------------------------------------------------------------------------------------------------

    function statusOf(bytes32 id) internal view returns (Status status) {
        (status,,) = market.stateOf(id);
    }

    function until(bytes32 id) internal view returns (uint64 until_) {
        (, until_,) = market.stateOf(id);
    }

    function providerOf(bytes32 id) internal view returns (address provider_) {
        (,, provider_) = market.stateOf(id);
    }

    /// What the market holds for a task that has not ended.
    function escrowOf(Task memory task) internal view returns (uint256) {
        Status status = statusOf(market.taskId(task));
        if (status == Status.Funded) return task.fee;
        if (status == Status.Accepted || status == Status.Submitted) return uint256(task.fee) + task.bond;
        if (status == Status.Challenged) return uint256(task.fee) + 2 * uint256(task.bond);
        return 0;
    }

    function assertStatus(bytes32 id, Status expected) internal view {
        vm.assertEq(uint256(statusOf(id)), uint256(expected), "status");
    }

    /// The next call is refused with this error and this argument.
    function refused(bytes4 selector, uint256 argument) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, argument));
    }

    function refused(bytes4 selector, address argument) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, argument));
    }
}
