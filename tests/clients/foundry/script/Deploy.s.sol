// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Ledger} from "../contracts/Ledger.sol";

/// The part of Foundry's cheat codes that a script needs.
interface Vm {
    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
    function addr(uint256 key) external returns (address);
    function envUint(string calldata name) external returns (uint256);
}

contract Deploy {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bool public constant IS_SCRIPT = true;

    function run() external returns (Ledger ledger) {
        uint256 key = VM.envUint("DEPLOYER_KEY");
        VM.startBroadcast(key);
        ledger = new Ledger(1_000);
        ledger.move(address(0x57a9), 10);
        // By the deterministic deployer: the address depends on the salt and the code alone.
        Ledger salted = new Ledger{salt: bytes32(uint256(7))}(5);
        VM.stopBroadcast();
        require(ledger.held(VM.addr(key)) == 990, "wrong balance");
        require(address(salted).code.length > 0, "no code");
    }
}
