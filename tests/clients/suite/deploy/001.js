module.exports = async ({ getNamedAccounts, deployments }) => {
  const { deployer } = await getNamedAccounts();
  const t = await deployments.deploy("Token", { from: deployer, log: true });
  await deployments.deploy("Vault", { from: deployer, args: [t.address] });
  await deployments.deploy("Box", { from: deployer, deterministicDeployment: true });
};
module.exports.tags = ["all"];
