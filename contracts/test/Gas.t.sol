// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Model, ModelRegistry} from "../src/ModelRegistry.sol";
import {Voucher} from "../src/PaymentChannels.sol";
import {Outcome, Status, Task} from "../src/interfaces/ITaskMarket.sol";
import {ChannelKit} from "./kit/ChannelKit.sol";
import {RegistryKit} from "./kit/RegistryKit.sol";
import {TestKit} from "./kit/TestKit.sol";
import {MarketKit} from "./market/MarketKit.sol";
import {ListeningCallback} from "./mocks/Callbacks.sol";

// What the main calls cost, in contracts/test/snapshots. `make test` fails when one changes; `forge test` writes it anew.
// Each call is a transaction of its own, with everything cold.

/// forge-config: default.isolate = true
contract TaskMarketGas is MarketKit {
    function test_theWayToPayment() external {
        Task memory task = aTask();
        task.callback = address(new ListeningCallback());
        task.callbackGas = 200_000;
        bytes32 id = create(task);
        vm.snapshotGasLastCall("TaskMarket", "createTask");
        accept(task);
        vm.snapshotGasLastCall("TaskMarket", "accept");
        submit(task);
        vm.snapshotGasLastCall("TaskMarket", "submit");
        runOut(id);
        market.close(task);
        vm.snapshotGasLastCall("TaskMarket", "close, unchallenged");
        market.callBack(task, RESULT, TRANSCRIPT_HASH);
        vm.snapshotGasLastCall("TaskMarket", "callBack");
        market.withdraw(provider);
        vm.snapshotGasLastCall("TaskMarket", "withdraw");
        vm.assertEq(gain(provider), int256(uint256(task.fee)));
    }

    function test_creationByAuthorization() external {
        Task memory task = aTask();
        uint256 before = vm.getBlockTimestamp() + 1 hours;
        bytes memory signature = signed(keyOf("client"), authorizationDigest(task, 0, before));
        bytes32 id = market.createTaskWithAuthorization(task, SPEC, 0, before, signature);
        vm.snapshotGasLastCall("TaskMarket", "createTaskWithAuthorization");
        vm.assertTrue(statusOf(id) == Status.Funded);
    }

    function test_theWayThroughAChallenge() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Submitted);
        challenge(task);
        vm.snapshotGasLastCall("TaskMarket", "challenge");
        judge(task, Outcome.Invalid);
        vm.snapshotGasLastCall("Resolver", "resolve, 2 of 3");
        vm.assertTrue(statusOf(id) == Status.Invalid);
    }

    function test_cancellation() external {
        Task memory task = aTask();
        bytes32 id = bring(task, Status.Cancelled);
        vm.snapshotGasLastCall("TaskMarket", "cancel");
        vm.assertTrue(statusOf(id) == Status.Cancelled);
    }
}

/// forge-config: default.isolate = true
contract NodeRegistryGas is RegistryKit {
    function setUp() external {
        setUpRegistry();
    }

    function test_theLifeOfANode() external {
        uint256 nodeId = registerNode("signer");
        vm.snapshotGasLastCall("NodeRegistry", "register");
        depositFor(nodeId, 100);
        vm.snapshotGasLastCall("NodeRegistry", "deposit");
        allot(nodeId, address(slasher), 100);
        vm.snapshotGasLastCall("NodeRegistry", "allot");
        slasher.slash(nodeId, keccak256("a fault"), 10, outsider);
        vm.snapshotGasLastCall("NodeRegistry", "slash, through a slasher");
        unbond(nodeId, address(slasher), 90);
        vm.snapshotGasLastCall("NodeRegistry", "unbond");
        skip(UNBONDING_TIME_S);
        registry.release(nodeId, address(slasher));
        vm.snapshotGasLastCall("NodeRegistry", "release");
        registry.withdraw(operator);
        vm.snapshotGasLastCall("NodeRegistry", "withdraw");
        vm.assertEq(currency.balanceOf(operator), 90);
    }
}

/// forge-config: default.isolate = true
contract PaymentChannelsGas is ChannelKit {
    function setUp() external {
        setUpChannels();
    }

    function test_theLifeOfAChannel() external {
        depositInto(channel, 100);
        vm.snapshotGasLastCall("PaymentChannels", "deposit, opening");
        depositInto(channel, 100);
        vm.snapshotGasLastCall("PaymentChannels", "deposit, adding");
        Voucher memory voucher = voucherOf(channel, 80);
        channels.claim(channel, voucher, signedBy("signer", voucher));
        vm.snapshotGasLastCall("PaymentChannels", "claim");
        closeBy(channel.payer, channel);
        vm.snapshotGasLastCall("PaymentChannels", "close");
        skip(24 hours);
        channels.settle(channel);
        vm.snapshotGasLastCall("PaymentChannels", "settle");
        vm.assertEq(currency.balanceOf(channel.payer), 120);
    }
}

/// forge-config: default.isolate = true
contract ModelRegistryGas is TestKit {
    function test_registration() external {
        Model memory model = Model(1, 64, 32, 8, 4, 256, 1, 3, "class", "table", "weights", "manifest");
        ModelRegistry registry = new ModelRegistry();
        bytes32 id = registry.register(model);
        vm.snapshotGasLastCall("ModelRegistry", "register");
        vm.assertTrue(registry.isRegistered(id));
    }
}
