"""A contract that the tools deploy, and the report of a step.

    n: public(uint256)

    @external
    def set(v: uint256):
        assert v != 13, "unlucky"
        self.n = v
"""

import sys
import traceback

ABI = [
    {"stateMutability": "nonpayable", "type": "function", "name": "set",
     "inputs": [{"name": "v", "type": "uint256"}], "outputs": []},
    {"stateMutability": "view", "type": "function", "name": "n",
     "inputs": [], "outputs": [{"name": "", "type": "uint256"}]},
]
# Compiled by vyper 0.4.3.
BYTECODE = (
    "0x6100d661000f6000396100d66000f35f3560e01c60026001821660011b6100d201601e395f51565b6360fe"
    "47b181186100ca576024361034176100ce57600d600435186100a85760208060a05260076040527f756e6c75"
    "636b790000000000000000000000000000000000000000000000000060605260408160a001602782825e8051"
    "806020830101601f825f03163682375050601f19601f8251602001011690509050810190506308c379a06080"
    "5280600401609cfd5b6004355f55005b632e52d60681186100ca57346100ce575f5460405260206040f35b5f"
    "5ffd5b5f80fd00af001885582057ab85a0576d598aad86675c07b37e8decdddac0405a92a51848dc6ad12677"
    "1d18d6810400a1657679706572830004030035"
)
RUNTIME = (
    "0x5f3560e01c60026001821660011b6100d201601e395f51565b6360fe47b181186100ca5760243610341761"
    "00ce57600d600435186100a85760208060a05260076040527f756e6c75636b79000000000000000000000000"
    "0000000000000000000000000060605260408160a001602782825e8051806020830101601f825f0316368237"
    "5050601f19601f8251602001011690509050810190506308c379a060805280600401609cfd5b6004355f5500"
    "5b632e52d60681186100ca57346100ce575f5460405260206040f35b5f5ffd5b5f80fd00af0018"
)

OTHER = "0x00000000000000000000000000000000000057A9"


def run(steps):
    """Runs all steps, also after one that failed, and ends the process."""
    failed = 0
    for step in steps:
        try:
            step()
            print("ok", step.__name__)
        except BaseException:  # A tool may raise anything.
            failed += 1
            print("FAILED", step.__name__)
            traceback.print_exc(limit=-4)
    sys.exit(failed)
