"""web3.py: blocking over HTTP, subscriptions over WebSocket."""

import asyncio
import json
import os

from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractLogicError
from web3.utils.subscriptions import (
    LogsSubscription,
    NewHeadsSubscription,
    PendingTxSubscription,
)

KEYS = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
]
RECIPIENT = Web3.to_checksum_address("0x00000000000000000000000000000000000057a9")
TIMEOUT = 30

with open(os.environ["WORK_JSON"], encoding="utf-8") as file:
    WORK = json.load(file)

web3 = Web3(Web3.HTTPProvider(os.environ["RPC_HTTP"]))
owner, poor = (web3.eth.account.from_key(key) for key in KEYS)


def step(name):
    def run(function):
        result = function()
        print("ok", name, flush=True)
        return result

    return run


def send(account, call, **fields):
    fields = {"from": account.address, "nonce": web3.eth.get_transaction_count(account.address), **fields}
    signed = account.sign_transaction(call.build_transaction(fields))
    return web3.eth.send_raw_transaction(signed.raw_transaction)


def receipt_of(transaction):
    return web3.eth.wait_for_transaction_receipt(transaction, timeout=TIMEOUT, poll_latency=0.1)


@step("deploys")
def work():
    factory = web3.eth.contract(abi=WORK["abi"], bytecode=WORK["bytecode"])
    receipt = receipt_of(send(owner, factory.constructor()))
    assert receipt.status == 1
    return web3.eth.contract(address=receipt.contractAddress, abi=WORK["abi"])


@step("calls")
def _():
    assert work.functions.balanceOf(owner.address).call() == 10**30
    assert work.functions.balanceOf(RECIPIENT).call() == 0


@step("sends, and reads the log")
def _():
    receipt = receipt_of(send(owner, work.functions.transfer(RECIPIENT, 5)))
    (log,) = work.events.Transfer().process_receipt(receipt)
    assert (log.args["from"], log.args.to, log.args.value) == (owner.address, RECIPIENT, 5)
    (found,) = work.events.Transfer().get_logs(from_block=0, argument_filters={"to": RECIPIENT})
    assert found.transactionHash == receipt.transactionHash


@step("watches a pending transaction until it is mined")
def _():
    waiting = web3.eth.filter("pending")
    web3.provider.make_request("evm_setAutomine", [False])
    sent = send(owner, work.functions.mint(RECIPIENT, 7))
    assert web3.eth.get_transaction(sent).get("blockNumber") is None
    assert sent in waiting.get_new_entries()
    web3.provider.make_request("evm_setAutomine", [True])
    receipt = receipt_of(sent)
    assert receipt.blockNumber == web3.eth.block_number


@step("subscribes over WebSocket")
def _():
    async def main():
        seen = {}

        def keep(name):
            async def handler(context):
                seen[name] = context.result
                if len(seen) == 3:
                    await context.subscription.manager.unsubscribe_all()

            return handler

        async with AsyncWeb3(WebSocketProvider(os.environ["RPC_WS"])) as socket:
            await socket.subscription_manager.subscribe(
                [
                    NewHeadsSubscription(handler=keep("head")),
                    PendingTxSubscription(handler=keep("pending")),
                    LogsSubscription(address=work.address, handler=keep("log")),
                ]
            )
            sent = send(owner, work.functions.mint(RECIPIENT, 11))
            handling = socket.subscription_manager.handle_subscriptions()
            await asyncio.wait_for(handling, TIMEOUT)
            assert seen["pending"] == sent
            assert seen["log"]["transactionHash"] == sent
            assert seen["head"]["number"] == receipt_of(sent).blockNumber

    asyncio.run(main())


@step("catches a revert's reason")
def _():
    attempt = work.functions.transfer(RECIPIENT, 1)
    for run in (attempt.call, attempt.estimate_gas):
        try:
            run({"from": poor.address})
        except ContractLogicError as error:
            assert "low" in str(error), error
        else:
            raise AssertionError("it did not revert")
    receipt = receipt_of(send(poor, attempt, gas=100_000))
    assert receipt.status == 0


@step("uses the node's own accounts")
def _():
    assert poor.address in web3.eth.accounts
    sent = web3.eth.send_transaction({"from": poor.address, "to": RECIPIENT, "value": 3})
    assert receipt_of(sent).status == 1
    signature = web3.eth.sign(poor.address, text="hello")
    from eth_account.messages import encode_defunct

    assert web3.eth.account.recover_message(encode_defunct(text="hello"), signature=signature) == poor.address


@step("reads the chain")
def _():
    block = web3.eth.get_block("latest", full_transactions=True)
    assert len(block.transactions) == 1
    assert web3.eth.get_block_receipts("latest")[0].transactionHash == block.transactions[0].hash
    assert len(web3.eth.fee_history(4, "latest", [50]).baseFeePerGas) >= 2
    proof = web3.eth.get_proof(work.address, [0])
    assert proof.codeHash == Web3.keccak(web3.eth.get_code(work.address))
    assert web3.eth.syncing is False
    assert web3.eth.chain_id == 1337
    trace = web3.manager.request_blocking(
        "debug_traceTransaction", [block.transactions[0].hash, {"tracer": "callTracer"}]
    )
    assert trace["from"] == poor.address.lower()
