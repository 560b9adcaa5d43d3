// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// The contract that the Hardhat project and the Foundry script deploy: a call, a log, a revert
/// with a reason, a custom error, a panic.
contract Ledger {
    error TooMuch(uint256 asked, uint256 held);

    event Moved(address indexed from, address indexed to, uint256 amount);

    mapping(address => uint256) public held;

    constructor(uint256 supply) {
        held[msg.sender] = supply;
        emit Moved(address(0), msg.sender, supply);
    }

    function move(address to, uint256 amount) external {
        require(to != address(0), "nobody there");
        uint256 mine = held[msg.sender];
        if (amount > mine) revert TooMuch(amount, mine);
        held[msg.sender] = mine - amount;
        held[to] += amount;
        emit Moved(msg.sender, to, amount);
    }

    function divide(uint256 by) external view returns (uint256) {
        return held[msg.sender] / by;
    }
}
