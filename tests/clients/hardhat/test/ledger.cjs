const assert = require("node:assert/strict");
const { ethers, network } = require("hardhat");

const RECIPIENT = "0x00000000000000000000000000000000000057A9";

// Hardhat's own helpers check the name of the node first (Hardhat's or Foundry's); these are their
// requests.
const send = (method, ...params) => network.provider.send(method, params);
const latest = async () => (await ethers.provider.getBlock("latest")).timestamp;

describe("Ledger", () => {
  let ledger, owner, other, snapshot;

  before(async () => {
    [owner, other] = await ethers.getSigners();
    ledger = await ethers.deployContract("Ledger", [1_000n]);
    await ledger.waitForDeployment();
  });

  beforeEach(async () => {
    snapshot = await send("evm_snapshot");
  });

  afterEach(async () => {
    assert.equal(await send("evm_revert", snapshot), true);
  });

  it("is deployed, called, and logs", async () => {
    assert.equal(await ledger.held(owner), 1_000n);
    const receipt = await (await ledger.move(other, 10n)).wait();
    const { name, args } = ledger.interface.parseLog(receipt.logs[0]);
    assert.deepEqual([name, args.amount], ["Moved", 10n]);
  });

  it("begins again from the same snapshot", async () => {
    assert.equal(await ledger.held(owner), 1_000n);
    assert.equal(await ledger.held(other), 0n);
  });

  it("reverts with a reason, a custom error, a panic", async () => {
    await assert.rejects(ledger.move(ethers.ZeroAddress, 1n), /nobody there/);
    await assert.rejects(ledger.connect(other).move(RECIPIENT, 1n), (error) => {
      const revert = ledger.interface.parseError(error.data);
      return revert.name === "TooMuch" && revert.args.asked === 1n && revert.args.held === 0n;
    });
    await assert.rejects(ledger.divide(0n), /panic|division/i);
  });

  it("moves time", async () => {
    const before = await latest();
    await send("evm_increaseTime", 3_600);
    await send("evm_mine");
    assert.ok((await latest()) >= before + 3_600);
    const due = (await latest()) + 500;
    await send("evm_setNextBlockTimestamp", due);
    await send("hardhat_mine", "0x1");
    assert.equal(await latest(), due);
  });

  it("edits the state and sends in the name of a contract", async () => {
    await send("hardhat_setBalance", ledger.target, ethers.toQuantity(ethers.parseEther("1")));
    const contract = await ethers.getImpersonatedSigner(ledger.target);
    const receipt = await (await contract.sendTransaction({ to: other.address, value: 5n })).wait();
    assert.equal(receipt.from, ledger.target);
    await send("hardhat_stopImpersonatingAccount", ledger.target);
    await send("hardhat_setStorageAt", ledger.target, "0x0", ethers.toBeHex(7, 32));
    assert.equal(BigInt(await ethers.provider.getStorage(ledger.target, 0)), 7n);
    await send("hardhat_setNonce", RECIPIENT, "0x3");
    assert.equal(await ethers.provider.getTransactionCount(RECIPIENT), 3);
    await send("hardhat_setCode", RECIPIENT, "0x600160005260206000f3");
    assert.equal(BigInt(await ethers.provider.call({ to: RECIPIENT })), 1n);
  });

  it("knows the network", async () => {
    assert.equal(Number(await network.provider.send("eth_chainId")), 1337);
    assert.match(await network.provider.send("web3_clientVersion"), /actoreum/i);
  });
});
