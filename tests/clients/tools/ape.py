"""ape with its foundry provider, connected to a node that runs."""

import os
import sys
from pathlib import Path

# Not as the first folder: this file has the name of the package.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).parent]
sys.path.append(str(Path(__file__).parent))

import ape
from ape import accounts, chain, networks
from ape.contracts import ContractContainer
from ethpm_types import ContractType

from contract import ABI, BYTECODE, OTHER, RUNTIME, run

SETTINGS = {"host": os.environ["RPC_HTTP"], "manage_process": False}


def main(provider):
    first, second = accounts.test_accounts[0], accounts.test_accounts[1]

    def transfers():
        before = second.balance
        assert first.transfer(second, 10**18).status == 1
        assert second.balance == before + 10**18

    def mines():
        before = chain.blocks.height
        chain.mine(3)
        assert chain.blocks.height == before + 3

    def mines_at_a_time():
        time = chain.blocks.head.timestamp + 1000
        chain.mine(timestamp=time)
        assert chain.blocks.head.timestamp == time
        chain.pending_timestamp += 500
        chain.mine()

    def restores_a_snapshot():
        before, snapshot = second.balance, chain.snapshot()
        first.transfer(second, 5)
        chain.restore(snapshot)
        assert second.balance == before
        with chain.isolate():
            first.transfer(second, 5)
        assert second.balance == before

    def impersonates():
        account = accounts[OTHER]
        account.balance = 10**18
        assert account.transfer(second, 5).status == 1

    def switches_automine():
        provider.auto_mine = False
        assert not provider.auto_mine
        provider.auto_mine = True

    def calls_a_contract():
        kind = ContractType(
            abi=ABI, deploymentBytecode={"bytecode": BYTECODE}, runtimeBytecode={"bytecode": RUNTIME},
            contractName="Number",
        )
        number = first.deploy(ContractContainer(kind))
        number.set(5, sender=first)
        assert number.n() == 5
        with ape.reverts("unlucky"):
            number.set(13, sender=first)
        assert list(number.set(6, sender=first).trace.get_raw_frames())
        provider.set_storage(number.address, 0, (99).to_bytes(32, "big"))
        assert number.n() == 99

    run((transfers, mines, mines_at_a_time, restores_a_snapshot, impersonates, switches_automine,
         calls_a_contract))


with networks.ethereum.local.use_provider("foundry", provider_settings=SETTINGS) as found:
    assert type(found).__name__ == "FoundryProvider"
    main(found)
