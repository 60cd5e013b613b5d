// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {TestCurrency} from "./TestCurrency.sol";
import {TestKit} from "./kit/TestKit.sol";

/// The one function that is ours: an authorisation with a signature of bytes.
contract TestCurrencyTest is TestKit {
    TestCurrency private _currency;
    address private _from;
    bytes32 private constant NONCE = keccak256("a task's id");

    function setUp() external {
        vm.warp(1_800_000_000);
        _currency = new TestCurrency();
        _from = account("client");
        _currency.mint(_from, 100);
    }

    function test_hasSixDecimals() external view {
        vm.assertEq(_currency.decimals(), 6);
    }

    function test_theReceiverTakesWhatWasSignedOnce() external {
        bytes memory signature = _authorization("client", address(this));
        _take(signature);
        vm.assertEq(_currency.balanceOf(address(this)), 60);
        vm.assertEq(_currency.balanceOf(_from), 40);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, _from, NONCE));
        _take(signature);
    }

    function test_nobodyElseTakesIt() external {
        bytes memory signature = _authorization("client", address(this));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(this)));
        vm.prank(account("thief"));
        _currency.receiveWithAuthorization(_from, address(this), 60, 0, type(uint256).max, NONCE, signature);
    }

    function test_anothersSignatureIsRefused() external {
        bytes memory signature = _authorization("thief", address(this));
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _take(signature);
    }

    function _take(bytes memory signature) private {
        _currency.receiveWithAuthorization(_from, address(this), 60, 0, type(uint256).max, NONCE, signature);
    }

    function _authorization(string memory signer, address to) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Moray test currency"),
                keccak256("1"),
                block.chainid,
                address(_currency)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                _from,
                to,
                uint256(60),
                uint256(0),
                type(uint256).max,
                NONCE
            )
        );
        return signed(keyOf(signer), MessageHashUtils.toTypedDataHash(domain, content));
    }
}
