"""Nodes as processes on loopback, for the scripts of this folder.

ACTOREUM_BIN names the node under test (default: target/release/actoreum), ACTOREUM_GETH the geths
to try it with, separated by colons.
"""
import json, os, shutil, socket, subprocess, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ACTOREUM = os.environ.get("ACTOREUM_BIN") or os.path.join(ROOT, "target/release/actoreum")
NETWORK = "424242"
TIMEOUT = 120  # seconds; a busy machine is slow
BATCH = 500  # requests


def clique_genesis(signers=("11" * 20,), period=15, vanity=0, funded=()):
    """A clique chain, which every geth from 1.8 to 1.13 supports."""
    forks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg"]
    config = {f"{fork}Block": 0 for fork in forks}
    extra_data = f"0x{vanity:064x}" + "".join(sorted(it.lower() for it in signers)) + "00" * 65
    return {"config": {"chainId": int(NETWORK), **config,
                       "clique": {"period": period, "epoch": 30000}},
            "difficulty": "0x1", "gasLimit": "0x800000", "extraData": extra_data,
            "alloc": {account: {"balance": hex(10**24)} for account in funded}}


def free_port():
    """Returns a port that is free for TCP and for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(what, condition, timeout=None):
    deadline = time.time() + (timeout or TIMEOUT)
    while time.time() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"it never came true: {what}")


class Account:
    """A key file of geth's format, and its password."""

    def __init__(self, folder, binary):
        self.password = os.path.join(folder, "password")
        with open(self.password, "w") as file:
            file.write("secret\n")
        home = os.path.join(folder, f"account-{len(os.listdir(folder))}")
        subprocess.run([binary, "--datadir", home, "--lightkdf", "account", "new", "--password",
                        self.password], check=True, capture_output=True)
        keys = os.path.join(home, "keystore")
        self.file = os.path.join(keys, os.listdir(keys)[0])
        with open(self.file) as file:
            self.address = json.load(file)["address"]

    def give_to(self, node):
        keys = os.path.join(node.folder, "keystore")
        os.makedirs(keys, exist_ok=True)
        shutil.copy(self.file, keys)

    @property
    def flags(self):
        return ["--unlock", "0x" + self.address, "--password", self.password]


class Node:
    """A process with an IPC socket in a data directory of its own. `genesis` is the content of the
    genesis file, or its path."""

    def __init__(self, folder, name, init, command, genesis):
        self.folder = os.path.join(folder, name)
        self.name, self.port, self.command = name, free_port(), command
        self.log_path = self.folder + ".log"
        path = genesis
        if not isinstance(genesis, str):
            path = os.path.join(folder, f"{name}.json")
            with open(path, "w") as file:
                json.dump(genesis, file)
        with open(self.log_path, "w") as log:
            subprocess.run([*init, self.folder, "init", path], check=True, stdout=log,
                           stderr=subprocess.STDOUT)
        self.process, self.extra, self.starts = None, (), 0

    def start(self, *extra):
        self.extra = extra or self.extra
        self.starts += 1
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [*self.command, self.folder, "--port", str(self.port), "--networkid", NETWORK,
                 "--nat", "none", *self.extra], stdout=log, stderr=subprocess.STDOUT)
        until(f"{self.name} answers", self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.log()[-2000:]}"
        try:
            return self.call("web3_clientVersion")
        except OSError:
            return None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None

    def call(self, method, *params):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(os.path.join(self.folder, "geth.ipc"))
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            stream.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(stream.makefile().readline())
        assert "error" not in answer, answer
        return answer["result"]

    def batch(self, requests):
        """Answers to many requests (method, parameters), in their order."""
        results = []
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(os.path.join(self.folder, "geth.ipc"))
            reader = stream.makefile()
            for first in range(0, len(requests), BATCH):
                body = [{"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                        for number, (method, params) in enumerate(requests[first:first + BATCH])]
                stream.sendall(json.dumps(body).encode() + b"\n")
                for answer in sorted(json.loads(reader.readline()), key=lambda it: it["id"]):
                    assert "error" not in answer, answer
                    results.append(answer["result"])
        return results

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def info(self):
        return self.call("admin_nodeInfo")

    def key(self):
        return self.info()["enode"].split("@")[0]

    def enode(self, discovery=True):
        return f"{self.key()}@127.0.0.1:{self.port}" + ("" if discovery else "?discport=0")

    def peer(self, other):
        """The record of this node's connection to another, once the statuses are exchanged."""
        key = other.key()
        peers = [peer for peer in self.call("admin_peers") if peer["enode"].startswith(key)]
        eth = peers[0]["protocols"].get("eth") if peers else None
        return peers[0] if isinstance(eth, dict) else None

    def block(self, which="latest"):
        return self.call("eth_getBlockByNumber", which if isinstance(which, str) else hex(which), False)

    def height(self):
        return int(self.call("eth_blockNumber"), 16)


class Actoreum(Node):
    def __init__(self, folder, name, genesis=None):
        super().__init__(folder, name, [ACTOREUM, "--datadir"],
                         [ACTOREUM, "--verbosity", "4", "--datadir"], genesis or clique_genesis())

    def unlocking(self, account):
        """Flags of a node that unlocks this account."""
        account.give_to(self)
        return account.flags

    def sealing(self, account):
        """Flags of a node that seals with this account."""
        return [*self.unlocking(account), "--mine", "--miner.etherbase", "0x" + account.address]


def is_old(binary):
    """Whether a geth is 1.8, which has other flags and protocols."""
    version = subprocess.run([binary, "version"], capture_output=True, text=True).stdout
    return "Version: 1.8" in version


class Geth(Node):
    def __init__(self, folder, name, binary, genesis=None):
        self.is_old = is_old(binary)
        extra = ["--nousb"] if self.is_old else ["--authrpc.port", str(free_port())]
        super().__init__(folder, name, [binary, "--datadir"],
                         [binary, "--verbosity", "5", "--syncmode", "full", "--cache", "64",
                          *extra, "--datadir"], genesis or clique_genesis())

    def unlocking(self, account):
        """Flags of a node that unlocks this account."""
        account.give_to(self)
        return [*account.flags, *([] if self.is_old else ["--allow-insecure-unlock"])]

    def sealing(self, account):
        """Flags of a node that seals with this account after `seal` is called."""
        etherbase = "--etherbase" if self.is_old else "--miner.etherbase"
        return [*self.unlocking(account), etherbase, "0x" + account.address]

    def seal(self):
        # The node answers before its account is unlocked, and could not seal yet.
        until(f"{self.name}'s account is unlocked",
              lambda: self.log().count("Unlocked account") >= self.starts)
        self.call("miner_start", *([1] if self.is_old else []))


def connected(one, other):
    def both():
        mine, theirs = one.peer(other), other.peer(one)
        return mine and theirs and (mine, theirs)
    return until(f"{one.name} and {other.name} are connected", both)


def parted(one, other):
    until(f"{one.name} and {other.name} have parted",
          lambda: not one.peer(other) and not other.peer(one))


def says(node, text, behind=0):
    """Waits until a node logs a text, after this many bytes of its log."""
    until(f"{node.name} logs {text!r}", lambda: text in node.log()[behind:])


def geths():
    return [it for it in os.environ.get("ACTOREUM_GETH", "").split(":") if it]


def run(cases, names, *arguments):
    """Runs each case with each geth in a folder of its own; returns the number of failures."""
    import tempfile
    failures = 0
    for binary in geths():
        for case in cases:
            if names and case.__name__ not in names:
                continue
            begun = time.time()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    verdict = f"ok: {case(folder, binary, *arguments)}"
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    failures += 1
                    logs = "".join(f"--- {name}\n" + open(os.path.join(folder, name)).read()[-2500:]
                                   for name in sorted(os.listdir(folder)) if name.endswith(".log"))
                    verdict = f"FAILED: {error}\n{logs}"
                    kept = os.environ.get("ACTOREUM_KEEP")
                    if kept:
                        shutil.copytree(folder, os.path.join(kept, case.__name__), dirs_exist_ok=True,
                                        ignore=shutil.ignore_patterns("*.ipc"))
            seconds = time.time() - begun
            print(f"{os.path.basename(binary)} {case.__name__}: {verdict} ({seconds:.0f} s)", flush=True)
    return failures
