// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ITaskMarket, Outcome, Task} from "./interfaces/ITaskMarket.sol";

/// A fixed committee: `threshold` of its members sign the same verdict (EIP-712, ERC-1271 for contracts), and anyone
/// brings the signatures. Nobody can change its members; a market's clients and providers choose the resolvers they trust.
contract Resolver is EIP712 {
    uint256 public constant MAX_MEMBERS = 32;
    bytes32 public constant VERDICT_TYPEHASH =
        keccak256("Verdict(address market,bytes32 taskId,bytes32 resultHash,bytes32 transcriptHash,uint8 outcome)");

    /// A whole result, told apart from any other: this market's, this task's, these bytes.
    struct Verdict {
        ITaskMarket market;
        bytes32 resultHash;
        bytes32 transcriptHash;
        Outcome outcome;
    }

    event Resolved(address indexed market, bytes32 indexed taskId, Outcome outcome);

    /// Members must be given, and sign, in ascending order without repetition.
    error NotAscending();
    error NotMember(address account);
    error BadSignature(address member);
    error BadCommittee();
    error TooFewSignatures(uint256 given, uint256 needed);
    /// Each signer needs one signature.
    error SignaturesUnpaired(uint256 signers, uint256 signatures);

    uint256 public immutable threshold;
    address[] private _members;
    mapping(address account => bool) public isMember;

    constructor(address[] memory members_, uint256 threshold_) EIP712("Moray Resolver", "1") {
        require(0 < threshold_ && threshold_ <= members_.length && members_.length <= MAX_MEMBERS, BadCommittee());
        address previous = address(0);
        for (uint256 i = 0; i < members_.length; i++) {
            require(members_[i] > previous, NotAscending());
            previous = members_[i];
            isMember[previous] = true;
        }
        _members = members_;
        threshold = threshold_;
    }

    function members() external view returns (address[] memory) {
        return _members;
    }

    /// `signers` ascending, each with its signature over the verdict.
    function resolve(
        Task calldata task,
        Verdict calldata verdict,
        address[] calldata signers,
        bytes[] calldata signatures
    ) external {
        require(signers.length == signatures.length, SignaturesUnpaired(signers.length, signatures.length));
        require(signers.length >= threshold, TooFewSignatures(signers.length, threshold));
        bytes32 taskId = verdict.market.taskId(task);
        bytes32 digest = digestOf(taskId, verdict);
        address previous = address(0);
        for (uint256 i = 0; i < signers.length; i++) {
            address signer = signers[i];
            require(signer > previous, NotAscending());
            require(isMember[signer], NotMember(signer));
            require(SignatureChecker.isValidSignatureNowCalldata(signer, digest, signatures[i]), BadSignature(signer));
            previous = signer;
        }
        emit Resolved(address(verdict.market), taskId, verdict.outcome);
        verdict.market.resolve(task, verdict.resultHash, verdict.transcriptHash, verdict.outcome);
    }

    /// What a member signs.
    function digestOf(bytes32 taskId, Verdict calldata verdict) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    VERDICT_TYPEHASH,
                    verdict.market,
                    taskId,
                    verdict.resultHash,
                    verdict.transcriptHash,
                    verdict.outcome
                )
            )
        );
    }
}
