// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// Nodes, who operates them, with which keys they sign, and their stake. No administrator exists. Stake can be taken only
/// by a slasher that its operator chose, only up to what was allotted to it, and once for each of its references.
///
/// Whoever relies on stake must ask for what is allotted to a slasher that they trust (`stakes`). An operator can allot
/// the rest to a slasher of its own and take it out through that one without waiting.
// forge-lint: disable-next-item(block-timestamp): clocks run for hours to weeks, a proposer shifts them by seconds
contract NodeRegistry is EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    bytes32 public constant SIGNER_TYPEHASH = keccak256("Signer(address operator,address signer,uint256 deadline)");
    uint256 public constant DISPUTE_TIME_S = 48 hours;
    uint256 public constant JAIL_TIME_S = 7 days;
    uint256 public constant MAX_UNBONDING_TIME_S = 365 days;
    /// The slasher of stake that is allotted to none.
    address public constant NOBODY = address(0);

    /// A node's stake for one slasher. All of it is slashable, also what is leaving.
    struct Stake {
        uint128 bonded;
        uint128 unbonding;
        uint64 unbondsAt; // the second from which `unbonding` can be withdrawn
    }

    struct Signer {
        uint256 nodeId; // 0: nobody's
        uint64 since;
        uint64 until; // 0: it still signs
    }

    event NodeRegistered(uint256 indexed nodeId, address indexed operator, address indexed signer);
    event SignerChanged(uint256 indexed nodeId, address indexed previous, address indexed current);
    event StakeDeposited(uint256 indexed nodeId, uint256 amount);
    event StakeAllotted(uint256 indexed nodeId, address indexed slasher, uint256 amount);
    event UnbondingStarted(uint256 indexed nodeId, address indexed slasher, uint256 amount, uint64 unbondsAt);
    event StakeWithdrawn(uint256 indexed nodeId, address indexed slasher, uint256 amount);
    event Slashed(
        uint256 indexed nodeId, address indexed slasher, bytes32 indexed ref, uint256 amount, address beneficiary
    );
    event Unjailed(uint256 indexed nodeId);
    event Withdrawn(address indexed account, uint256 amount);

    error NoSuchNode(uint256 nodeId);
    error NotOperator(address caller);
    error SignerTaken(address signer);
    error BadSignerProof();
    error ProofExpired(uint256 deadline);
    error ZeroAmount();
    error StakeTooLow(uint256 there, uint256 asked);
    error SlasherIsNoContract(address slasher);
    error NothingUnbonding();
    error StillUnbonding(uint64 until);
    error AlreadySlashed(bytes32 ref);
    error NotJailed();
    error StillJailed(uint64 until);
    error CurrencyUnsound(uint256 asked, uint256 received);
    error NothingOwed(address account);
    error UnbondingTooShort(uint256 given, uint256 needed);
    error UnbondingTooLong(uint256 given, uint256 most);

    IERC20 public immutable currency;
    uint64 public immutable unbondingTime; // seconds

    uint256 public numNodes; // ids are 1 to this
    mapping(uint256 nodeId => address) public operatorOf;
    mapping(uint256 nodeId => address) public signerOf;
    /// Grows only: a key that once signed for a node never signs for another.
    mapping(address signer => Signer) public signers;
    mapping(uint256 nodeId => mapping(address slasher => Stake)) public stakes;
    /// Bonded for all slashers and for none; what is leaving does not count. To look at, not to rely on: see above.
    mapping(uint256 nodeId => uint256) public bondedOf;
    mapping(uint256 nodeId => uint64) public jailedUntil; // 0: not jailed
    mapping(address slasher => mapping(bytes32 ref => bool)) public isSlashed;
    mapping(address account => uint256) public owed;

    /// `claimWindow`: seconds within which a fault can be claimed by the slashers this registry is made for.
    constructor(IERC20 currency_, uint64 unbondingTime_, uint64 claimWindow) EIP712("Moray NodeRegistry", "1") {
        uint256 needed = uint256(claimWindow) + DISPUTE_TIME_S;
        require(unbondingTime_ > needed, UnbondingTooShort(unbondingTime_, needed));
        require(unbondingTime_ <= MAX_UNBONDING_TIME_S, UnbondingTooLong(unbondingTime_, MAX_UNBONDING_TIME_S));
        currency = currency_;
        unbondingTime = unbondingTime_;
    }

    // -- identity -----------------------------------------------------------------------------------------------------

    /// The caller becomes the operator of a new node. `proof`: the signer's signature (EIP-712) that it is this operator's.
    function register(address signer, uint256 deadline, bytes calldata proof) external returns (uint256 nodeId) {
        nodeId = ++numNodes;
        operatorOf[nodeId] = msg.sender;
        emit NodeRegistered(nodeId, msg.sender, signer);
        _setSigner(nodeId, signer, deadline, proof);
    }

    function changeSigner(uint256 nodeId, address signer, uint256 deadline, bytes calldata proof) external {
        _checkOperator(nodeId);
        address previous = signerOf[nodeId];
        signers[previous].until = uint64(block.timestamp);
        emit SignerChanged(nodeId, previous, signer);
        _setSigner(nodeId, signer, deadline, proof);
    }

    /// The node that `signer` signs for now; 0: none.
    function nodeOf(address signer) external view returns (uint256) {
        Signer storage known = signers[signer];
        return known.until == 0 ? known.nodeId : 0;
    }

    // -- stake --------------------------------------------------------------------------------------------------------

    /// Stake that no slasher can take yet. By anyone, for any node.
    function deposit(uint256 nodeId, uint256 amount) external nonReentrant {
        require(operatorOf[nodeId] != address(0), NoSuchNode(nodeId));
        require(amount != 0, ZeroAmount());
        stakes[nodeId][NOBODY].bonded += amount.toUint128();
        bondedOf[nodeId] += amount;
        emit StakeDeposited(nodeId, amount);
        uint256 before = currency.balanceOf(address(this));
        currency.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = currency.balanceOf(address(this)) - before;
        require(received == amount, CurrencyUnsound(amount, received));
    }

    /// Opt in: from now on `slasher` can take this part of the free stake. That it has code guards against a wrong address
    /// only: what the code does is for the operator to read.
    function allot(uint256 nodeId, address slasher, uint256 amount) external {
        _checkOperator(nodeId);
        require(slasher.code.length != 0, SlasherIsNoContract(slasher));
        require(amount != 0, ZeroAmount());
        _takeBonded(stakes[nodeId][NOBODY], amount);
        stakes[nodeId][slasher].bonded += amount.toUint128();
        emit StakeAllotted(nodeId, slasher, amount);
    }

    /// Begin to take stake back from `slasher` (or, with NOBODY, free stake). A second call starts the clock of both anew.
    function unbond(uint256 nodeId, address slasher, uint256 amount) external {
        _checkOperator(nodeId);
        require(amount != 0, ZeroAmount());
        Stake storage stake = stakes[nodeId][slasher];
        _takeBonded(stake, amount);
        stake.unbonding += amount.toUint128();
        stake.unbondsAt = uint64(block.timestamp) + unbondingTime;
        bondedOf[nodeId] -= amount;
        emit UnbondingStarted(nodeId, slasher, amount, stake.unbondsAt);
    }

    /// What has finished unbonding, credited to the operator. By anyone.
    function release(uint256 nodeId, address slasher) external {
        Stake storage stake = stakes[nodeId][slasher];
        uint256 amount = stake.unbonding;
        require(amount != 0, NothingUnbonding());
        require(block.timestamp >= stake.unbondsAt, StillUnbonding(stake.unbondsAt));
        stake.unbonding = 0;
        owed[operatorOf[nodeId]] += amount;
        emit StakeWithdrawn(nodeId, slasher, amount);
    }

    function withdraw(address account) external nonReentrant {
        uint256 amount = owed[account];
        require(amount != 0, NothingOwed(account));
        owed[account] = 0;
        emit Withdrawn(account, amount);
        currency.safeTransfer(account, amount);
    }

    // -- punishment ---------------------------------------------------------------------------------------------------

    /// By a slasher: up to `amount` of what was allotted to it, first from what stays. Also jails the node.
    /// What goes to account 0 is burned: nobody can withdraw it.
    function slash(uint256 nodeId, bytes32 ref, uint256 amount, address beneficiary) external returns (uint256 taken) {
        require(amount != 0, ZeroAmount());
        require(!isSlashed[msg.sender][ref], AlreadySlashed(ref));
        Stake storage stake = stakes[nodeId][msg.sender];
        uint256 bonded = stake.bonded;
        uint256 there = bonded + stake.unbonding;
        require(there != 0, StakeTooLow(0, amount));
        isSlashed[msg.sender][ref] = true;
        taken = amount < there ? amount : there;
        uint256 fromBonded = taken < bonded ? taken : bonded;
        stake.bonded -= fromBonded.toUint128();
        stake.unbonding -= (taken - fromBonded).toUint128();
        bondedOf[nodeId] -= fromBonded;
        owed[beneficiary] += taken;
        jailedUntil[nodeId] = (block.timestamp + JAIL_TIME_S).toUint64();
        emit Slashed(nodeId, msg.sender, ref, taken, beneficiary);
    }

    /// A jailed node stays out until its operator says that it is mended, and not before the time is over.
    function unjail(uint256 nodeId) external {
        _checkOperator(nodeId);
        uint64 until = jailedUntil[nodeId];
        require(until != 0, NotJailed());
        require(block.timestamp >= until, StillJailed(until));
        jailedUntil[nodeId] = 0;
        emit Unjailed(nodeId);
    }

    // -- inside -------------------------------------------------------------------------------------------------------

    function _setSigner(uint256 nodeId, address signer, uint256 deadline, bytes calldata proof) private {
        require(signers[signer].nodeId == 0, SignerTaken(signer));
        require(block.timestamp <= deadline, ProofExpired(deadline));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(SIGNER_TYPEHASH, msg.sender, signer, deadline)));
        // What is left out is a detail of the problem.
        // slither-disable-next-line unused-return
        (address proved, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, proof);
        require(problem == ECDSA.RecoverError.NoError && proved == signer, BadSignerProof());
        signers[signer] = Signer({nodeId: nodeId, since: uint64(block.timestamp), until: 0});
        signerOf[nodeId] = signer;
    }

    function _takeBonded(Stake storage stake, uint256 amount) private {
        require(amount <= stake.bonded, StakeTooLow(stake.bonded, amount));
        stake.bonded -= amount.toUint128();
    }

    function _checkOperator(uint256 nodeId) private view {
        require(operatorOf[nodeId] != address(0), NoSuchNode(nodeId));
        require(operatorOf[nodeId] == msg.sender, NotOperator(msg.sender));
    }
}
