// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Status} from "../../src/interfaces/ITaskMarket.sol";
import {InvariantKit} from "../kit/InvariantKit.sol";
import {MarketHandler} from "./MarketHandler.sol";

/// What holds after any steps of anybody in any order.
// forge-lint: disable-next-item(unsafe-typecast): numbers of tests are small, or meant to be cut
contract MarketInvariantsTest is InvariantKit {
    MarketHandler private handler;

    function setUp() external {
        handler = new MarketHandler();
        bytes4[] memory actions = new bytes4[](11);
        actions[0] = handler.create.selector;
        actions[1] = handler.cancel.selector;
        actions[2] = handler.accept.selector;
        actions[3] = handler.submit.selector;
        actions[4] = handler.challenge.selector;
        actions[5] = handler.resolve.selector;
        actions[6] = handler.close.selector;
        actions[7] = handler.callBack.selector;
        actions[8] = handler.withdraw.selector;
        actions[9] = handler.pass.selector;
        actions[10] = handler.accept.selector; // twice as often, so that tasks get far
        target(address(handler), actions);
    }

    /// The invariants would hold of a handler that does nothing. It does everything.
    function test_random_steps_reach_every_end_and_callbacks() external {
        bool[10] memory isReached; // by status; None: a callback was told
        for (uint256 seed = 0; seed < 8; seed++) {
            handler = new MarketHandler();
            for (uint256 i = 0; i < 400; i++) {
                act(uint256(keccak256(abi.encode(seed, i))));
            }
            for (uint256 i = 0; i < handler.numTasks(); i++) {
                bytes32 id = handler.idOf(i);
                if (handler.numTold(id) != 0) isReached[0] = true;
                if (handler.endOf(id) != Status.None) isReached[uint256(handler.endOf(id))] = true;
            }
        }
        vm.assertTrue(isReached[0], "callback");
        for (uint256 status = uint256(Status.Cancelled); status <= uint256(Status.Inconclusive); status++) {
            vm.assertTrue(isReached[status], vm.toString(status));
        }
    }

    function act(uint256 dice) private {
        uint256 action = dice % 11;
        uint256 a = uint64(dice >> 8);
        uint256 b = uint64(dice >> 72);
        if (action == 0) handler.create(a, uint128(b), uint128(dice >> 128), dice >> 4);
        else if (action == 1) handler.cancel(a, b);
        else if (action == 2) handler.submit(a, b);
        else if (action == 3) handler.challenge(a, b);
        else if (action == 4) handler.resolve(a, b);
        else if (action == 5) handler.close(a, b);
        else if (action == 6) handler.callBack(a, b);
        else if (action == 7) handler.withdraw(a);
        else if (action == 8) handler.pass(b);
        else handler.accept(a, b);
    }

    /// Nobody gave anything away, so it is not only enough but exact.
    function invariant_the_market_holds_escrow_bonds_and_what_it_owes() external view {
        uint256 due = handler.escrow();
        for (uint256 i = 0; i < handler.numParties(); i++) {
            due += handler.owed(handler.parties(i));
        }
        vm.assertEq(handler.held(), due);
    }

    function invariant_everybody_is_paid_once_what_the_terms_say() external view {
        for (uint256 i = 0; i < handler.numParties(); i++) {
            address party = handler.parties(i);
            vm.assertEq(handler.withdrawn(party) + handler.owed(party), handler.earned(party));
        }
    }

    function invariant_a_final_status_never_changes() external view {
        for (uint256 i = 0; i < handler.numTasks(); i++) {
            bytes32 id = handler.idOf(i);
            Status status = handler.currentStatus(id);
            bool isFinal = status >= Status.Cancelled;
            vm.assertEq(uint256(handler.endOf(id)), isFinal ? uint256(status) : 0);
        }
    }

    function invariant_a_callback_is_told_once_at_most_and_after_the_end() external view {
        for (uint256 i = 0; i < handler.numTasks(); i++) {
            bytes32 id = handler.idOf(i);
            vm.assertLe(handler.numTold(id), handler.endOf(id) == Status.None ? 0 : 1);
        }
    }

    /// Whatever happened: anybody's calls and time end every task and pay out all that the market holds.
    function afterInvariant() external {
        handler.finish();
        for (uint256 i = 0; i < handler.numTasks(); i++) {
            vm.assertGe(uint256(handler.currentStatus(handler.idOf(i))), uint256(Status.Cancelled));
        }
        vm.assertEq(handler.held(), 0);
    }
}
