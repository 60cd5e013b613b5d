// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Channel, PaymentChannels, Voucher} from "../src/PaymentChannels.sol";
import {ChannelKit} from "./kit/ChannelKit.sol";
import {BlockingCurrency} from "./mocks/Currencies.sol";
import {ReentrantCurrency} from "./mocks/ReentrantCurrency.sol";

/// Says of every signature that it is good.
contract YesSigner is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// What somebody would try, and why it does not pay.
contract PaymentChannelsAttacksTest is ChannelKit {
    function setUp() external {
        setUpChannels();
    }

    function test_closingTakesNothingFromAnUnclaimedVoucher() external {
        depositInto(channel, 100);
        closeBy(channel.payer, channel); // the node holds a voucher over 80 that it has not claimed
        skip(24 hours - 1);
        claim(80);
        skip(1);
        channels.settle(channel);
        vm.assertEq(currency.balanceOf(channel.payee), 80);
        vm.assertEq(currency.balanceOf(channel.payer), 20);
    }

    function test_afterTheClockAClaimStillComesBeforeTheSettlement() external {
        depositInto(channel, 100);
        closeBy(channel.payer, channel);
        skip(30 days);
        claim(80);
        channels.settle(channel);
        vm.assertEq(currency.balanceOf(channel.payee), 80);
    }

    function test_aVoucherIsNotPaidAgainAfterTheSettlement() external {
        depositInto(channel, 100);
        claim(80);
        closeBy(channel.payer, channel);
        skip(24 hours);
        channels.settle(channel);
        depositInto(channel, 500);
        Voucher memory voucher = voucherOf(channel, 80);
        bytes memory signature = signedBy("signer", voucher);
        vm.expectRevert(PaymentChannels.NothingToClaim.selector);
        channels.claim(channel, voucher, signature);
    }

    function test_codeAtTheSignersAccountChangesNothing() external {
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 80);
        bytes memory signature = signedBy("signer", voucher);
        // The router's key promised; its owner then gives the account code (EIP-7702) that disowns every signature.
        vm.etch(channel.signer, hex"5f5ffd");
        channels.claim(channel, voucher, signature);
        vm.assertEq(currency.balanceOf(channel.payee), 80);
    }

    function test_aContractSignsNoVouchers() external {
        channel.signer = address(new YesSigner());
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 80);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, "");
    }

    function test_aVoucherHoldsForOneNodeOneContractAndOneChainOnly() external {
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 80);
        bytes memory signature = signedBy("signer", voucher);

        Channel memory thiefs = Channel({payer: channel.payer, signer: channel.signer, payee: account("thief")});
        depositInto(thiefs, 100);
        bytes32 expected = channels.channelId(thiefs);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.WrongChannel.selector, expected));
        channels.claim(thiefs, voucher, signature);
        voucher.channel = expected;
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(thiefs, voucher, signature);

        PaymentChannels twin = new PaymentChannels(currency);
        voucher.channel = twin.channelId(channel);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        twin.claim(channel, voucher, signature);

        vm.chainId(999);
        voucher.channel = channels.channelId(channel);
        vm.expectRevert(PaymentChannels.BadVoucher.selector);
        channels.claim(channel, voucher, signature);
    }

    function test_aFrontRunClaimPaysThePayee() external {
        depositInto(channel, 100);
        Voucher memory voucher = voucherOf(channel, 80);
        bytes memory signature = signedBy("signer", voucher);
        vm.prank(account("thief"));
        channels.claim(channel, voucher, signature);
        vm.assertEq(currency.balanceOf(channel.payee), 80);
    }

    function test_oneChannelsVoucherCannotSpendAnothersDeposit() external {
        depositInto(channel, 100);
        Channel memory rich = Channel({payer: account("rich"), signer: account("rich signer"), payee: account("node")});
        depositInto(rich, 1000);
        claim(type(uint256).max);
        vm.assertEq(currency.balanceOf(channel.payee), 100);
        vm.assertEq(currency.balanceOf(address(channels)), 1000);
    }

    function test_aReentrantCurrencyIsPaidOnce() external {
        ReentrantCurrency reentrant = new ReentrantCurrency();
        channels = new PaymentChannels(reentrant);
        reentrant.mint(channel.payer, 200);
        vm.startPrank(channel.payer);
        reentrant.approve(address(channels), 200);
        channels.deposit(channel, 100);
        Voucher memory more = voucherOf(channel, 90);
        bytes memory signature = signedBy("signer", more);
        reentrant.arm(address(channels), abi.encodeCall(PaymentChannels.claim, (channel, more, signature)));
        Voucher memory voucher = voucherOf(channel, 80);
        channels.claim(channel, voucher, signedBy("signer", voucher));
        vm.assertTrue(reentrant.wasCalled());
        vm.assertFalse(reentrant.hasSucceeded());
        vm.assertEq(reentrant.balanceOf(channel.payee), 80);

        channels.close(channel);
        skip(24 hours);
        reentrant.arm(address(channels), abi.encodeCall(PaymentChannels.settle, (channel)));
        channels.settle(channel);
        vm.assertFalse(reentrant.hasSucceeded());
        vm.assertEq(reentrant.balanceOf(channel.payer), 120);
    }

    function test_aBlockedPayeeStopsNobodyElse() external {
        BlockingCurrency blocking = new BlockingCurrency();
        channels = new PaymentChannels(blocking);
        blocking.mint(channel.payer, 100);
        vm.startPrank(channel.payer);
        blocking.approve(address(channels), 100);
        channels.deposit(channel, 100);
        blocking.refuse(channel.payee);
        Voucher memory voucher = voucherOf(channel, 80);
        bytes memory signature = signedBy("signer", voucher);
        vm.expectRevert(abi.encodeWithSelector(BlockingCurrency.Refused.selector, channel.payee));
        channels.claim(channel, voucher, signature);
        channels.close(channel);
        skip(24 hours);
        channels.settle(channel);
        vm.assertEq(blocking.balanceOf(channel.payer), 100);
    }

    function test_aBlockedPayerCannotKeepThePayeesShare() external {
        BlockingCurrency blocking = new BlockingCurrency();
        channels = new PaymentChannels(blocking);
        blocking.mint(channel.payer, 100);
        vm.startPrank(channel.payer);
        blocking.approve(address(channels), 100);
        channels.deposit(channel, 100);
        channels.close(channel);
        skip(24 hours);
        blocking.refuse(channel.payer);
        vm.expectRevert(abi.encodeWithSelector(BlockingCurrency.Refused.selector, channel.payer));
        channels.settle(channel);
        claim(80);
        vm.assertEq(blocking.balanceOf(channel.payee), 80);
    }
}
