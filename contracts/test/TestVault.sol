// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// An ERC-4626 vault that earns what anyone sends it: for development chains only. Its share has 6 decimals more than
/// its asset (virtual shares), so that a first depositor cannot inflate the price of one against the second.
contract TestVault is ERC4626 {
    constructor(IERC20 asset_) ERC20("Moray test vault", "mvault") ERC4626(asset_) {}

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
