#!/usr/bin/env python3
"""The development methods of two nodes, side by side.

    tests/clients/matrix.py OURS ANVIL

OURS is the URL of a new `actoreum --dev`, which offers eth, net, web3, evm, anvil, hardhat and tenderly,
ANVIL that of a new `anvil --chain-id 1337`, version 1.7.1. Each step calls a method on
both, and compares the type or the shape of the results (an error is a type of its own), and the effect
where a step asks for one. Prints what differs, with its reason where it is known, and fails if one is
not known. The nodes are changed.
"""

import json
import sys
import urllib.request

TIMEOUT = 60
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
SECOND = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SOMEBODY = "0x1111111111111111111111111111111111111111"
TOKEN = "0x4444444444444444444444444444444444444444"
HASH = "0x" + "11" * 32
SIGNATURE = "0x" + "22" * 64 + "1b"
ETHER = hex(10**18)
# Returns mapping(address => uint256) of slot 3 for any call with an address.
TOKEN_CODE = "0x600435600052600360205260406000205460005260206000f3"
# The precompile ECRECOVER's input with the signature above.
RECOVER = "0x" + "33" * 32 + f"{27:064x}" + "22" * 64

# Differences by the label of their step, with their reasons.
KNOWN = {
    "blocks of anvil_setBalance": "a state edit is a block of its own (ADR 5)",
    "blocks of anvil_setChainId": "the same: the chain id of earlier blocks stays",
    "evm_mine blocks": "ganache's {\"blocks\": n} is taken, too",
    "evm_mine {}": "empty options are taken, too",
    "evm_setIntervalMining range": "Hardhat's [min, max] is taken, too",
    "anvil_setPrevRandao": "Hardhat's hardhat_setPrevRandao has anvil's name, too",
    "anvil_setChainId hex": "hex strings are taken, too",
    "anvil_impersonateSignature": "anvil 1.7.1 takes both arguments as one array; here both forms work",
    "sent after a change of the chain id": "anvil's accounts keep signing for the first chain id",
    "eth_sendTransactionSync": "the receipt is that of eth_getTransactionReceipt, without blockTimestamp",
    "anvil_rollback": "anvil 1.7.1 takes no call without an argument, only null",
}
for name in (
    "hardhat_setPrevRandao",
    "hardhat_intervalMine",
    "hardhat_getStackTraceFailuresCount",
    "hardhat_addCompilationResult",
    "evm_addAccount",
    "evm_removeAccount",
    "evm_unlockUnknownAccount",
    "evm_lockUnknownAccount",
    "evm_setAccountBalance",
    "evm_setAccountCode",
    "evm_setAccountStorageAt",
    "anvil_getBlobsByBlockId",
    "anvil_getBlobSidecarsByBlockId",
):
    KNOWN[name] = "a method of Hardhat, ganache or an earlier anvil, which anvil 1.7.1 has not"


class Failed(Exception):
    pass


class Node:
    def __init__(self, url):
        self.url = url

    def __call__(self, method, *params):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            answer = json.load(answer)
        if "error" in answer:
            raise Failed(answer["error"]["message"])
        return answer["result"]

    def number(self):
        return int(self("eth_blockNumber"), 16)

    def head(self):
        return self("eth_getBlockByNumber", "latest", False)


def shape(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + (shape(value[0]) if value else "") + "]"
    if isinstance(value, str):
        return "hex string" if value.startswith("0x") else "string"
    return type(value).__name__


def call(method, *params):
    """A step that compares the shapes of the results."""
    return method, lambda node: shape(node(method, *params))


def named(label, method, *params):
    return label, lambda node: shape(node(method, *params))


def equal(label, ask):
    """A step that compares the results themselves."""
    return label, lambda node: json.dumps(ask(node), sort_keys=True)


def blocks_of(method, *params):
    def count(node):
        before = node.number()
        node(method, *params)
        return node.number() - before

    return equal(f"blocks of {method}", count)


def times_of(method, *params):
    def times(node):
        before = node.number()
        node(method, *params)
        stamps = [
            int(node("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)
            for number in range(before, node.number() + 1)
        ]
        return [after - before for before, after in zip(stamps, stamps[1:])]

    return equal(f"times of {method}", times)


def transfer(**more):
    return {"from": OWNER, "to": SOMEBODY, "value": "0x1", "gas": "0x5208", **more}


def mined_on_return(node):
    return node("eth_getTransactionReceipt", node("eth_sendTransaction", transfer())) is not None


def dropped(node):
    node("evm_setAutomine", False)
    hash = node("eth_sendTransaction", transfer())
    answer = shape(node("anvil_dropTransaction", hash))
    gone = node("eth_getTransactionByHash", hash) is None
    node("evm_setAutomine", True)
    return [answer, gone]


def snapshot(node):
    first = node("evm_snapshot")
    node("evm_mine")
    number = node.number()
    answers = [node("evm_revert", first), number - node.number(), node("evm_revert", first)]
    return [*answers, int(node("evm_snapshot"), 16) - int(first, 16)]


def impersonated(node):
    node("anvil_impersonateAccount", SOMEBODY)
    node("anvil_setBalance", SOMEBODY, ETHER)
    sent = node("eth_sendTransaction", {"from": SOMEBODY, "to": OWNER, "value": "0x1"})
    status = node("eth_getTransactionReceipt", sent)["status"]
    node("anvil_stopImpersonatingAccount", SOMEBODY)
    return status


def next_block(field, method, *params):
    def read(node):
        node(method, *params)
        node("evm_mine")
        return node.head()[field]

    return equal(f"{field} after {method}", read)


def changed_chain_id(node):
    before = int(node("eth_chainId"), 16)
    node("anvil_setChainId", 31_999)
    opcode = node("eth_call", {"data": "0x4660005260206000f3"}, "latest")
    answers = [node("eth_chainId"), node("net_version"), opcode]
    node("anvil_setChainId", before)
    return [*answers, int(node("eth_chainId"), 16) == before]


def sent_with_chain_id(node):
    before = int(node("eth_chainId"), 16)
    node("anvil_setChainId", 31_999)
    try:
        return mined_on_return(node)
    finally:
        node("anvil_setChainId", before)


def recovered(node):
    node("anvil_impersonateSignature", [SIGNATURE, SOMEBODY])
    return node("eth_call", {"to": "0x" + "00" * 19 + "01", "data": RECOVER}, "latest")


def reloaded(node):
    node("anvil_setBalance", SOMEBODY, "0x1234")
    state = node("anvil_dumpState")
    node("anvil_setBalance", SOMEBODY, "0x1")
    return [node("anvil_loadState", state), node("eth_getBalance", SOMEBODY, "latest")]


STEPS = [
    equal("mined on return", mined_on_return),
    equal("impersonated", impersonated),
    call("anvil_impersonateAccount", SOMEBODY),
    call("hardhat_impersonateAccount", SOMEBODY),
    call("anvil_stopImpersonatingAccount", SOMEBODY),
    call("hardhat_stopImpersonatingAccount", SOMEBODY),
    call("anvil_autoImpersonateAccount", True),
    call("hardhat_autoImpersonateAccount", False),
    call("anvil_impersonateSignature", SIGNATURE, SOMEBODY),
    equal("impersonated signature", recovered),
    call("anvil_getAutomine"),
    call("hardhat_getAutomine"),
    call("anvil_setAutomine", False),
    call("evm_setAutomine", True),
    blocks_of("anvil_mine"),
    call("anvil_mine", None, None),
    call("hardhat_mine", "0x2", 3),
    times_of("anvil_mine", 3, 10),
    call("evm_mine"),
    call("evm_mine", None),
    named("evm_mine {}", "evm_mine", {}),
    named("evm_mine blocks", "evm_mine", {"blocks": 3}),
    named("evm_mine past", "evm_mine", 1),
    call("evm_mine_detailed"),
    call("anvil_mine_detailed"),
    call("anvil_setIntervalMining", 3_600),
    call("anvil_getIntervalMining"),
    call("evm_setIntervalMining", 0),
    named("evm_setIntervalMining range", "evm_setIntervalMining", [1_000, 2_000]),
    named("no interval", "anvil_setIntervalMining", 0),
    named("interval after its end", "anvil_getIntervalMining"),
    named("automine after the interval", "evm_setAutomine", True),
    equal("snapshot", snapshot),
    call("anvil_snapshot"),
    named("evm_revert unknown", "evm_revert", "0xff"),
    named("anvil_revert unknown", "anvil_revert", "0xff"),
    blocks_of("anvil_setBalance", SOMEBODY, ETHER),
    *(call(f"{space}_setBalance", SOMEBODY, "0x10") for space in ("anvil", "hardhat", "tenderly")),
    named("tenderly_setBalance list", "tenderly_setBalance", [SOMEBODY], "0x10"),
    *(call(f"{space}_addBalance", SOMEBODY, "0x1") for space in ("anvil", "hardhat", "tenderly")),
    equal("balance", lambda node: node("eth_getBalance", SOMEBODY, "latest")),
    *(call(method, SOMEBODY, "0x64") for method in ("anvil_setNonce", "hardhat_setNonce", "evm_setAccountNonce")),
    equal("nonce", lambda node: node("eth_getTransactionCount", SOMEBODY, "latest")),
    *(call(f"{space}_setCode", TOKEN, TOKEN_CODE) for space in ("anvil", "hardhat")),
    *(call(f"{space}_setStorageAt", TOKEN, "0x0", "0x" + "00" * 31 + "2a") for space in ("anvil", "hardhat")),
    call("anvil_dealERC20", SOMEBODY, TOKEN, "0x64"),
    call("hardhat_dealERC20", SOMEBODY, TOKEN, "0x64"),
    call("anvil_setERC20Balance", SOMEBODY, TOKEN, "0x65"),
    equal("token", lambda node: node("eth_call", {"to": TOKEN, "data": "0x70a08231" + "00" * 12 + SOMEBODY[2:]}, "latest")),
    call("anvil_setERC20Allowance", OWNER, SECOND, TOKEN, "0x65"),
    call("evm_setAccountBalance", SOMEBODY, "0x10"),
    call("evm_setAccountCode", SOMEBODY, "0x6001"),
    call("evm_setAccountStorageAt", SOMEBODY, "0x0", "0x1"),
    call("evm_addAccount", SOMEBODY, "secret"),
    call("evm_removeAccount", SOMEBODY, "secret"),
    call("evm_unlockUnknownAccount", SOMEBODY),
    call("evm_lockUnknownAccount", SOMEBODY),
    next_block("miner", "anvil_setCoinbase", SECOND),
    call("hardhat_setCoinbase", "0x" + "00" * 20),
    call("anvil_setMinGasPrice", "0x1"),
    call("hardhat_setMinGasPrice", "0x1"),
    next_block("baseFeePerGas", "anvil_setNextBlockBaseFeePerGas", "0x77359400"),
    call("hardhat_setNextBlockBaseFeePerGas", "0x77359400"),
    call("anvil_setPrevRandao", HASH),
    call("hardhat_setPrevRandao", HASH),
    next_block("gasLimit", "anvil_setBlockGasLimit", "0x1312d00"),
    call("evm_setBlockGasLimit", "0x1c9c380"),
    call("anvil_setTime", 4_000_000_000),
    call("evm_setTime", 4_000_001_000),
    call("anvil_increaseTime", 60),
    call("evm_increaseTime", "0x3c"),
    named("evm_increaseTime decimal", "evm_increaseTime", "60"),
    named("evm_increaseTime negative", "evm_increaseTime", -60),
    next_block("timestamp", "anvil_setNextBlockTimestamp", 4_000_100_000),
    next_block("timestamp", "evm_setNextBlockTimestamp", 4_000_100_007),
    named("evm_setNextBlockTimestamp past", "evm_setNextBlockTimestamp", 7),
    call("anvil_setBlockTimestampInterval", 7),
    call("anvil_removeBlockTimestampInterval"),
    named("anvil_removeBlockTimestampInterval again", "anvil_removeBlockTimestampInterval"),
    call("anvil_getGenesisTime"),
    equal("dropped", dropped),
    named("anvil_dropTransaction unknown", "anvil_dropTransaction", HASH),
    named("hardhat_dropTransaction unknown", "hardhat_dropTransaction", HASH),
    call("anvil_dropAllTransactions"),
    call("hardhat_dropAllTransactions"),
    call("anvil_removePoolTransactions", OWNER),
    call("anvil_setLoggingEnabled", False),
    call("hardhat_setLoggingEnabled", True),
    call("hardhat_addCompilationResult", "0.8.28", {}, {}),
    call("hardhat_getStackTraceFailuresCount"),
    call("hardhat_intervalMine"),
    equal("chain id", changed_chain_id),
    equal("sent after a change of the chain id", sent_with_chain_id),
    blocks_of("anvil_setChainId", 1_337),
    call("anvil_setChainId", 1_337),
    named("anvil_setChainId hex", "anvil_setChainId", "0x539"),
    call("anvil_getBlobByHash", HASH),
    call("anvil_getBlobsByTransactionHash", HASH),
    call("anvil_getBlobsByBlockId", "latest", []),
    call("anvil_getBlobSidecarsByBlockId", "latest"),
    call("anvil_nodeInfo"),
    call("anvil_metadata"),
    call("hardhat_metadata"),
    call("eth_networkId"),
    call("eth_requestAccounts"),
    call("eth_sendUnsignedTransaction", {"from": SOMEBODY, "to": OWNER, "value": "0x0"}),
    call("eth_sendTransactionSync", transfer()),
    call("anvil_rollback"),
    named("anvil_rollback null", "anvil_rollback", None),
    named("anvil_rollback one", "anvil_rollback", 1),
    call("anvil_reorg", 1, []),
    equal("state dumped and loaded", reloaded),
    call("anvil_dumpState"),
    call("hardhat_dumpState"),
    call("web3_clientVersion"),
    call("anvil_reset"),
    call("hardhat_reset"),
]


def result(step, node):
    try:
        return step(node)
    except Failed as error:
        absent = ("not found" in str(error)) or ("does not exist" in str(error))
        return "no such method" if absent else "error"


def main(ours, anvil):
    nodes = Node(ours), Node(anvil)
    differing, unknown = 0, 0
    for label, step in STEPS:
        here, there = (result(step, node) for node in nodes)
        if here == there:
            continue
        differing += 1
        reason = KNOWN.get(label)
        unknown += reason is None
        print(f"{label}\n  ours   {here}\n  anvil  {there}\n  {reason or 'NOT KNOWN'}")
    print(f"{len(STEPS)} steps, {differing} differ, {unknown} of them for no known reason")
    return unknown


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:3])))
