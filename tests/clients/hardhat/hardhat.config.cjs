// The compiler comes from npm: Hardhat itself would download one.

const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const solc = require("solc");
require("@nomicfoundation/hardhat-ethers");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version: solc.version().split("+")[0],
  longVersion: solc.version(),
}));

module.exports = {
  solidity: { version: solc.version().split("+")[0], settings: { evmVersion: "cancun" } },
  defaultNetwork: "actoreum",
  networks: { actoreum: { url: process.env.RPC_HTTP, chainId: 1337 } },
  mocha: { timeout: 60_000 },
};
