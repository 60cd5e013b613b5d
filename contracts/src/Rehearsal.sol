// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What an account would see if it made several calls one after another. It is never deployed: a reader puts its code at
/// the account's address for one eth_call, where the endpoint has no eth_simulateV1.
contract Rehearsal {
    struct Step {
        address to;
        uint256 value;
        bytes data;
    }

    /// `balance` is the account's, after the step.
    struct Outcome {
        bool isSuccess;
        bytes data;
        uint256 gasUsed;
        uint256 balance;
    }

    receive() external payable {}

    /// Goes on after a call that was refused, as eth_simulateV1 does. What it sends never leaves the eth_call.
    // slither-disable-next-line arbitrary-send-eth
    function run(Step[] calldata steps) external returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](steps.length);
        for (uint256 i = 0; i < steps.length; i++) {
            uint256 gasBefore = gasleft();
            // slither-disable-next-line calls-loop,low-level-calls
            (bool isSuccess, bytes memory data) = steps[i].to.call{value: steps[i].value}(steps[i].data);
            outcomes[i] = Outcome(isSuccess, data, gasBefore - gasleft(), address(this).balance);
        }
    }
}
