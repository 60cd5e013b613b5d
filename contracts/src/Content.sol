// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Bytes that are either in the call itself, and so in the chain's history, or found elsewhere by their hash.
struct Content {
    bytes32 hash; // keccak256 of the bytes
    bytes data; // the bytes, at most MAX_BYTES
    string uri; // where they are when they are not in `data`; otherwise empty
}

library Contents {
    uint256 internal constant MAX_BYTES = 8192;
    uint256 internal constant MAX_URI_BYTES = 256;

    /// The bytes do not hash to `hash`, or neither they nor a place to find them are given.
    error ContentHashWrong();
    /// Both bytes and a place to find them.
    error ContentTwice();
    error ContentTooLong();

    function check(bytes32 hash, bytes calldata data, string calldata uri) internal pure {
        require(data.length <= MAX_BYTES && bytes(uri).length <= MAX_URI_BYTES, ContentTooLong());
        if (bytes(uri).length == 0) require(keccak256(data) == hash, ContentHashWrong()); // also of no bytes at all
        else require(data.length == 0, ContentTwice());
    }
}
