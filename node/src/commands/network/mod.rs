//! `network new`: creates the files of a private network in one folder.
//!
//! ```text
//! <dir>/
//!   genesis.json      for every node, actoreum's or geth's
//!   password          of the signers' key files
//!   accounts.json     the pre-funded accounts with their keys
//!   node1/ ...        a data directory each: chain, node key, static nodes, its signer's key
//!   rpc/              a node for JSON-RPC that does not seal and has no unlocked key
//!   start.sh          runs all of them
//!   compose.yaml      the same in containers
//! ```

mod ask;
mod files;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use actoreum_primitives::{
    Address, Fork, Genesis, PrivateChain, PrivateSealing, SecretKey, U256,
    config::{CliqueConfig, DEFAULT_CLIQUE_EPOCH},
};
use actoreum_storage::{Store, files::create_private_folder};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost, mnemonic};
use eyre::{WrapErr, bail};
use zeroize::Zeroizing;

use crate::{
    cli::{NetworkCommand, SealingFlag},
    config::Config,
    datadir::{self, DataDir},
};

/// Gas limit of a block, as in geth 1.13.
const GAS_LIMIT: u64 = 30_000_000;
/// Initial difficulty of ethash, which is its minimum: a block every few seconds on a core or two.
const MIN_DIFFICULTY: u64 = 131_072;
/// Initial balance of each account, in ether.
const ACCOUNT_ETHER: u64 = 1_000_000;
/// Port of JSON-RPC on the node for it.
const HTTP_PORT: u16 = 8545;
/// Port of the admin page on that node.
const ADMIN_PORT: u16 = 6061;
/// The name of the node for JSON-RPC.
const RPC_NODE: &str = "rpc";

/// Runs a subcommand of `network`.
pub fn run(config: &Config, command: NetworkCommand) -> eyre::Result<()> {
    let NetworkCommand::New(args) = command;
    new(config, &ask::fill_in(args)?)
}

/// Parameters of a network, each of them given, asked for, or the default.
#[derive(Debug)]
struct Plan {
    folder: PathBuf,
    engine: SealingFlag,
    signers: u16,
    accounts: u32,
    fork: Fork,
    period: u64,
    chain_id: u64,
    first_port: u16,
}

/// A node of the network.
struct Node {
    name: String,
    folder: PathBuf,
    enode: String,
    port: u16,
    /// The account that seals on the node; `None` for the node for JSON-RPC.
    signer: Option<Address>,
}

fn new(config: &Config, plan: &Plan) -> eyre::Result<()> {
    let folder = make_folder(&plan.folder)?;
    let password = Password::from(hex::encode(SecretKey::random().to_bytes().as_slice()));
    files::write_secret(&folder.join("password"), password.as_bytes())?;
    let phrase = mnemonic::generate();
    let accounts = mnemonic::keys(&phrase, plan.accounts)?;

    let mut nodes = Vec::new();
    for index in 0..=plan.signers {
        let name = if index == plan.signers {
            RPC_NODE.to_owned()
        } else {
            format!("node{}", index + 1)
        };
        let seals = name != RPC_NODE;
        let port = plan.first_port + index;
        nodes.push(make_node(&folder, name, port, seals, &password)?);
    }
    let genesis = genesis(plan, &nodes, &accounts);
    let json = serde_json::to_string_pretty(&genesis)?;
    files::write(&folder.join("genesis.json"), &json)?;
    for node in &nodes {
        init(config, node, &genesis)?;
        files::write_static_nodes(node, &nodes)?;
    }
    files::write_accounts(&folder.join("accounts.json"), &phrase, &accounts)?;
    files::write_start(&folder, plan, &nodes)?;
    files::write_compose(&folder, plan, &nodes)?;
    print_summary(&folder, plan, &nodes);
    warn_of_taken_ports(plan, &nodes);
    Ok(())
}

/// Checks that a network can be written to a folder: it does not exist, or is empty.
fn check_folder(folder: &Path) -> eyre::Result<()> {
    let first = fs::read_dir(folder).map(|mut entries| entries.next());
    match first {
        Ok(Some(_)) => bail!(
            "{} is not empty; choose another folder with --dir",
            folder.display()
        ),
        Ok(None) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => bail!("{} can't be used: {error}", folder.display()),
    }
}

fn make_folder(folder: &Path) -> eyre::Result<PathBuf> {
    // The folder is private, because it holds the signers' password and the keys of all accounts.
    create_private_folder(folder)
        .wrap_err_with(|| format!("the folder {} can't be created", folder.display()))?;
    Ok(fs::canonicalize(folder)?)
}

fn make_node(
    folder: &Path,
    name: String,
    port: u16,
    seals: bool,
    password: &Password,
) -> eyre::Result<Node> {
    let folder = folder.join(&name);
    let datadir = DataDir::at(&folder);
    create_private_folder(datadir.instance())?;
    let key = SecretKey::random();
    let hex = Zeroizing::new(hex::encode(key.to_bytes().as_slice()));
    files::write_secret(&datadir.instance().join("nodekey"), hex.as_bytes())?;
    let signer = if seals {
        // A random password needs no expensive derivation.
        let keys = KeyDirectory::new(folder.join("keystore"), ScryptCost::LIGHT);
        Some(keys.create(password)?.address)
    } else {
        None
    };
    Ok(Node {
        enode: format!(
            "enode://{}@127.0.0.1:{port}",
            hex::encode(key.public_key().to_uncompressed())
        ),
        name,
        folder,
        port,
        signer,
    })
}

fn genesis(plan: &Plan, nodes: &[Node], accounts: &[SecretKey]) -> Genesis {
    let ether = U256::from(10).pow(U256::from(18));
    let balance = U256::from(ACCOUNT_ETHER) * ether;
    let accounts: BTreeMap<Address, U256> = accounts
        .iter()
        .map(|key| (key.address(), balance))
        .collect();
    let signers = nodes.iter().filter_map(|node| node.signer).collect();
    let sealing = match plan.engine {
        SealingFlag::Clique => PrivateSealing::Clique {
            config: CliqueConfig {
                period: plan.period,
                epoch: DEFAULT_CLIQUE_EPOCH,
            },
            signers,
        },
        SealingFlag::Ethash => PrivateSealing::Ethash(U256::from(MIN_DIFFICULTY)),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let chain = PrivateChain {
        chain_id: plan.chain_id,
        sealing,
        gas_limit: GAS_LIMIT,
        fork: plan.fork,
        timestamp: now.map_or(0, |since| since.as_secs()),
        accounts,
    };
    chain.genesis()
}

fn init(config: &Config, node: &Node, genesis: &Genesis) -> eyre::Result<()> {
    let chaindata = DataDir::at(&node.folder).chaindata();
    create_private_folder(&chaindata)?;
    let store = Store::open(&chaindata, datadir::store_options(config))?;
    actoreum_chain::genesis::init(&store, genesis)?;
    Ok(())
}

/// Warns of ports that are already in use on this machine, with a hint.
fn warn_of_taken_ports(plan: &Plan, nodes: &[Node]) {
    let is_taken = |port: &u16| {
        let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port));
        bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    let of_nodes = nodes.iter().map(|node| node.port);
    for port in of_nodes.filter(is_taken) {
        println!(
            "Warning: port {port} is in use on this machine: end what listens on it, or create the \
             network again with another --first-port than {}",
            plan.first_port
        );
    }
    let of_servers = [(HTTP_PORT, "--http.port"), (ADMIN_PORT, "--admin.port")];
    for (port, flag) in of_servers.into_iter().filter(|(port, _)| is_taken(port)) {
        println!(
            "Warning: port {port} is in use on this machine: end what listens on it, or change \
             {flag} in start.sh and compose.yaml"
        );
    }
}

fn print_summary(folder: &Path, plan: &Plan, nodes: &[Node]) {
    let sealers = nodes.len() - 1;
    println!(
        "Network {} in {}, rules of {}",
        plan.chain_id,
        folder.display(),
        plan.fork
    );
    println!();
    for node in nodes {
        match node.signer {
            Some(signer) => println!("{:<6} seals as {signer}, port {}", node.name, node.port),
            None => println!(
                "{:<6} JSON-RPC on {HTTP_PORT}, port {}",
                node.name, node.port
            ),
        }
    }
    println!();
    println!("Start all nodes   {}", folder.join("start.sh").display());
    println!(
        "In containers     docker compose -f {} up",
        folder.join("compose.yaml").display()
    );
    println!("JSON-RPC          http://127.0.0.1:{HTTP_PORT}");
    println!("Admin page        http://127.0.0.1:{ADMIN_PORT}");
    println!(
        "Accounts          {} (keys of {} accounts: keep it secret)",
        folder.join("accounts.json").display(),
        plan.accounts
    );
    println!();
    match plan.engine {
        SealingFlag::Clique => println!(
            "Blocks are sealed while {} of the {sealers} signers run. To run the nodes on separate \
             machines, copy each node's folder there, and write the addresses of the other nodes into \
             its static-nodes.json.",
            sealers / 2 + 1
        ),
        SealingFlag::Ethash => println!(
            "The first block waits for the mining dataset: 1 GB, generated once within minutes."
        ),
    }
    println!(
        "Another node joins with genesis.json: actoreum init --datadir DIR genesis.json, and the \
         list of nodes in {}",
        nodes[0].folder.join("actoreum/static-nodes.json").display()
    );
}
