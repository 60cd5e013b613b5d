// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Bytes that are either in the call itself, and so in the chain's history, or found elsewhere by their hash.
struct Content {
    bytes32 hash; // keccak256 of the bytes
    bytes data; // the bytes, at most MAX_BYTES; empty: `uri` says where they are
    string uri; // empty when `data` is not
}

library Contents {
    uint256 internal constant MAX_BYTES = 8192;
    uint256 internal constant MAX_URI_BYTES = 256;

    /// The bytes do not hash to `hash`.
    error ContentHashWrong();
    /// Neither bytes nor a place to find them, or both.
    error ContentMissing();
    error ContentTooLong();

    function check(bytes32 hash, bytes calldata data, string calldata uri) internal pure {
        bool isInline = data.length != 0;
        require(isInline != (bytes(uri).length != 0), ContentMissing());
        require(data.length <= MAX_BYTES && bytes(uri).length <= MAX_URI_BYTES, ContentTooLong());
        require(!isInline || keccak256(data) == hash, ContentHashWrong());
    }
}
