// Common parts of the JavaScript clients: the node's address, the contract, and the report of a
// step.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const HTTP = process.env.RPC_HTTP;
export const WS = process.env.RPC_WS;

// The first accounts of "test test ... junk", which --dev fills.
export const KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];
export const RECIPIENT = "0x00000000000000000000000000000000000057a9";
export const SUPPLY = 10n ** 30n;

const work = JSON.parse(readFileSync(process.env.WORK_JSON, "utf8"));
export const { abi, bytecode } = work;

export async function step(name, run) {
  const result = await run();
  console.log(`ok ${name}`);
  return result;
}

// A request that the libraries have no method for.
export async function rpc(method, ...params) {
  const response = await fetch(HTTP, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer = await response.json();
  assert.equal(answer.error, undefined, `${method}: ${JSON.stringify(answer.error)}`);
  return answer.result;
}

// Resolves with the first value that `begin` passes to its argument.
export function first(what, begin) {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), 30_000);
    const done = (settle) => (value) => {
      clearTimeout(timeout);
      settle(value);
    };
    begin(done(resolve), done(reject));
  });
}
