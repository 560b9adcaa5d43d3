// 201 tests over contracts of OpenZeppelin, as a project has them: fixtures, events, errors, balances, time,
// impersonation. The values of a repeated test differ, so that no result is that of the test before.

const { expect } = require("chai");
const { ethers } = require("hardhat");
const {
  loadFixture,
  time,
  mine,
  setBalance,
  impersonateAccount,
  stopImpersonatingAccount,
  takeSnapshot,
  getStorageAt,
  setStorageAt,
  setCode,
  setNonce,
} = require("@nomicfoundation/hardhat-network-helpers");
const { anyValue } = require("@nomicfoundation/hardhat-chai-matchers/withArgs");
const E = (n) => ethers.parseEther(String(n));
const deploy = async (name, ...a) => {
  const c = await ethers.deployContract(name, a);
  await c.waitForDeployment();
  return c;
};

describe("ERC20", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const token = await deploy("Token");
    return { s, token };
  }
  it("metadata", async () => {
    const { token } = await loadFixture(fixture);
    expect(await token.name()).to.equal("Token");
    expect(await token.decimals()).to.equal(18n);
  });
  for (let i = 1; i <= 15; i++)
    it(`transfers ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      const to = s[(i % 9) + 1];
      await expect(token.transfer(to, E(i)))
        .to.emit(token, "Transfer")
        .withArgs(s[0].address, to.address, E(i));
      expect(await token.balanceOf(to)).to.equal(E(i));
    });
  for (let i = 1; i <= 10; i++)
    it(`changes balances ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      await expect(token.transfer(s[2], i)).to.changeTokenBalances(token, [s[0], s[2]], [-i, i]);
    });
  for (let i = 1; i <= 10; i++)
    it(`allows and spends ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      await token.approve(s[1], E(i));
      await token.connect(s[1]).transferFrom(s[0], s[3], E(i) - 1n);
      expect(await token.allowance(s[0], s[1])).to.equal(1n);
      await expect(token.connect(s[1]).transferFrom(s[0], s[3], 2n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance")
        .withArgs(s[1].address, 1n, 2n);
    });
  for (let i = 1; i <= 5; i++)
    it(`refuses to overspend ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      await expect(token.connect(s[i]).transfer(s[0], 1n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
        .withArgs(s[i].address, 0n, 1n);
    });
  for (let i = 1; i <= 5; i++)
    it(`burns ${i}`, async () => {
      const { token } = await loadFixture(fixture);
      await token.burn(E(i));
      expect(await token.totalSupply()).to.equal(E(1000000 - i));
    });
  for (let i = 0; i < 5; i++)
    it(`pauses ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      await token.pause();
      await expect(token.transfer(s[1], 1)).to.be.revertedWithCustomError(token, "EnforcedPause");
      await token.unpause();
      await expect(token.transfer(s[1], 1)).not.to.be.reverted;
    });
  for (let i = 0; i < 5; i++)
    it(`permits by signature ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      const { chainId } = await ethers.provider.getNetwork();
      const deadline = (await time.latest()) + 1000;
      const value = { owner: s[0].address, spender: s[1].address, value: E(i + 1), nonce: 0n, deadline };
      const sig = ethers.Signature.from(
        await s[0].signTypedData(
          { name: "Token", version: "1", chainId, verifyingContract: await token.getAddress() },
          {
            Permit: [
              "owner:address",
              "spender:address",
              "value:uint256",
              "nonce:uint256",
              "deadline:uint256",
            ].map((x) => ({ name: x.split(":")[0], type: x.split(":")[1] })),
          },
          value,
        ),
      );
      await token
        .connect(s[2])
        .permit(value.owner, value.spender, value.value, deadline, sig.v, sig.r, sig.s);
      expect(await token.allowance(s[0], s[1])).to.equal(E(i + 1));
    });
  for (let i = 0; i < 5; i++)
    it(`remembers votes ${i}`, async () => {
      const { s, token } = await loadFixture(fixture);
      await token.delegate(s[0]);
      const b = await time.latestBlock();
      await mine(i + 1);
      await token.transfer(s[1], E(10));
      expect(await token.getPastVotes(s[0], b)).to.equal(E(1000000));
      expect(await token.getVotes(s[0])).to.equal(E(999990));
    });
  it("only the owner mints", async () => {
    const { s, token } = await loadFixture(fixture);
    await expect(token.connect(s[1]).mint(s[1], 1))
      .to.be.revertedWithCustomError(token, "OwnableUnauthorizedAccount")
      .withArgs(s[1].address);
  });
});

describe("Vault", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const token = await deploy("Token");
    const vault = await deploy("Vault", await token.getAddress());
    await token.approve(vault, ethers.MaxUint256);
    return { s, token, vault };
  }
  for (let i = 1; i <= 10; i++)
    it(`deposits ${i}`, async () => {
      const { s, vault } = await loadFixture(fixture);
      await expect(vault.deposit(E(i), s[0]))
        .to.emit(vault, "Deposit")
        .withArgs(s[0].address, s[0].address, E(i), anyValue);
      expect(await vault.totalAssets()).to.equal(E(i));
    });
  for (let i = 1; i <= 10; i++)
    it(`shares a yield ${i}`, async () => {
      const { s, token, vault } = await loadFixture(fixture);
      await vault.deposit(E(100), s[0]);
      await token.transfer(vault, E(i));
      expect(await vault.convertToAssets(E(100))).to.be.closeTo(E(100 + i), 10n);
      await vault.redeem(E(50), s[1], s[0]);
      expect(await token.balanceOf(s[1])).to.be.closeTo(E(50) + E(i) / 2n, 10n);
    });
  for (let i = 1; i <= 5; i++)
    it(`refuses too large a withdrawal ${i}`, async () => {
      const { s, vault } = await loadFixture(fixture);
      await vault.deposit(E(1), s[0]);
      await expect(vault.withdraw(E(1 + i), s[0], s[0])).to.be.revertedWithCustomError(
        vault,
        "ERC4626ExceededMaxWithdraw",
      );
    });
});

describe("ERC721", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const art = await deploy("Art");
    for (let i = 0; i < 5; i++) await art.mint(s[1], i, `u${i}`);
    return { s, art };
  }
  for (let i = 0; i < 5; i++)
    it(`enumerates ${i}`, async () => {
      const { s, art } = await loadFixture(fixture);
      expect(await art.tokenOfOwnerByIndex(s[1], i)).to.equal(i);
      expect(await art.tokenURI(i)).to.equal(`u${i}`);
    });
  for (let i = 0; i < 10; i++)
    it(`moves ${i}`, async () => {
      const { s, art } = await loadFixture(fixture);
      await art.connect(s[1]).transferFrom(s[1], s[2], i % 5);
      expect(await art.ownerOf(i % 5)).to.equal(s[2].address);
      expect(await art.balanceOf(s[1])).to.equal(4n);
    });
  for (let i = 0; i < 5; i++)
    it(`approves ${i}`, async () => {
      const { s, art } = await loadFixture(fixture);
      await art.connect(s[1]).setApprovalForAll(s[3], true);
      await art.connect(s[3])["safeTransferFrom(address,address,uint256)"](s[1], s[4], i);
      expect(await art.ownerOf(i)).to.equal(s[4].address);
    });
  for (let i = 0; i < 5; i++)
    it(`refuses a stranger ${i}`, async () => {
      const { s, art } = await loadFixture(fixture);
      await expect(art.connect(s[5]).transferFrom(s[1], s[5], i)).to.be.revertedWithCustomError(
        art,
        "ERC721InsufficientApproval",
      );
      await expect(art.connect(s[5]).mint(s[5], 99, "")).to.be.revertedWithCustomError(
        art,
        "AccessControlUnauthorizedAccount",
      );
    });
  for (let i = 0; i < 5; i++)
    it(`grants and revokes ${i}`, async () => {
      const { s, art } = await loadFixture(fixture);
      const role = await art.MINTER();
      await art.grantRole(role, s[2]);
      await art.connect(s[2]).mint(s[2], 50 + i, "x");
      await art.revokeRole(role, s[2]);
      await expect(art.connect(s[2]).mint(s[2], 70, "x")).to.be.reverted;
    });
});

describe("ERC1155", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const items = await deploy("Items");
    await items.mintBatch(s[1], [1, 2, 3], [10, 20, 30]);
    return { s, items };
  }
  for (let i = 1; i <= 10; i++)
    it(`moves a batch ${i}`, async () => {
      const { s, items } = await loadFixture(fixture);
      await expect(items.connect(s[1]).safeBatchTransferFrom(s[1], s[2], [1, 2], [i, i], "0x")).to.emit(
        items,
        "TransferBatch",
      );
      expect(await items.balanceOfBatch([s[1], s[2]], [1, 1])).to.deep.equal([BigInt(10 - i), BigInt(i)]);
    });
  for (let i = 1; i <= 5; i++)
    it(`refuses too many ${i}`, async () => {
      const { s, items } = await loadFixture(fixture);
      await expect(
        items.connect(s[1]).safeTransferFrom(s[1], s[2], 1, 10 + i, "0x"),
      ).to.be.revertedWithCustomError(items, "ERC1155InsufficientBalance");
    });
});

describe("Governor", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const token = await deploy("Token");
    const lock = await deploy("Timelock", 3600, [], [ethers.ZeroAddress], s[0].address);
    const gov = await deploy("Gov", await token.getAddress(), await lock.getAddress());
    await lock.grantRole(await lock.PROPOSER_ROLE(), gov);
    const box = await deploy("Box");
    await token.delegate(s[0]);
    await mine(1);
    return { s, token, lock, gov, box };
  }
  async function propose(gov, box, v) {
    const args = [[await box.getAddress()], [0], [box.interface.encodeFunctionData("store", [v])]];
    await gov.propose(...args, "d" + v);
    const id = await gov.getProposalId(...args, ethers.id("d" + v));
    return { id, args: [...args, ethers.id("d" + v)] };
  }
  for (let i = 20; i < 35; i++)
    it(`passes a proposal ${i}`, async () => {
      const { gov, box, s } = await loadFixture(fixture);
      const { id, args } = await propose(gov, box, i);
      await mine(2);
      await expect(gov.castVote(id, 1))
        .to.emit(gov, "VoteCast")
        .withArgs(s[0].address, id, 1n, E(1000000), "");
      await mine(21);
      expect(await gov.state(id)).to.equal(4n);
      await gov.queue(...args);
      await expect(gov.execute(...args)).to.be.reverted;
      await time.increase(3601);
      await expect(gov.execute(...args)).to.emit(box, "Stored");
      expect(await box.value()).to.equal(i);
    });
  for (let i = 40; i < 45; i++)
    it(`rejects a proposal ${i}`, async () => {
      const { gov, box } = await loadFixture(fixture);
      const { id } = await propose(gov, box, i);
      await mine(2);
      await gov.castVote(id, 0);
      await mine(21);
      expect(await gov.state(id)).to.equal(3n);
    });
});

describe("Vesting", () => {
  async function fixture() {
    const s = await ethers.getSigners();
    const start = (await time.latest()) + 100;
    const v = await ethers.deployContract("Vesting", [s[1].address, start, 10000], { value: E(100) });
    await v.waitForDeployment();
    return { s, start, v };
  }
  for (let i = 1; i <= 10; i++)
    it(`releases ${i}0 %`, async () => {
      const { s, start, v } = await loadFixture(fixture);
      await time.setNextBlockTimestamp(start + i * 1000);
      await expect(v["release()"]()).to.changeEtherBalances([v, s[1]], [-E(i * 10), E(i * 10)]);
    });
  it("nothing at first", async () => {
    const { v } = await loadFixture(fixture);
    expect(await v["releasable()"]()).to.equal(0n);
  });
});

describe("Errors", () => {
  async function fixture() {
    return { box: await deploy("Box"), s: await ethers.getSigners() };
  }
  it("custom error", async () => {
    const { box } = await loadFixture(fixture);
    await expect(box.store(E(2)))
      .to.be.revertedWithCustomError(box, "TooMuch")
      .withArgs(E(2));
  });
  it("reason", async () => {
    const { box } = await loadFixture(fixture);
    await expect(box.store(13)).to.be.revertedWith("unlucky");
  });
  it("panic", async () => {
    const { box } = await loadFixture(fixture);
    await expect(box.store(14)).to.be.revertedWithPanic(0x01);
  });
  it("reason of a sent transaction", async () => {
    const { box } = await loadFixture(fixture);
    const sent = box.store(13, { gasLimit: 100000 });
    // anvil returns the hash of a transaction that fails in its block; Hardhat fails with the reason.
    const client = await ethers.provider.send("web3_clientVersion", []);
    if (client.startsWith("anvil")) await expect(sent).to.be.reverted;
    else await expect(sent).to.be.revertedWith("unlucky");
  });
  it("without reason", async () => {
    const { box, s } = await loadFixture(fixture);
    await expect(s[0].sendTransaction({ to: box, data: "0x12345678" })).to.be.revertedWithoutReason();
  });
  it("estimate fails", async () => {
    const { box } = await loadFixture(fixture);
    await expect(box.store.estimateGas(13)).to.be.rejectedWith(/unlucky/);
  });
  it("static call", async () => {
    const { box } = await loadFixture(fixture);
    await expect(box.store.staticCall(E(5))).to.be.revertedWithCustomError(box, "TooMuch");
  });
});

describe("Factory", () => {
  async function fixture() {
    return {
      f: await deploy("Factory"),
      box: await deploy("Box"),
      lib: await deploy("Lib"),
      s: await ethers.getSigners(),
    };
  }
  for (let i = 1; i <= 5; i++)
    it(`clones ${i}`, async () => {
      const { f, box } = await loadFixture(fixture);
      const salt = ethers.zeroPadValue(ethers.toBeHex(i), 32);
      const at = await f.predict(box, salt);
      await expect(f.clone(box, salt)).to.emit(f, "Made").withArgs(at);
      const c = box.attach(at);
      await c.store(i);
      expect(await c.value()).to.equal(i);
      await expect(f.clone(box, salt)).to.be.reverted;
    });
  for (let i = 1; i <= 5; i++)
    it(`proxies ${i}`, async () => {
      const { f, box } = await loadFixture(fixture);
      const r = await (await f.proxy(box, box.interface.encodeFunctionData("store", [i]))).wait();
      const at = f.interface.parseLog(r.logs.at(-1)).args.what;
      expect(await box.attach(at).value()).to.equal(i);
    });
  for (let i = 1; i <= 5; i++)
    it(`verifies ${i}`, async () => {
      const { lib, s } = await loadFixture(fixture);
      const a = ethers.id("a" + i),
        b = ethers.id("b" + i);
      const [x, y] = [a, b].sort();
      expect(await lib.verify([b], ethers.keccak256(ethers.concat([x, y])), a)).to.equal(true);
      const sig = await s[i].signMessage("m" + i);
      expect(await lib.recover(ethers.hashMessage("m" + i), sig)).to.equal(s[i].address);
    });
  for (let i = 1; i <= 5; i++)
    it(`fills a set ${i}0`, async () => {
      const { lib } = await loadFixture(fixture);
      await lib.fill(i * 10);
      expect(await lib.length()).to.equal(i * 10);
      expect(await lib.at(3)).to.equal(3n);
    });
});

describe("Helpers", () => {
  async function fixture() {
    return { box: await deploy("Box"), two: await deploy("Two"), s: await ethers.getSigners() };
  }
  const x = "0x00000000000000000000000000000000000000ff";
  it("impersonates", async () => {
    const { two } = await loadFixture(fixture);
    await setBalance(x, E(1));
    await two.transferOwnership(x);
    await impersonateAccount(x);
    await two.connect(await ethers.getSigner(x)).acceptOwnership();
    await stopImpersonatingAccount(x);
    expect(await two.owner()).to.equal(ethers.getAddress(x));
  });
  it("storage", async () => {
    const { box } = await loadFixture(fixture);
    const a = await box.getAddress();
    await setStorageAt(a, 0, 77);
    expect(await box.value()).to.equal(77n);
    expect(await getStorageAt(a, 0)).to.equal(ethers.zeroPadValue("0x4d", 32));
  });
  it("code and nonce", async () => {
    await loadFixture(fixture);
    await setCode(x, "0x6001");
    await setNonce(x, 9);
    expect(await ethers.provider.getCode(x)).to.equal("0x6001");
    expect(await ethers.provider.getTransactionCount(x)).to.equal(9);
  });
  it("snapshot", async () => {
    const { box } = await loadFixture(fixture);
    const s = await takeSnapshot();
    await box.store(5);
    await s.restore();
    expect(await box.value()).to.equal(0n);
    await box.store(6);
    await s.restore();
    expect(await box.value()).to.equal(0n);
  });
  it("time", async () => {
    await loadFixture(fixture);
    const t = await time.latest();
    await time.increaseTo(t + 500);
    expect(await time.latest()).to.equal(t + 500);
    await time.setNextBlockTimestamp(t + 600);
    await mine();
    expect(await time.latest()).to.equal(t + 600);
  });
  it("mine with an interval", async () => {
    await loadFixture(fixture);
    const t = await time.latest();
    const b = await time.latestBlock();
    await mine(10, { interval: 60 });
    expect(await time.latestBlock()).to.equal(b + 10);
    expect(await time.latest()).to.be.within(t + 540, t + 610);
  });
  for (let i = 1; i <= 5; i++)
    it(`ether balance ${i}`, async () => {
      const { box, s } = await loadFixture(fixture);
      await expect(box.store(1, { value: i })).to.changeEtherBalance(box, i);
      await expect(() => s[1].sendTransaction({ to: s[2].address, value: i })).to.changeEtherBalances(
        [s[1], s[2]],
        [-i, i],
      );
    });
});
