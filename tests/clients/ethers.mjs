// ethers v6.

import assert from "node:assert/strict";
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider } from "ethers";
import { HTTP, KEYS, RECIPIENT, SUPPLY, WS, abi, bytecode, first, rpc, step } from "./common.mjs";

// Without its cache: ethers would answer a nonce of a quarter of a second ago, and the block with
// the transaction is there sooner.
const provider = new JsonRpcProvider(HTTP, undefined, { pollingInterval: 100, cacheTimeout: -1 });
const owner = new Wallet(KEYS[0], provider);
const poor = new Wallet(KEYS[1], provider);

const work = await step("deploys", async () => {
  const deployed = await new ContractFactory(abi, bytecode, owner).deploy();
  await deployed.waitForDeployment();
  assert.notEqual(await provider.getCode(deployed.target), "0x");
  return deployed;
});

await step("calls", async () => {
  assert.equal(await work.balanceOf(owner.address), SUPPLY);
  assert.equal(await work.balanceOf(RECIPIENT), 0n);
});

const mined = await step("sends, and reads the log in the receipt", async () => {
  const sent = await work.transfer(RECIPIENT, 5n);
  assert.equal(sent.type, 2);
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  const { name, args } = work.interface.parseLog(receipt.logs[0]);
  assert.deepEqual([name, ...args].map(String).map((text) => text.toLowerCase()),
    ["transfer", owner.address.toLowerCase(), RECIPIENT, "5"]);
  return receipt;
});

await step("queries logs", async () => {
  const events = await work.queryFilter(work.filters.Transfer(null, RECIPIENT), 0, "latest");
  assert.equal(events.length, 1);
  assert.equal(events[0].transactionHash, mined.hash);
  assert.equal(events[0].args.value, 5n);
});

await step("watches a pending transaction until it is mined", async () => {
  await rpc("evm_setAutomine", false);
  const sent = await work.mint(RECIPIENT, 7n);
  const pending = await provider.getTransaction(sent.hash);
  assert.equal(pending.blockNumber, null);
  assert.equal(await provider.getTransactionCount(owner.address, "pending"), sent.nonce + 1);
  assert.equal(await provider.getTransactionCount(owner.address), sent.nonce);
  const event = first("the receipt", (resolve) => provider.once(sent.hash, resolve));
  await rpc("evm_setAutomine", true);
  const receipt = await sent.wait();
  assert.equal((await event).blockHash, receipt.blockHash);
  assert.equal(await receipt.confirmations(), 1);
});

await step("many at once, in order", async () => {
  const many = new NonceManager(owner);
  const sent = await Promise.all(
    Array.from({ length: 20 }, () => work.connect(many).mint(RECIPIENT, 1n)));
  const receipts = await Promise.all(sent.map((one) => one.wait()));
  assert.ok(receipts.every((receipt) => receipt.status === 1));
  assert.equal(await work.balanceOf(RECIPIENT), 32n);
});

await step("subscribes over WebSocket", async () => {
  const socket = new WebSocketProvider(WS);
  const live = new Contract(work.target, abi, socket);
  const head = first("a head", (resolve) => socket.once("block", resolve));
  const seen = first("a pending transaction", (resolve) => socket.once("pending", resolve));
  const log = first("a log", (resolve) =>
    live.once("Transfer", (from, to, value, payload) => resolve({ value, payload })));
  await socket.send("eth_chainId", []);
  // ethers does not report when a subscription is set up.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const sent = await work.mint(RECIPIENT, 11n);
  assert.equal(await seen, sent.hash);
  const { blockNumber } = await sent.wait();
  assert.equal(await head, blockNumber);
  const { value, payload } = await log;
  assert.deepEqual([value, payload.log.transactionHash], [11n, sent.hash]);
  // The answer comes after those to the requests that ethers sends when a listener is removed.
  await socket.getBlockNumber();
  await socket.destroy();
});

await step("catches a revert's reason", async () => {
  const isLow = (error) => error.code === "CALL_EXCEPTION" && error.reason === "low";
  const attempt = work.connect(poor);
  await assert.rejects(attempt.transfer.staticCall(RECIPIENT, 1n), isLow);
  await assert.rejects(attempt.transfer.estimateGas(RECIPIENT, 1n), isLow);
  await assert.rejects(attempt.transfer(RECIPIENT, 1n), isLow);
  const sent = await attempt.transfer(RECIPIENT, 1n, { gasLimit: 100_000 });
  await assert.rejects(sent.wait(), (error) => error.code === "CALL_EXCEPTION" && error.receipt.status === 0);
});

await step("uses the node's own accounts", async () => {
  const signer = await provider.getSigner(poor.address);
  const sent = await signer.sendTransaction({ to: RECIPIENT, value: 3n });
  assert.equal((await sent.wait()).status, 1);
  const signature = await signer.signMessage("hello");
  assert.equal(signature, await poor.signMessage("hello"));
  const domain = { name: "Clients", version: "1", chainId: 1337 };
  const types = { Note: [{ name: "to", type: "address" }, { name: "text", type: "string" }] };
  const note = { to: RECIPIENT, text: "hello" };
  assert.equal(await signer.signTypedData(domain, types, note), await poor.signTypedData(domain, types, note));
});

await step("reads blocks and fees", async () => {
  const block = await provider.getBlock("latest", true);
  assert.equal(block.prefetchedTransactions.length, 1);
  assert.equal(block.prefetchedTransactions[0].hash, block.transactions[0]);
  const fees = await provider.getFeeData();
  assert.ok(fees.maxFeePerGas > fees.maxPriorityFeePerGas);
  assert.equal((await provider.getNetwork()).chainId, 1337n);
  const receipts = await provider.send("eth_getBlockReceipts", ["latest"]);
  assert.equal(receipts[0].transactionHash, block.transactions[0]);
});

provider.destroy();
