// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channel, PaymentChannels, Voucher} from "../src/PaymentChannels.sol";
import {ChannelKit} from "./kit/ChannelKit.sol";
import {InvariantKit} from "./kit/InvariantKit.sol";

/// Acts as two routers that each pay two nodes, and time. Each action is made possible first, so that none reverts.
contract ChannelHandler is ChannelKit {
    uint256 public constant NUM_CHANNELS = 4;

    uint256[NUM_CHANNELS] public deposited; // ever
    uint256[NUM_CHANNELS] public promised; // the largest voucher that was claimed with
    uint256[NUM_CHANNELS] public returned;

    constructor() {
        setUpChannels();
    }

    function deposit(uint256 seed, uint256 amount) external {
        uint256 i = seed % NUM_CHANNELS;
        if (stateOf(channelOf(i)).closesAt != 0) return;
        amount = bound(amount, 1, 1e12);
        depositInto(channelOf(i), amount);
        deposited[i] += amount;
    }

    function claim(uint256 seed, uint256 cumulative) external {
        uint256 i = seed % NUM_CHANNELS;
        PaymentChannels.State memory state = stateOf(channelOf(i));
        if (state.paid == state.deposited) return;
        cumulative = bound(cumulative, state.paid + 1, 2 * state.deposited);
        Voucher memory voucher = voucherOf(channelOf(i), cumulative);
        channels.claim(channelOf(i), voucher, signedBy(_signer(i), voucher));
        promised[i] = cumulative;
    }

    function close(uint256 seed) external {
        Channel memory chosen = channelOf(seed % NUM_CHANNELS);
        if (stateOf(chosen).closesAt == 0) closeBy(chosen.payer, chosen);
    }

    function settle(uint256 seed) external {
        uint256 i = seed % NUM_CHANNELS;
        Channel memory chosen = channelOf(i);
        uint64 closesAt = stateOf(chosen).closesAt;
        if (closesAt == 0) return;
        if (vm.getBlockTimestamp() < closesAt) vm.warp(closesAt);
        uint256 before = currency.balanceOf(chosen.payer);
        channels.settle(chosen);
        returned[i] += currency.balanceOf(chosen.payer) - before;
    }

    function channelOf(uint256 i) public pure returns (Channel memory) {
        string memory router = i % 2 == 0 ? "router a" : "router b";
        return Channel({
            payer: vm.addr(keyOf(router)),
            signer: vm.addr(keyOf(_signer(i))),
            payee: vm.addr(keyOf(i < 2 ? "node x" : "node y"))
        });
    }

    function paid(uint256 i) external view returns (uint256) {
        return stateOf(channelOf(i)).paid;
    }

    function depositedNow(uint256 i) external view returns (uint256) {
        return stateOf(channelOf(i)).deposited;
    }

    function balanceOf(address account_) external view returns (uint256) {
        return currency.balanceOf(account_);
    }

    function balance() external view returns (uint256) {
        return currency.balanceOf(address(channels));
    }

    function _signer(uint256 i) private pure returns (string memory) {
        return i % 2 == 0 ? "key a" : "key b";
    }
}

/// Whatever happens, in whatever order.
contract PaymentChannelsInvariants is InvariantKit {
    ChannelHandler private _handler;
    uint256 private _numChannels;

    function setUp() external {
        _handler = new ChannelHandler();
        _numChannels = _handler.NUM_CHANNELS();
        bytes4[] memory actions = new bytes4[](4);
        actions[0] = ChannelHandler.deposit.selector;
        actions[1] = ChannelHandler.claim.selector;
        actions[2] = ChannelHandler.close.selector;
        actions[3] = ChannelHandler.settle.selector;
        target(address(_handler), actions);
    }

    function invariant_paidIsNeitherMoreThanDepositedNorThanPromised() external view {
        for (uint256 i = 0; i < _numChannels; i++) {
            vm.assertLe(_handler.paid(i), _handler.depositedNow(i));
            vm.assertLe(_handler.paid(i), _handler.promised(i));
        }
    }

    function invariant_eachChannelsMoneyIsItsOwn() external view {
        uint256 rest;
        for (uint256 i = 0; i < _numChannels; i++) {
            vm.assertEq(_handler.deposited(i), _handler.depositedNow(i) + _handler.returned(i));
            rest += _handler.depositedNow(i) - _handler.paid(i);
        }
        vm.assertEq(_handler.balance(), rest);
    }

    function invariant_nodesHaveWhatTheirChannelsPaid() external view {
        vm.assertEq(_handler.balanceOf(_handler.channelOf(0).payee), _handler.paid(0) + _handler.paid(1));
        vm.assertEq(_handler.balanceOf(_handler.channelOf(2).payee), _handler.paid(2) + _handler.paid(3));
    }
}
