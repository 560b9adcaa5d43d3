"""forge runs the script against the node, and tests on a fork of it; the deployed contracts are checked."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
RECIPIENT = "0x00000000000000000000000000000000000057a9"
CREATE2_DEPLOYER = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
HTTP = os.environ["RPC_HTTP"]


def run(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


with tempfile.TemporaryDirectory() as folder:
    project = Path(folder) / "project"
    shutil.copytree(HERE, project)
    shutil.copytree(HERE.parent / "contracts", project / "contracts")
    compiler = project / "solc.mjs"
    compiler.chmod(0o755)
    run(
        os.environ["FORGE"], "script", "script/Deploy.s.sol:Deploy", "--use", str(compiler),
        "--rpc-url", HTTP, "--broadcast", "--slow",
        cwd=project, env={**os.environ, "DEPLOYER_KEY": KEY},
    )
    print("ok the script ran")
    record = json.loads((project / "broadcast/Deploy.s.sol/1337/run-latest.json").read_text())
    deployment, move, salted = record["receipts"]
    assert [int(receipt["status"], 16) for receipt in (deployment, move, salted)] == [1, 1, 1]
    assert salted["to"].lower() == CREATE2_DEPLOYER, salted
    ledger = deployment["contractAddress"]
    print("ok the three transactions are mined")
    run(
        os.environ["FORGE"], "test", "--use", str(compiler), "--fork-url", HTTP, "--no-storage-caching",
        cwd=project, env={**os.environ, "LEDGER": ledger},
    )
    print("ok the tests on a fork passed")

for who, amount in ((OWNER, 990), (RECIPIENT, 10)):
    held = run(os.environ["CAST"], "call", ledger, "held(address)(uint256)", who, "--rpc-url", HTTP)
    assert held == str(amount), held
print("ok the contract holds what the script said")
