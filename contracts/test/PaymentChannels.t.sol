// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channel, PaymentChannels, Voucher} from "../src/PaymentChannels.sol";
import {ChannelKit} from "./kit/ChannelKit.sol";
import {FeeCurrency} from "./mocks/Currencies.sol";

/// Each call's success and each of its refusals.
contract PaymentChannelsTest is ChannelKit {
    function setUp() external {
        setUpChannels();
    }

    function test_depositOpensAndAdds() external {
        bytes32 id = channels.channelId(channel);
        vm.assertEq(id, keccak256(abi.encode(block.chainid, channels, channel.payer, channel.signer, channel.payee)));
        currency.mint(channel.payer, 100);
        vm.startPrank(channel.payer);
        currency.approve(address(channels), 100);
        vm.expectEmit(address(channels));
        emit PaymentChannels.Deposited(id, channel.payer, channel.payee, channel.signer, 60);
        channels.deposit(channel, 60);
        channels.deposit(channel, 40);
        vm.stopPrank();
        PaymentChannels.State memory state = stateOf(channel);
        vm.assertEq(state.deposited, 100);
        vm.assertEq(state.paid, 0);
        vm.assertEq(state.closesAt, 0);
        vm.assertEq(currency.balanceOf(address(channels)), 100);
    }

    function test_depositRefusals() external {
        address payer = channel.payer;
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotPayer.selector, address(this)));
        channels.deposit(channel, 1);
        vm.expectRevert(PaymentChannels.ZeroAmount.selector);
        vm.prank(payer);
        channels.deposit(channel, 0);
        Channel memory toNobody = Channel({payer: payer, signer: channel.signer, payee: address(0)});
        vm.expectRevert(PaymentChannels.ZeroPayee.selector);
        vm.prank(payer);
        channels.deposit(toNobody, 1);
        depositInto(channel, 10);
        closeBy(payer, channel);
        uint64 closesAt = stateOf(channel).closesAt;
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelClosing.selector, closesAt));
        vm.prank(payer);
        channels.deposit(channel, 1);
    }

    function test_depositRefusesACurrencyThatTakesAFee() external {
        FeeCurrency unsound = new FeeCurrency();
        unsound.take();
        channels = new PaymentChannels(unsound);
        unsound.mint(channel.payer, 100);
        vm.startPrank(channel.payer);
        unsound.approve(address(channels), 100);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.CurrencyUnsound.selector, 100, 99));
        channels.deposit(channel, 100);
    }

    function test_claimPaysTheDifference() external {
        depositInto(channel, 100);
        claim(30);
        vm.assertEq(currency.balanceOf(channel.payee), 30);
        vm.expectEmit(address(channels));
        emit PaymentChannels.Claimed(channels.channelId(channel), 15, 45, EPOCH, COMMITMENT);
        claim(45);
        vm.assertEq(currency.balanceOf(channel.payee), 45);
        vm.assertEq(stateOf(channel).paid, 45);
    }

    function test_claimPaysAsFarAsTheDepositGoesAndTheRestLater() external {
        depositInto(channel, 100);
        claim(130);
        vm.assertEq(currency.balanceOf(channel.payee), 100);
        depositInto(channel, 50);
        claim(130);
        vm.assertEq(currency.balanceOf(channel.payee), 130);
    }

    function test_claimRefusals() external {
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 30);
        bytes memory signature = signedBy("signer", voucher);
        bytes32 id = voucher.channel;

        voucher.channel = keccak256("another");
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.WrongChannel.selector, id));
        channels.claim(channel, voucher, signature);
        voucher.channel = id;

        bytes memory foreign = signedBy("payee", voucher);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, foreign);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, "");

        channels.claim(channel, voucher, signature);
        vm.expectRevert(PaymentChannels.NothingToClaim.selector);
        channels.claim(channel, voucher, signature);
        Voucher memory older = voucherOf(channel, 29);
        bytes memory olderSignature = signedBy("signer", older);
        vm.expectRevert(PaymentChannels.NothingToClaim.selector);
        channels.claim(channel, older, olderSignature);
    }

    function test_aVoucherIsSignedWhole() external {
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 30);
        bytes memory signature = signedBy("signer", voucher);
        voucher.cumulative = 31;
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, signature);
        voucher.cumulative = 30;
        voucher.epoch += 1;
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, signature);
        voucher.epoch -= 1;
        voucher.commitment = 0;
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, signature);
    }

    function test_nobodysSignatureIsNobodys() external {
        channel.signer = address(0); // what a bad signature recovers to
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 30);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, new bytes(65));
    }

    function test_closeGivesThePayeeADay() external {
        depositInto(channel, 100);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotPayer.selector, address(this)));
        channels.close(channel);
        uint64 closesAt = uint64(vm.getBlockTimestamp()) + 24 hours;
        vm.expectEmit(address(channels));
        emit PaymentChannels.Closing(channels.channelId(channel), closesAt);
        closeBy(channel.payer, channel);
        skip(1 hours);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelClosing.selector, closesAt));
        closeBy(channel.payer, channel); // does not start the clock anew
        claim(30);
        vm.assertEq(currency.balanceOf(channel.payee), 30);
    }

    function test_settleReturnsTheRestByAnyone() external {
        depositInto(channel, 100);
        claim(30);
        vm.expectRevert(PaymentChannels.NotClosing.selector);
        channels.settle(channel);
        closeBy(channel.payer, channel);
        uint64 closesAt = stateOf(channel).closesAt;
        vm.warp(closesAt - 1);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.StillOpen.selector, closesAt));
        channels.settle(channel);
        vm.warp(closesAt);
        vm.expectEmit(address(channels));
        emit PaymentChannels.Closed(channels.channelId(channel), 70);
        channels.settle(channel);
        vm.assertEq(currency.balanceOf(channel.payer), 70);
        vm.assertEq(currency.balanceOf(address(channels)), 0);
        vm.expectRevert(PaymentChannels.NotClosing.selector);
        channels.settle(channel);
    }

    function test_settleOfAnEmptyChannelMovesNothing() external {
        depositInto(channel, 100);
        claim(100);
        closeBy(channel.payer, channel);
        skip(24 hours);
        vm.expectEmit(address(channels));
        emit PaymentChannels.Closed(channels.channelId(channel), 0);
        channels.settle(channel);
        vm.assertEq(currency.balanceOf(channel.payer), 0);
    }

    function test_aSettledChannelOpensAgainAndItsSumsGoOn() external {
        depositInto(channel, 100);
        claim(30);
        closeBy(channel.payer, channel);
        skip(24 hours);
        channels.settle(channel);
        depositInto(channel, 20);
        vm.assertEq(stateOf(channel).deposited, 50);
        claim(45);
        vm.assertEq(currency.balanceOf(channel.payee), 45);
    }

    function test_headroomIsWhatCanStillBePromised() external {
        vm.assertEq(channels.headroom(channel, 0), 0);
        depositInto(channel, 100);
        vm.assertEq(channels.headroom(channel, 0), 100);
        vm.assertEq(channels.headroom(channel, 30), 70);
        vm.assertEq(channels.headroom(channel, 100), 0);
        vm.assertEq(channels.headroom(channel, 101), 0);
        claim(40);
        vm.assertEq(channels.headroom(channel, 30), 60, "what was paid counts though the payee forgot it");
        closeBy(channel.payer, channel);
        vm.assertEq(channels.headroom(channel, 40), 0);
    }

    function test_digestIsThatOfEip712() external view {
        Voucher memory voucher = voucherOf(channel, 30);
        bytes memory signature = signedBy("signer", voucher);
        vm.assertEq(signature, signed(keyOf("signer"), channels.digestOf(voucher)));
    }

    /// In whatever order vouchers come, the payee has the largest of them, as far as the deposit goes.
    function testFuzz_theLargestVoucherCounts(uint96 deposited, uint96[5] calldata cumulatives) external {
        deposited = uint96(bound(deposited, 1, type(uint96).max));
        depositInto(channel, deposited);
        uint256 largest;
        for (uint256 i = 0; i < cumulatives.length; i++) {
            Voucher memory voucher = voucherOf(channel, cumulatives[i]);
            bytes memory signature = signedBy("signer", voucher);
            bool pays = cumulatives[i] > largest && largest < deposited;
            if (!pays) vm.expectRevert(PaymentChannels.NothingToClaim.selector);
            channels.claim(channel, voucher, signature);
            if (cumulatives[i] > largest) largest = cumulatives[i];
        }
        vm.assertEq(currency.balanceOf(channel.payee), largest < deposited ? largest : deposited);
    }
}
