// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Channel, PaymentChannels, Voucher} from "../../src/PaymentChannels.sol";
import {TestCurrency} from "../TestCurrency.sol";
import {TestKit} from "./TestKit.sol";

/// Channels over the test currency, and what their tests do again and again.
abstract contract ChannelKit is TestKit {
    uint64 internal constant EPOCH = 3;
    bytes32 internal constant COMMITMENT = keccak256("the node's root");

    TestCurrency internal currency;
    PaymentChannels internal channels;
    Channel internal channel; // of a router "payer" with the key "signer", for the node "payee"

    function setUpChannels() internal {
        vm.warp(1_800_000_000);
        currency = new TestCurrency();
        channels = new PaymentChannels(currency);
        channel = Channel({payer: account("payer"), signer: account("signer"), payee: account("payee")});
    }

    function depositInto(Channel memory channel_, uint256 amount) internal {
        currency.mint(channel_.payer, amount);
        vm.prank(channel_.payer);
        currency.approve(address(channels), amount);
        vm.prank(channel_.payer);
        channels.deposit(channel_, amount);
    }

    function closeBy(address payer, Channel memory channel_) internal {
        vm.prank(payer);
        channels.close(channel_);
    }

    function voucherOf(Channel memory channel_, uint256 cumulative) internal view returns (Voucher memory) {
        return Voucher({
            channel: keccak256(abi.encode(block.chainid, address(channels), channel_)),
            cumulative: cumulative,
            epoch: EPOCH,
            commitment: COMMITMENT
        });
    }

    /// The signature of the key named `name`, made from the words of EIP-712 and not by asking the contract.
    function signedBy(string memory name, Voucher memory voucher) internal view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Moray PaymentChannels"),
                keccak256("1"),
                block.chainid,
                address(channels)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256("Voucher(bytes32 channel,uint256 cumulative,uint64 epoch,bytes32 commitment)"), voucher
            )
        );
        return signed(keyOf(name), MessageHashUtils.toTypedDataHash(domain, content));
    }

    function claim(uint256 cumulative) internal {
        Voucher memory voucher = voucherOf(channel, cumulative);
        channels.claim(channel, voucher, signedBy("signer", voucher));
    }

    function stateOf(Channel memory channel_) internal view returns (PaymentChannels.State memory state) {
        (state.deposited, state.paid, state.closesAt) = channels.stateOf(channels.channelId(channel_));
    }
}
