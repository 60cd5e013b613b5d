// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What decides a model's answers (docs/integer-expert.md, "Commitments"). Its id is the hash of it.
struct Model {
    uint32 specification; // version of the integer expert's
    uint32 hiddenSize;
    uint32 moeIntermediateSize;
    uint32 numExperts;
    uint32 numLayers;
    uint32 vocabSize;
    uint32 firstMoeLayer;
    uint32 numMoeLayers;
    bytes32 numericClassHash; // keccak256 of its name
    bytes32 tableDigest; // of the integer expert's sigmoid table; 0 for floats
    bytes32 weightRoot; // Merkle root over every row of every expert; 0 for floats
    bytes32 manifestDigest; // of the sharded folder's manifest
}

/// Models by content: anyone registers one, nobody owns or changes one, and an id says all about it.
contract ModelRegistry {
    event ModelRegistered(bytes32 indexed id, Model model);
    /// Somebody says where a model's manifest is. Whoever fetches it checks it against the id.
    event ModelLocated(bytes32 indexed id, address indexed by, string uri);

    error AlreadyRegistered(bytes32 id);
    error NotRegistered(bytes32 id);
    error SizeZero();
    error WeightsUncommitted();
    error UriTooLong();

    uint256 public constant MAX_URI_BYTES = 256;

    mapping(bytes32 id => bytes32) public weightRootOf;
    mapping(bytes32 id => bool) public isRegistered;

    function register(Model calldata model) external returns (bytes32 id) {
        require(
            model.specification != 0 && model.hiddenSize != 0 && model.moeIntermediateSize != 0 && model.numExperts != 0
                && model.numLayers != 0 && model.vocabSize != 0 && model.numMoeLayers != 0,
            SizeZero()
        );
        // Integer weights are committed to whole, or the model is of floats and commits through its manifest alone.
        require((model.weightRoot == 0) == (model.tableDigest == 0) && model.manifestDigest != 0, WeightsUncommitted());
        id = modelId(model);
        require(!isRegistered[id], AlreadyRegistered(id));
        isRegistered[id] = true;
        weightRootOf[id] = model.weightRoot;
        emit ModelRegistered(id, model);
    }

    function locate(bytes32 id, string calldata uri) external {
        require(isRegistered[id], NotRegistered(id));
        require(bytes(uri).length <= MAX_URI_BYTES, UriTooLong());
        emit ModelLocated(id, msg.sender, uri);
    }

    function modelId(Model calldata model) public pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encodePacked(
                    model.specification,
                    model.hiddenSize,
                    model.moeIntermediateSize,
                    model.numExperts,
                    model.numLayers,
                    model.vocabSize,
                    model.firstMoeLayer,
                    model.numMoeLayers
                ),
                abi.encodePacked(model.numericClassHash, model.tableDigest, model.weightRoot, model.manifestDigest)
            )
        );
    }
}
