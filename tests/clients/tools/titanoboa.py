"""titanoboa's network mode, and a fork in titanoboa of the node's chain."""

import os

import boa
from eth_account import Account

from contract import run

URL = os.environ["RPC_HTTP"]
# The first account of "test test ... junk".
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
SOURCE = '''# pragma version ^0.4.0
n: public(uint256)

event Set:
    v: uint256

@deploy
def __init__(v: uint256):
    self.n = v

@external
def set(v: uint256) -> uint256:
    assert v != 13, "unlucky"
    self.n = v
    log Set(v=v)
    return v + 1
'''
VIEW = '[{"type":"function","name":"n","inputs":[],"outputs":[{"type":"uint256"}],"stateMutability":"view"}]'

boa.set_network_env(URL)
boa.env.add_account(Account.from_key(KEY))
contract = boa.loads(SOURCE, 5)


def calls_a_contract():
    assert contract.n() == 5
    assert contract.set(7) == 8
    assert contract.n() == 7


def reads_the_reason_of_a_revert():
    with boa.reverts("unlucky"):
        contract.set(13)


def goes_back_to_an_anchor():
    with boa.env.anchor():
        contract.set(9)
    assert contract.n() == 7


def reads_logs():
    contract.set(8)
    assert contract.get_logs()[0].v == 8


def forks_the_chain():
    with boa.fork(URL, allow_dirty=True):
        assert boa.loads_abi(VIEW).at(contract.address).n() == 8


run((calls_a_contract, reads_the_reason_of_a_revert, goes_back_to_an_anchor, reads_logs, forks_the_chain))
