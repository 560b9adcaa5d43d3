"""Foundry's cast, as a user types it."""

import json
import os
import queue
import subprocess
import threading

KEYS = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
]
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
POOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
RECIPIENT = "0x00000000000000000000000000000000000057a9"
TRANSFERRED = "Transfer(address indexed,address indexed,uint256)"
TIMEOUT = 30
HTTP, WS = os.environ["RPC_HTTP"], os.environ["RPC_WS"]

with open(os.environ["WORK_JSON"], encoding="utf-8") as file:
    WORK = json.load(file)


def command(*arguments, url=HTTP):
    tool, *rest = map(str, arguments)
    return [os.environ["CAST"], tool, "--rpc-url", url, *rest]


def cast(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, f"cast {arguments}: {done.stderr}"
    return done.stdout.strip()


def refused(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode != 0, f"cast {arguments} did not fail"
    return done.stderr


def step(name):
    def run(function):
        result = function()
        print("ok", name, flush=True)
        return result

    return run


@step("deploys")
def work():
    receipt = json.loads(cast("send", "--json", "--private-key", KEYS[0], "--create", WORK["bytecode"]))
    assert int(receipt["status"], 16) == 1
    assert cast("code", receipt["contractAddress"]) != "0x"
    return receipt["contractAddress"]


@step("calls")
def _():
    assert cast("call", work, "balanceOf(address)(uint256)", OWNER).split()[0] == str(10**30)
    assert cast("call", work, "balanceOf(address)(uint256)", RECIPIENT) == "0"


@step("sends, and reads the log")
def _():
    sent = cast("send", "--json", "--private-key", KEYS[0], work, "transfer(address,uint256)", RECIPIENT, 5)
    receipt = json.loads(sent)
    (log,) = json.loads(cast("logs", "--json", "--from-block", 0, "--address", work, TRANSFERRED, OWNER))
    assert log["transactionHash"] == receipt["transactionHash"]
    assert int(log["data"], 16) == 5


@step("watches a pending transaction until it is mined")
def _():
    cast("rpc", "evm_setAutomine", "false")
    sent = cast("send", "--async", "--private-key", KEYS[0], work, "mint(address,uint256)", RECIPIENT, 7)
    pending = json.loads(cast("tx", "--json", sent))
    assert pending.get("blockNumber") is None
    with subprocess.Popen(command("receipt", "--json", sent), stdout=subprocess.PIPE, text=True) as watching:
        cast("rpc", "evm_setAutomine", "true")
        receipt = json.loads(watching.communicate(timeout=TIMEOUT)[0])
    assert int(receipt["status"], 16) == 1
    assert int(receipt["blockNumber"], 16) == int(cast("block-number"))


@step("subscribes over WebSocket")
def _():
    arguments = command("logs", "--subscribe", "--address", work, TRANSFERRED, url=WS)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as following:
        lines = queue.Queue()

        def read():
            for line in following.stdout:
                lines.put(line)

        threading.Thread(target=read, daemon=True).start()
        try:
            # cast does not report when its subscription is set up: the log of one of these is
            # enough.
            for _ in range(TIMEOUT):
                cast("send", "--private-key", KEYS[0], work, "mint(address,uint256)", RECIPIENT, 11)
                try:
                    lines.get(timeout=1)
                    break
                except queue.Empty:
                    continue
            else:
                raise AssertionError("no log came")
        finally:
            following.terminate()


@step("catches a revert's reason")
def _():
    assert "low" in refused("call", "--from", POOR, work, "transfer(address,uint256)", RECIPIENT, 1)
    assert "low" in refused("estimate", "--from", POOR, work, "transfer(address,uint256)", RECIPIENT, 1)
    assert "low" in refused("send", "--private-key", KEYS[1], work, "transfer(address,uint256)", RECIPIENT, 1)


@step("uses the node's own accounts, and edits the state")
def _():
    sent = json.loads(cast("send", "--json", "--unlocked", "--from", POOR, RECIPIENT, "--value", 3))
    assert int(sent["status"], 16) == 1
    cast("rpc", "anvil_setBalance", RECIPIENT, "0xde0b6b3a7640000")
    assert cast("balance", RECIPIENT) == str(10**18)
    cast("rpc", "anvil_impersonateAccount", RECIPIENT)
    sent = json.loads(cast("send", "--json", "--unlocked", "--from", RECIPIENT, POOR, "--value", 1))
    assert int(sent["status"], 16) == 1


@step("reads the chain")
def _():
    assert cast("chain-id") == "1337"
    assert int(cast("gas-price")) > 0
    block = json.loads(cast("block", "--json", "latest"))
    (transaction,) = block["transactions"]
    assert json.loads(cast("tx", "--json", transaction))["hash"] == transaction
    proof = json.loads(cast("proof", work, 0))
    assert proof["address"].lower() == work.lower()
    assert "actoreum" in cast("client").lower()
