#!/usr/bin/env node
// The compiler as forge runs one, from the package on npm: forge itself would download one.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(process.env.NODE_MODULES + "/")("solc");

if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log(`Version: ${solc.version().replace(".Emscripten.clang", ".Linux.g++")}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error(`not known here: ${process.argv.slice(2).join(" ")}`);
  process.exit(2);
}
