// A suite of 201 tests with loadFixture over contracts of OpenZeppelin, and the plugins that deploy
// contracts. The compiler comes from npm: Hardhat itself would download one.

const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const solc = require("solc");
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");
require("@openzeppelin/hardhat-upgrades");
require("@nomicfoundation/hardhat-ignition-ethers");
require("hardhat-deploy");
require("hardhat-gas-reporter");

const version = solc.version().split("+")[0];

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version,
  longVersion: solc.version(),
}));

module.exports = {
  solidity: {
    version,
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["storageLayout"] } },
    },
  },
  networks: {
    node: { url: process.env.RPC_HTTP ?? "http://127.0.0.1:8545" },
    // Hardhat's own node, for a comparison.
    hardhat: { hardfork: "osaka" },
  },
  mocha: { timeout: 60_000 },
  gasReporter: { enabled: process.env.REPORT_GAS === "true" },
  namedAccounts: { deployer: 0 },
};
