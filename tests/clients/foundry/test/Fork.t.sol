// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Ledger} from "../contracts/Ledger.sol";

/// The part of Foundry's cheat codes that the tests need.
interface Vm {
    function envAddress(string calldata name) external returns (address);
    function prank(address sender) external;
    function rollFork(uint256 number) external;
}

/// Tests in forge's own EVM, on a fork of the node's chain.
contract ForkTest {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Ledger private ledger;

    function setUp() external {
        ledger = Ledger(VM.envAddress("LEDGER"));
    }

    function testReadsTheStateOfTheNode() external view {
        require(ledger.held(address(0x57a9)) == 10, "wrong balance");
        require(address(ledger).code.length > 0, "no code");
        require(block.number > 0 && block.chainid == 1337, "another chain");
    }

    function testChangesItsOwnStateAlone() external {
        VM.prank(address(0x57a9));
        ledger.move(address(this), 4);
        require(ledger.held(address(this)) == 4, "wrong balance");
    }

    function testReadsAnEarlierBlock() external {
        VM.rollFork(0);
        require(address(ledger).code.length == 0, "the contract is not there yet");
    }
}
