// The plugins that deploy contracts: OpenZeppelin's upgrades, ignition, hardhat-deploy.

const { expect } = require("chai");
const hre = require("hardhat");
const { ethers } = hre;
describe("plugins", () => {
  it("upgrades: transparent proxy", async () => {
    const p = await hre.upgrades.deployProxy(await ethers.getContractFactory("UpBox"), [42]);
    await p.waitForDeployment();
    expect(await p.value()).to.equal(42n);
    const q = await hre.upgrades.upgradeProxy(
      await p.getAddress(),
      await ethers.getContractFactory("UpBoxV2"),
    );
    await q.inc();
    expect(await q.value()).to.equal(43n);
  });
  it("upgrades: beacon", async () => {
    const F = await ethers.getContractFactory("UpBox");
    const b = await hre.upgrades.deployBeacon(F);
    const p = await hre.upgrades.deployBeaconProxy(b, F, [7]);
    expect(await p.value()).to.equal(7n);
    await hre.upgrades.upgradeBeacon(b, await ethers.getContractFactory("UpBoxV2"));
  });
  it("ignition", async () => {
    const { box, vault } = await hre.ignition.deploy(require("../ignition/modules/Module.cjs"));
    expect(await box.value()).to.equal(42n);
    expect(await vault.name()).to.equal("Vault");
  });
  it("ignition create2", async () => {
    const { box } = await hre.ignition.deploy(require("../ignition/modules/Module.cjs"), {
      strategy: "create2",
      strategyConfig: { salt: ethers.id("salt") },
    });
    expect(await box.value()).to.equal(42n);
  });
  it("hardhat-deploy", async () => {
    await hre.deployments.fixture(["all"]);
    const d = await hre.deployments.get("Box");
    expect(await ethers.provider.getCode(d.address)).not.to.equal("0x");
    await hre.deployments.fixture(["all"]);
  });
});
