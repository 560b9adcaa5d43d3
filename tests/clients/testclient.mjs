// viem's test client in the mode of anvil or Hardhat, which is the argument.

import assert from "node:assert/strict";
import { createTestClient, http, publicActions, walletActions, parseEther, zeroAddress } from "viem";
import { foundry, hardhat } from "viem/chains";
const mode = process.argv[2],
  url = process.env.RPC_HTTP;
const chain = { ...(mode === "anvil" ? foundry : hardhat) };
const c = createTestClient({ mode, chain, transport: http(url), pollingInterval: 50 })
  .extend(publicActions)
  .extend(walletActions);
chain.id = await c.getChainId();
const other = "0x00000000000000000000000000000000000057a9";
const A = (await c.getAddresses())[0];
let failures = 0;
async function step(name, run) {
  try {
    await run();
    console.log("ok", name);
  } catch (e) {
    failures++;
    console.log("FAILED", name, e.shortMessage ?? e.message, e.details ?? "");
  }
}
const send = async (o) =>
  c.waitForTransactionReceipt({ hash: await c.sendTransaction({ account: A, to: other, value: 1n, ...o }) });
await step("setBalance", async () => {
  await c.setBalance({ address: other, value: parseEther("2") });
  assert.equal(await c.getBalance({ address: other }), parseEther("2"));
});
await step("setCode", async () => {
  await c.setCode({ address: zeroAddress, bytecode: "0x6001" });
  assert.equal(await c.getCode({ address: zeroAddress }), "0x6001");
  await c.setCode({ address: zeroAddress, bytecode: "0x" });
});
await step("setStorageAt", async () => {
  await c.setStorageAt({ address: other, index: 2, value: "0x" + "07".padStart(64, "0") });
  assert.equal(BigInt(await c.getStorageAt({ address: other, slot: "0x2" })), 7n);
});
await step("setNonce", async () => {
  await c.setNonce({ address: other, nonce: 420 });
  assert.equal(await c.getTransactionCount({ address: other }), 420);
});
await step("mine", async () => {
  const b = await c.getBlockNumber({ cacheTime: 0 });
  await c.mine({ blocks: 3, interval: 10 });
  assert.equal(await c.getBlockNumber({ cacheTime: 0 }), b + 3n);
});
await step("mine 1", async () => {
  const b = await c.getBlockNumber({ cacheTime: 0 });
  await c.mine({ blocks: 1 });
  assert.equal(await c.getBlockNumber({ cacheTime: 0 }), b + 1n);
});
await step("impersonate", async () => {
  await c.impersonateAccount({ address: other });
  const r = await c.waitForTransactionReceipt({
    hash: await c.sendTransaction({ account: other, to: A, value: 1n }),
  });
  assert.equal(r.status, "success");
  await c.stopImpersonatingAccount({ address: other });
});
await step("snapshot", async () => {
  const id = await c.snapshot();
  const b = await c.getBlockNumber({ cacheTime: 0 });
  await send({});
  await c.revert({ id });
  assert.equal(await c.getBlockNumber({ cacheTime: 0 }), b);
});
await step("increaseTime", async () => {
  const b = await c.getBlock();
  await c.increaseTime({ seconds: 420 });
  await c.mine({ blocks: 1 });
  assert.ok((await c.getBlock()).timestamp >= b.timestamp + 420n);
});
await step("setNextBlockTimestamp", async () => {
  const b = await c.getBlock();
  await c.setNextBlockTimestamp({ timestamp: b.timestamp + 86400n });
  await c.mine({ blocks: 1 });
  assert.equal((await c.getBlock()).timestamp, b.timestamp + 86400n);
});
await step("setNextBlockBaseFeePerGas", async () => {
  await c.setNextBlockBaseFeePerGas({ baseFeePerGas: 2_000_000_000n });
  await c.mine({ blocks: 1 });
  assert.equal((await c.getBlock()).baseFeePerGas, 2_000_000_000n);
});
await step("setBlockGasLimit", async () => {
  await c.setBlockGasLimit({ gasLimit: 25_000_000n });
  await c.mine({ blocks: 1 });
  assert.equal((await c.getBlock()).gasLimit, 25_000_000n);
});
await step("setCoinbase", async () => {
  await c.setCoinbase({ address: other });
  await c.mine({ blocks: 1 });
  assert.equal((await c.getBlock()).miner.toLowerCase(), other);
});
await step("automine", async () => {
  await c.setAutomine(false);
  if (mode !== "hardhat") assert.equal(await c.getAutomine(), false);
  const h = await c.sendTransaction({ account: A, to: other, value: 1n });
  assert.ok((await c.getTransaction({ hash: h })).blockNumber === null);
  if (mode === "anvil") {
    assert.equal((await c.getTxpoolStatus()).pending, 1);
    await c.getTxpoolContent();
    await c.inspectTxpool();
  }
  await c.dropTransaction({ hash: h });
  await c.mine({ blocks: 1 });
  await assert.rejects(c.getTransaction({ hash: h }));
  await c.setAutomine(true);
});
await step("intervalMining", async () => {
  await c.setIntervalMining({ interval: mode === "anvil" ? 1 : 1 });
  await new Promise((r) => setTimeout(r, 100));
  const b = await c.getBlockNumber({ cacheTime: 0 });
  const until = Date.now() + 15000;
  while (Date.now() < until && (await c.getBlockNumber({ cacheTime: 0 })) === b)
    await new Promise((r) => setTimeout(r, 100));
  assert.ok((await c.getBlockNumber({ cacheTime: 0 })) > b);
  await c.setIntervalMining({ interval: 0 });
  await c.setAutomine(true);
});
if (mode === "anvil") {
  await step("blockTimestampInterval", async () => {
    await c.setBlockTimestampInterval({ interval: 5 });
    const b = await c.getBlock();
    await c.mine({ blocks: 1 });
    assert.equal((await c.getBlock()).timestamp, b.timestamp + 5n);
    await c.removeBlockTimestampInterval();
  });
  await step("dump and load", async () => {
    const s = await c.dumpState();
    assert.ok(s.startsWith("0x"));
    await c.loadState({ state: s });
  });
  await step("autoimpersonate", async () => {
    await c.request({ method: "anvil_autoImpersonateAccount", params: [true] });
    await c.request({ method: "anvil_autoImpersonateAccount", params: [false] });
  });
}
await step("loggingEnabled", () => c.setLoggingEnabled(true));
await step("sendUnsignedTransaction", async () => {
  const h = await c.sendUnsignedTransaction({
    from: A,
    to: other,
    value: 1n,
    gas: 21000n,
    gasPrice: 5_000_000_000n,
  });
  assert.equal((await c.waitForTransactionReceipt({ hash: h })).status, "success");
});
await step("signMessage", async () => {
  const { verifyMessage } = await import("viem");
  const s = await c.signMessage({ account: A, message: "hi" });
  assert.ok(await verifyMessage({ address: A, message: "hi", signature: s }));
});
await step("reset", async () => {
  await c.reset();
  assert.equal(await c.getBlockNumber({ cacheTime: 0 }), 0n);
});
process.exit(failures ? 1 : 0);
