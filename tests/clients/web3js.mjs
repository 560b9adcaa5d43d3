// web3.js v4.

import assert from "node:assert/strict";
import { Web3 } from "web3";
import { HTTP, KEYS, RECIPIENT, SUPPLY, WS, abi, bytecode, first, rpc, step } from "./common.mjs";

const web3 = new Web3(HTTP);
web3.eth.transactionPollingInterval = 100;
web3.eth.handleRevert = true;
for (const key of KEYS) web3.eth.accounts.wallet.add(key);
const [owner, poor] = [0, 1].map((index) => web3.eth.accounts.wallet[index].address);
const from = owner;

const work = await step("deploys", async () => {
  const deployed = await new web3.eth.Contract(abi).deploy({ data: bytecode }).send({ from });
  assert.notEqual(await web3.eth.getCode(deployed.options.address), "0x");
  return deployed;
});

await step("calls", async () => {
  assert.equal(await work.methods.balanceOf(owner).call(), SUPPLY);
  assert.equal(await work.methods.balanceOf(RECIPIENT).call(), 0n);
});

await step("sends, and reads the log", async () => {
  const receipt = await work.methods.transfer(RECIPIENT, 5n).send({ from });
  assert.equal(receipt.status, 1n);
  assert.equal(receipt.events.Transfer.returnValues.value, 5n);
  const logs = await work.getPastEvents("Transfer", { fromBlock: 0, toBlock: "latest", filter: { to: RECIPIENT } });
  assert.deepEqual(logs.map((log) => log.transactionHash), [receipt.transactionHash]);
});

await step("watches a pending transaction until it is mined", async () => {
  await rpc("evm_setAutomine", false);
  const sending = work.methods.mint(RECIPIENT, 7n).send({ from });
  const hash = await first("the hash", (resolve, reject) => {
    sending.on("transactionHash", resolve);
    sending.on("error", reject);
  });
  const pending = await web3.eth.getTransaction(hash);
  assert.equal(pending.blockNumber ?? null, null);
  const told = first("the receipt", (resolve) => sending.on("receipt", resolve));
  await rpc("evm_setAutomine", true);
  assert.equal((await told).transactionHash, hash);
  assert.equal((await sending).status, 1n);
});

await step("subscribes over WebSocket", async () => {
  const socket = new Web3(WS);
  const live = new socket.eth.Contract(abi, work.options.address);
  const heads = await socket.eth.subscribe("newBlockHeaders");
  const hashes = await socket.eth.subscribe("pendingTransactions");
  const logs = await socket.eth.subscribe("logs", { address: work.options.address });
  const events = live.events.Transfer({ filter: { to: RECIPIENT } });
  await first("the subscription", (resolve) => events.on("connected", resolve));
  const next = (what, subscription) => first(what, (resolve, reject) => {
    subscription.on("data", resolve);
    subscription.on("error", reject);
  });
  const seen = [next("a head", heads), next("a pending transaction", hashes), next("a log", logs), next("an event", events)];
  const receipt = await work.methods.mint(RECIPIENT, 11n).send({ from });
  const [head, hash, log, event] = await Promise.all(seen);
  assert.equal(BigInt(head.number), receipt.blockNumber);
  assert.equal(hash, receipt.transactionHash);
  assert.equal(log.transactionHash, receipt.transactionHash);
  assert.equal(event.returnValues.value, 11n);
  for (const subscription of [heads, hashes, logs, events]) await subscription.unsubscribe();
  socket.currentProvider.disconnect();
});

await step("catches a revert's reason", async () => {
  const says = (error) => /low/.test(`${error.message} ${error.innerError?.message} ${error.cause?.message} ${error.reason}`);
  const attempt = work.methods.transfer(RECIPIENT, 1n);
  await assert.rejects(attempt.call({ from: poor }), says);
  await assert.rejects(attempt.estimateGas({ from: poor }), says);
  const { to, data } = { to: work.options.address, data: attempt.encodeABI() };
  await assert.rejects(web3.eth.sendTransaction({ from: poor, to, data, gas: 100_000n }), says);
});

await step("uses the node's own accounts", async () => {
  const own = new Web3(HTTP);
  assert.ok((await own.eth.getAccounts()).includes(poor));
  const receipt = await own.eth.sendTransaction({ from: poor, to: RECIPIENT, value: 3n });
  assert.equal(receipt.status, 1n);
  const signature = await own.eth.sign(own.utils.utf8ToHex("hello"), poor);
  assert.equal(own.eth.accounts.recover("hello", signature), poor);
});

await step("reads the chain", async () => {
  const block = await web3.eth.getBlock("latest", true);
  assert.equal(block.transactions.length, 1);
  assert.equal(await web3.eth.getChainId(), 1337n);
  assert.equal(await web3.eth.isSyncing(), false);
  assert.ok((await web3.eth.getFeeHistory(4, "latest", [50])).baseFeePerGas.length >= 2);
  const proof = await web3.eth.getProof(work.options.address, [`0x${"0".repeat(64)}`]);
  assert.equal(proof.codeHash, web3.utils.keccak256(await web3.eth.getCode(work.options.address)));
  assert.match(await web3.eth.getNodeInfo(), /actoreum/i);
});

// web3.js continues to wait for 24 confirmations, of which no more come.
process.exit(0);
