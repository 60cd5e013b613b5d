// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// Who pays whom, and with whose signature. One channel for each such three, and its balance is its own.
struct Channel {
    address payer; // the router's operator, whose money it is
    address signer; // the router's key that signs vouchers
    address payee; // the node's operator, who is paid
}

/// A promise to pay `cumulative` in all since the channel exists; the later one includes the earlier.
struct Voucher {
    bytes32 channel;
    uint256 cumulative;
    uint64 epoch;
    bytes32 commitment; // the node's root over the work that it is paid for
}

/// A router's deposits for nodes, one by one, and cumulative vouchers against them.
///
/// A voucher is a key's signature and nothing else: a contract's (ERC-1271) could be withdrawn after the work is done, and
/// so could a key's if the account's code were asked, which its owner can set at any time (EIP-7702).
// forge-lint: disable-next-item(block-timestamp): clocks run for hours to weeks, a proposer shifts them by seconds
contract PaymentChannels is EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channel,uint256 cumulative,uint64 epoch,bytes32 commitment)");
    uint64 public constant CLOSING_TIME_S = 24 hours;

    struct State {
        uint256 deposited; // since ever
        uint256 paid; // since ever, to the payee
        uint64 closesAt; // 0: open; from this second the payer can take the rest
    }

    event Deposited(
        bytes32 indexed channel, address indexed payer, address indexed payee, address signer, uint256 amount
    );
    event Claimed(bytes32 indexed channel, uint256 amount, uint256 cumulative, uint64 epoch, bytes32 commitment);
    event Closing(bytes32 indexed channel, uint64 closesAt);
    event Closed(bytes32 indexed channel, uint256 returned);

    error NotPayer(address caller);
    error ZeroAmount();
    error ZeroPayee();
    error ChannelClosing(uint64 closesAt);
    error NotClosing();
    error StillOpen(uint64 closesAt);
    error WrongChannel(bytes32 expected);
    error BadVoucher();
    error NothingToClaim();
    error CurrencyUnsound(uint256 asked, uint256 received);

    IERC20 public immutable currency;
    // Written through references, which slither does not follow.
    // slither-disable-next-line uninitialized-state
    mapping(bytes32 channel => State) public stateOf;

    constructor(IERC20 currency_) EIP712("Moray PaymentChannels", "1") {
        currency = currency_;
    }

    /// Open the channel or add to it. By the payer alone, so that nobody else's money gets stuck in it.
    function deposit(Channel calldata channel, uint256 amount) external nonReentrant {
        require(msg.sender == channel.payer, NotPayer(msg.sender));
        require(channel.payee != address(0), ZeroPayee());
        require(amount != 0, ZeroAmount());
        bytes32 id = channelId(channel);
        State storage state = stateOf[id];
        require(state.closesAt == 0, ChannelClosing(state.closesAt));
        state.deposited += amount;
        emit Deposited(id, channel.payer, channel.payee, channel.signer, amount);
        uint256 before = currency.balanceOf(address(this));
        currency.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = currency.balanceOf(address(this)) - before;
        require(received == amount, CurrencyUnsound(amount, received));
    }

    /// Pay the payee what the voucher promises beyond what was paid, as far as the deposit goes. By anyone.
    function claim(Channel calldata channel, Voucher calldata voucher, bytes calldata signature) external nonReentrant {
        bytes32 id = channelId(channel);
        require(voucher.channel == id, WrongChannel(id));
        // What is left out is a detail of the problem.
        // slither-disable-next-line unused-return
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digestOf(voucher), signature);
        require(problem == ECDSA.RecoverError.NoError && signer == channel.signer, BadVoucher());
        State storage state = stateOf[id];
        uint256 due = voucher.cumulative < state.deposited ? voucher.cumulative : state.deposited;
        require(due > state.paid, NothingToClaim());
        uint256 amount = due - state.paid;
        state.paid = due;
        emit Claimed(id, amount, voucher.cumulative, voucher.epoch, voucher.commitment);
        currency.safeTransfer(channel.payee, amount);
    }

    /// Announce the end: the payee has 24 h to claim.
    function close(Channel calldata channel) external {
        require(msg.sender == channel.payer, NotPayer(msg.sender));
        bytes32 id = channelId(channel);
        State storage state = stateOf[id];
        require(state.closesAt == 0, ChannelClosing(state.closesAt));
        state.closesAt = uint64(block.timestamp) + CLOSING_TIME_S;
        emit Closing(id, state.closesAt);
    }

    /// Return the rest to the payer. By anyone. The channel can be opened again; its sums go on, so a voucher that was not
    /// claimed in time counts again.
    function settle(Channel calldata channel) external nonReentrant {
        bytes32 id = channelId(channel);
        State storage state = stateOf[id];
        require(state.closesAt != 0, NotClosing());
        require(block.timestamp >= state.closesAt, StillOpen(state.closesAt));
        uint256 rest = state.deposited - state.paid;
        state.deposited = state.paid;
        state.closesAt = 0;
        emit Closed(id, rest);
        if (rest != 0) currency.safeTransfer(channel.payer, rest);
    }

    /// What the payee can still be promised beyond its last voucher's `cumulative`: 0 while the channel closes. A payee that
    /// lost that voucher passes less than was paid, which counts.
    function headroom(Channel calldata channel, uint256 cumulative) external view returns (uint256) {
        State storage state = stateOf[channelId(channel)];
        if (state.closesAt != 0) return 0;
        uint256 promised = cumulative > state.paid ? cumulative : state.paid;
        return promised < state.deposited ? state.deposited - promised : 0;
    }

    function channelId(Channel calldata channel) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), channel));
    }

    /// What the signer signs.
    function digestOf(Voucher calldata voucher) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(VOUCHER_TYPEHASH, voucher.channel, voucher.cumulative, voucher.epoch, voucher.commitment)
            )
        );
    }
}
