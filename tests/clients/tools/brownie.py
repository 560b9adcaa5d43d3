"""brownie's development mode, attached to a node that runs."""

import os
import sys
from pathlib import Path

# Not as the first folder: this file has the name of the package.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).parent]
sys.path.append(str(Path(__file__).parent))

from brownie import Contract, accounts, chain, network, web3
from brownie._config import CONFIG
from brownie.exceptions import VirtualMachineError

from contract import ABI, BYTECODE, OTHER, run

HOST, PORT = os.environ["RPC_HTTP"].rsplit(":", 1)
CONFIG.networks["node"] = {
    "id": "node", "name": "node", "host": HOST, "cmd": "anvil", "timeout": 60,
    "cmd_settings": {"port": int(PORT), "accounts": 10, "mnemonic": "test"},
}
network.connect("node")
# brownie's own price is zero, for which it starts anvil with a base fee of zero.
network.gas_price("4 gwei")


def transfers():
    before = accounts[1].balance()
    assert accounts[0].transfer(accounts[1], "1 ether").status == 1
    assert accounts[1].balance() == before + 10**18


def mines():
    before = chain.height
    chain.mine(3)
    assert chain.height == before + 3


def mines_at_a_time():
    time = chain[-1].timestamp + 1000
    chain.mine(timestamp=time)
    assert chain[-1].timestamp == time
    chain.mine(timedelta=500)
    assert chain[-1].timestamp >= time + 500
    chain.sleep(1000)
    chain.mine()
    assert chain[-1].timestamp >= time + 1500


def goes_back():
    chain.snapshot()
    before = accounts[1].balance()
    accounts[0].transfer(accounts[1], 5)
    chain.revert()
    assert accounts[1].balance() == before
    accounts[0].transfer(accounts[1], 5)
    chain.undo()
    assert accounts[1].balance() == before
    chain.redo()
    assert accounts[1].balance() == before + 5


def impersonates():
    account = accounts.at(OTHER, force=True)
    accounts[0].transfer(account, 10**18)
    assert account.transfer(accounts[1], 5).status == 1


def calls_a_contract():
    created = web3.eth.contract(abi=ABI, bytecode=BYTECODE).constructor()
    sent = created.transact({"from": accounts[0].address})
    address = web3.eth.wait_for_transaction_receipt(sent).contractAddress
    number = Contract.from_abi("Number", address, ABI)
    number.set(5, {"from": accounts[0]})
    assert number.n() == 5
    try:
        number.set(13, {"from": accounts[0]})
    except VirtualMachineError as error:
        assert "unlucky" in str(error), error
    else:
        raise AssertionError("the call did not revert")
    number.set(6, {"from": accounts[0]}).call_trace()


def resets():
    chain.reset()
    assert chain.height == 0


run((transfers, mines, mines_at_a_time, goes_back, impersonates, calls_a_contract, resets))
