// Keys that keythereum recovers from our key files, and writes into its own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import keythereum from "keythereum";

import { step } from "./common.mjs";

const PASSWORD = "correct horse";
const place = mkdtempSync(join(tmpdir(), "actoreum-keythereum-"));
const passwords = join(place, "password");
writeFileSync(passwords, `${PASSWORD}\n`);

// Runs a command line on a data directory; returns the address that it prints.
function account(datadir, ...args) {
  const options = ["--datadir", datadir, "--password", passwords];
  const shown = execFileSync(process.env.ACTOREUM, ["account", ...args, ...options], { input: "export\n" });
  return /Address: {([0-9a-f]{40})}/.exec(shown)?.[1];
}

function exported(datadir, address) {
  const file = join(place, `exported-${address}-${Math.random()}`);
  account(datadir, "export", address, file);
  return readFileSync(file, "utf8");
}

for (const cost of [[], ["--lightkdf"]]) {
  await step(`keythereum recovers a key of ours ${cost}`, () => {
    const ours = join(place, `ours${cost}`);
    const address = account(ours, "new", ...cost);
    const key = keythereum.recover(PASSWORD, keythereum.importFromFile(address, ours)).toString("hex");
    assert.equal(key, exported(ours, address));
    const file = join(place, `key${cost}`);
    writeFileSync(file, key);
    assert.equal(account(join(place, `again${cost}`), "import", "--lightkdf", file), address);
  });
}

for (const kdf of ["scrypt", "pbkdf2"]) {
  await step(`a key file of keythereum's opens: ${kdf}`, () => {
    const theirs = join(place, kdf);
    mkdirSync(join(theirs, "keystore"), { recursive: true });
    const { privateKey, salt, iv } = keythereum.create();
    const options = { kdf, cipher: "aes-128-ctr" };
    const file = keythereum.dump(PASSWORD, privateKey, salt, iv, options);
    keythereum.exportToFile(file, join(theirs, "keystore"));
    assert.equal(exported(theirs, file.address), privateKey.toString("hex"));
  });
}
