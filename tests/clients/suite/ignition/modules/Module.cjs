const { buildModule } = require("@nomicfoundation/hardhat-ignition/modules");
module.exports = buildModule("M", (m) => {
  const token = m.contract("Token");
  const vault = m.contract("Vault", [token]);
  m.call(token, "approve", [vault, 1000n]);
  const box = m.contract("Box");
  m.call(box, "store", [42n], { after: [vault] });
  return { token, vault, box };
});
