// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
import "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";

contract UpBox is Initializable {
    uint256 public value;

    function initialize(uint256 v) public initializer {
        value = v;
    }

    function store(uint256 v) public {
        value = v;
    }
}

contract UpBoxV2 is Initializable {
    uint256 public value;

    function initialize(uint256 v) public initializer {
        value = v;
    }

    function store(uint256 v) public {
        value = v;
    }

    function inc() public {
        value += 1;
    }
}
