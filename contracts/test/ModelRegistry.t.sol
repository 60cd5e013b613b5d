// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Model, ModelRegistry} from "../src/ModelRegistry.sol";
import {TestKit} from "./kit/TestKit.sol";

/// Each call's success and each of its refusals. That ids are those of Python: tests/contracts/test_model_id.py.
contract ModelRegistryTest is TestKit {
    ModelRegistry private _registry;

    function setUp() external {
        _registry = new ModelRegistry();
    }

    function test_registerKeepsWhatAContractNeeds() external {
        Model memory model = _integerModel();
        bytes32 id = _registry.modelId(model);
        vm.assertFalse(_registry.isRegistered(id));
        vm.expectEmit(address(_registry));
        emit ModelRegistry.ModelRegistered(id, model);
        vm.assertEq(_registry.register(model), id);
        vm.assertTrue(_registry.isRegistered(id));
        vm.assertEq(_registry.weightRootOf(id), model.weightRoot);
    }

    function test_aModelOfFloatsCommitsThroughItsManifest() external {
        Model memory model = _integerModel();
        (model.tableDigest, model.weightRoot) = (0, 0);
        bytes32 id = _registry.register(model);
        vm.assertTrue(_registry.isRegistered(id));
        vm.assertEq(_registry.weightRootOf(id), 0);
    }

    function test_registerRefusesWhatIsThere() external {
        bytes32 id = _registry.register(_integerModel());
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, id));
        vm.prank(account("somebody else"));
        _registry.register(_integerModel());
    }

    function test_everySizeMustBeThere() external {
        for (uint256 i = 0; i < 7; i++) {
            Model memory model = _integerModel();
            if (i == 0) model.specification = 0;
            else if (i == 1) model.hiddenSize = 0;
            else if (i == 2) model.moeIntermediateSize = 0;
            else if (i == 3) model.numExperts = 0;
            else if (i == 4) model.numLayers = 0;
            else if (i == 5) model.vocabSize = 0;
            else model.numMoeLayers = 0;
            vm.expectRevert(ModelRegistry.SizeZero.selector);
            _registry.register(model);
        }
        Model memory denseFirst = _integerModel();
        denseFirst.firstMoeLayer = 0; // a number of a layer, not a size
        vm.assertTrue(_registry.isRegistered(_registry.register(denseFirst)));
    }

    function test_weightsAreCommittedToWhole() external {
        Model memory model = _integerModel();
        model.weightRoot = 0;
        vm.expectRevert(ModelRegistry.WeightsUncommitted.selector);
        _registry.register(model);
        model = _integerModel();
        model.tableDigest = 0;
        vm.expectRevert(ModelRegistry.WeightsUncommitted.selector);
        _registry.register(model);
        model = _integerModel();
        model.manifestDigest = 0;
        vm.expectRevert(ModelRegistry.WeightsUncommitted.selector);
        _registry.register(model);
    }

    function test_locateIsSaidByAnybodyOfAKnownModel() external {
        bytes32 id = _registry.register(_integerModel());
        string memory longest = string(new bytes(256));
        vm.expectEmit(address(_registry));
        emit ModelRegistry.ModelLocated(id, account("mirror"), longest);
        vm.prank(account("mirror"));
        _registry.locate(id, longest);
        vm.expectRevert(ModelRegistry.UriTooLong.selector);
        _registry.locate(id, string(new bytes(257)));
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, keccak256("unknown")));
        _registry.locate(keccak256("unknown"), "https://mirror.example");
    }

    /// Whichever bit of the 160 bytes changes, it is another model.
    function testFuzz_anIdCommitsToEveryField(Model calldata model, uint256 field, uint256 bit) external view {
        bytes memory encoded = abi.encode(model);
        field = bound(field, 0, 11);
        bit = bound(bit, 0, field < 8 ? 31 : 255);
        // forge-lint: disable-next-line(unsafe-typecast)
        encoded[32 * field + 31 - bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        Model memory other = abi.decode(encoded, (Model));
        vm.assertNotEq(_registry.modelId(model), _registry.modelId(other));
    }

    function _integerModel() private pure returns (Model memory) {
        return Model({
            specification: 1,
            hiddenSize: 64,
            moeIntermediateSize: 32,
            numExperts: 8,
            numLayers: 4,
            vocabSize: 256,
            firstMoeLayer: 1,
            numMoeLayers: 3,
            numericClassHash: keccak256("int8"),
            tableDigest: keccak256("table"),
            weightRoot: keccak256("weights"),
            manifestDigest: keccak256("manifest")
        });
    }
}
