// viem, with its test client in both modes.

import assert from "node:assert/strict";
import {
  BaseError, ContractFunctionRevertedError, createPublicClient, createTestClient, createWalletClient,
  defineChain, http, keccak256, parseEther, webSocket,
} from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { HTTP, KEYS, RECIPIENT, SUPPLY, WS, abi, bytecode, first, step } from "./common.mjs";

const chain = defineChain({
  id: 1337,
  name: "Development",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [HTTP], webSocket: [WS] } },
});
const settings = { chain, transport: http(), pollingInterval: 100, cacheTime: 0 };
const [account, poor] = KEYS.map((key) => privateKeyToAccount(key));
const open = createPublicClient(settings);
const wallet = createWalletClient({ ...settings, account });
const test = createTestClient({ ...settings, mode: "anvil" });

const address = await step("deploys", async () => {
  assert.equal(mnemonicToAccount("test test test test test test test test test test test junk").address, account.address);
  const hash = await wallet.deployContract({ abi, bytecode });
  const receipt = await open.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return receipt.contractAddress;
});
const work = { address, abi };

await step("calls", async () => {
  const read = (who) => open.readContract({ ...work, functionName: "balanceOf", args: [who] });
  assert.equal(await read(account.address), SUPPLY);
  assert.equal(await read(RECIPIENT), 0n);
});

await step("simulates, sends, and reads the log", async () => {
  const { request, result } = await open.simulateContract({ ...work, account, functionName: "transfer", args: [RECIPIENT, 5n] });
  assert.equal(result, true);
  const hash = await wallet.writeContract(request);
  const { blockNumber } = await open.waitForTransactionReceipt({ hash });
  const events = await open.getContractEvents({ ...work, eventName: "Transfer", args: { to: RECIPIENT }, fromBlock: 0n });
  assert.deepEqual(events.map((event) => [event.args.value, event.blockNumber]), [[5n, blockNumber]]);
});

await step("watches a pending transaction until it is mined", async () => {
  await test.setAutomine(false);
  const hash = await wallet.writeContract({ ...work, functionName: "mint", args: [RECIPIENT, 7n] });
  assert.equal((await open.getTransaction({ hash })).blockNumber, null);
  const receipt = open.waitForTransactionReceipt({ hash });
  await test.setAutomine(true);
  assert.equal((await receipt).transactionHash, hash);
});

await step("subscribes over WebSocket", async () => {
  const socket = createPublicClient({ chain, transport: webSocket() });
  const stops = [];
  const watch = (what, begin) => first(what, (resolve, onError) => stops.push(begin(resolve, onError)));
  const head = watch("a head", (onBlock, onError) => socket.watchBlocks({ onBlock, onError }));
  const pending = watch("a pending transaction", (resolve, onError) =>
    socket.watchPendingTransactions({ onTransactions: resolve, onError }));
  const logs = watch("a log", (onLogs, onError) =>
    socket.watchContractEvent({ ...work, eventName: "Transfer", onLogs, onError }));
  // viem does not report when a subscription is set up.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const hash = await wallet.writeContract({ ...work, functionName: "mint", args: [RECIPIENT, 11n] });
  const { blockHash } = await open.waitForTransactionReceipt({ hash });
  assert.deepEqual(await pending, [hash]);
  assert.equal((await head).hash, blockHash);
  assert.deepEqual((await logs).map((log) => [log.args.value, log.transactionHash]), [[11n, hash]]);
  stops.forEach((stop) => stop());
  (await socket.transport.getRpcClient()).close();
});

await step("polls filters over HTTP", async () => {
  const filter = await open.createContractEventFilter({ ...work, eventName: "Transfer" });
  const hash = await wallet.writeContract({ ...work, functionName: "mint", args: [RECIPIENT, 1n] });
  await open.waitForTransactionReceipt({ hash });
  const changes = await open.getFilterChanges({ filter });
  assert.deepEqual(changes.map((log) => log.transactionHash), [hash]);
  assert.deepEqual(await open.getFilterChanges({ filter }), []);
  assert.equal(await open.uninstallFilter({ filter }), true);
});

await step("catches a revert's reason", async () => {
  const isLow = (error) => {
    const revert = error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    return revert?.reason === "low";
  };
  const call = { ...work, account: poor, functionName: "transfer", args: [RECIPIENT, 1n] };
  await assert.rejects(open.simulateContract(call), isLow);
  await assert.rejects(open.estimateContractGas(call), isLow);
  const hash = await wallet.writeContract({ ...call, gas: 100_000n });
  assert.equal((await open.waitForTransactionReceipt({ hash })).status, "reverted");
});

await step("proves an account and makes an access list", async () => {
  const proof = await open.getProof({ address, storageKeys: [`0x${"0".repeat(64)}`] });
  assert.equal(proof.codeHash, keccak256(await open.getCode({ address })));
  assert.ok(proof.accountProof.length > 0);
  const data = "0x";
  const { gasUsed } = await open.createAccessList({ account, to: RECIPIENT, data });
  assert.equal(gasUsed, 21_000n);
});

for (const mode of ["anvil", "hardhat"]) {
  const edit = createTestClient({ ...settings, mode });
  await step(`edits the state (${mode})`, async () => {
    const id = await edit.snapshot();
    await edit.setBalance({ address: RECIPIENT, value: parseEther("2") });
    assert.equal(await open.getBalance({ address: RECIPIENT }), parseEther("2"));
    await edit.setNonce({ address: RECIPIENT, nonce: 9 });
    assert.equal(await open.getTransactionCount({ address: RECIPIENT }), 9);
    const index = `0x${"1".padStart(64, "0")}`;
    const value = `0x${"5".padStart(64, "0")}`;
    await edit.setStorageAt({ address, index, value });
    assert.equal(await open.getStorageAt({ address, slot: index }), value);
    await edit.setCode({ address: RECIPIENT, bytecode: "0x6001" });
    assert.equal(await open.getCode({ address: RECIPIENT }), "0x6001");

    await edit.impersonateAccount({ address: RECIPIENT });
    const hash = await createWalletClient(settings).sendTransaction({ account: RECIPIENT, to: poor.address, value: 1n });
    const receipt = await open.waitForTransactionReceipt({ hash });
    assert.deepEqual([receipt.status, receipt.from], ["success", RECIPIENT]);
    assert.equal((await open.getTransaction({ hash })).nonce, 9);
    await edit.stopImpersonatingAccount({ address: RECIPIENT });
    await assert.rejects(createWalletClient(settings).sendTransaction({ account: RECIPIENT, to: poor.address, value: 1n }), /unknown account/);

    await edit.revert({ id });
    assert.equal(await open.getBalance({ address: RECIPIENT }), 0n);
    assert.equal(await open.getCode({ address: RECIPIENT }), undefined);
  });
  await step(`moves time and mines (${mode})`, async () => {
    const before = await open.getBlock();
    await edit.increaseTime({ seconds: 3_600 });
    await edit.mine({ blocks: 3, interval: 60 });
    const after = await open.getBlock();
    assert.equal(after.number, before.number + 3n);
    assert.ok(after.timestamp >= before.timestamp + 3_600n + 120n);
    await edit.setNextBlockTimestamp({ timestamp: after.timestamp + 100n });
    await edit.mine({ blocks: 1 });
    assert.equal((await open.getBlock()).timestamp, after.timestamp + 100n);
  });
}
