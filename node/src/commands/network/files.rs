//! Writes the files of a new network.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use actoreum_primitives::SecretKey;
use actoreum_storage::files::{PRIVATE_FILE, PUBLIC_FILE, create_file};
use eyre::WrapErr;
use zeroize::Zeroizing;

use super::{ADMIN_PORT, HTTP_PORT, Node, Plan, RPC_NODE};
use crate::{cli::SealingFlag, datadir::DataDir};

/// Bounds the bytes of the mnemonic and of the text around the accounts.
const MAX_PHRASE_BYTES: usize = 512;
/// Bounds the bytes of an account with its key.
const ACCOUNT_BYTES: usize = 192;

fn create(path: &Path, mode: u32, bytes: &[u8]) -> eyre::Result<()> {
    create_file(path, bytes, mode).wrap_err_with(|| format!("{} can't be written", path.display()))
}

/// Writes a file that everyone may read.
pub(super) fn write(path: &Path, text: &str) -> eyre::Result<()> {
    create(path, PUBLIC_FILE, text.as_bytes())
}

/// Writes a file with mode 0600.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> eyre::Result<()> {
    create(path, PRIVATE_FILE, bytes)
}

/// Writes the static nodes of a node: all other nodes of the network.
pub(super) fn write_static_nodes(node: &Node, nodes: &[Node]) -> eyre::Result<()> {
    let others = nodes.iter().filter(|other| other.port != node.port);
    let urls: Vec<&str> = others.map(|other| other.enode.as_str()).collect();
    let file = DataDir::at(&node.folder)
        .instance()
        .join("static-nodes.json");
    write(&file, &serde_json::to_string_pretty(&urls)?)
}

/// Writes the accounts that hold ether, with their mnemonic and keys.
pub(super) fn write_accounts(
    file: &Path,
    phrase: &str,
    accounts: &[SecretKey],
) -> eyre::Result<()> {
    // The JSON is written by hand into one buffer that never grows and is zeroed.
    let bytes = MAX_PHRASE_BYTES + accounts.len() * ACCOUNT_BYTES;
    let mut text = Zeroizing::new(String::with_capacity(bytes));
    write!(
        text,
        "{{\n  \"mnemonic\": \"{phrase}\",\n  \"path\": \"m/44'/60'/0'/0/n\",\n"
    )?;
    text.push_str("  \"accounts\": [");
    for (index, key) in accounts.iter().enumerate() {
        let digits = Zeroizing::new(hex::encode(key.to_bytes().as_slice()));
        let (comma, address) = (if index == 0 { "" } else { "," }, key.address());
        write!(
            text,
            "{comma}\n    {{\n      \"address\": \"{address:#x}\",\n      \"key\": \"0x"
        )?;
        text.push_str(&digits);
        text.push_str("\"\n    }");
    }
    text.push_str("\n  ]\n}");
    write_secret(file, text.as_bytes())
}

/// Returns the flags of a node whose network is in the folder `root`.
fn flags(root: &str, plan: &Plan, node: &Node) -> Vec<String> {
    let mut flags: Vec<String> = vec![
        "--datadir".into(),
        format!("{root}/{}", node.name),
        "--networkid".into(),
        plan.chain_id.to_string(),
        "--port".into(),
        node.port.to_string(),
        "--nodiscover".into(),
        "--nat".into(),
        "none".into(),
    ];
    if node.name == RPC_NODE {
        flags.extend(["--http".into(), "--http.port".into(), HTTP_PORT.to_string()]);
        flags.extend([
            "--admin".into(),
            "--admin.port".into(),
            ADMIN_PORT.to_string(),
        ]);
    }
    if let Some(signer) = node.signer {
        flags.extend([
            "--mine".into(),
            "--miner.etherbase".into(),
            signer.to_string(),
        ]);
        match plan.engine {
            SealingFlag::Clique => flags.extend([
                "--unlock".into(),
                signer.to_string(),
                "--password".into(),
                format!("{root}/password"),
            ]),
            SealingFlag::Ethash => flags.extend(["--miner.threads".into(), "1".into()]),
        }
    }
    flags
}

/// Writes the script that runs all nodes until it is interrupted.
pub(super) fn write_start(folder: &Path, plan: &Plan, nodes: &[Node]) -> eyre::Result<()> {
    let mut script = String::from(
        "#!/bin/sh\n\
         # Runs every node of this network; ends all of them when it is interrupted.\n\
         # With names of nodes (start.sh node1 rpc) it runs these alone.\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n",
    );
    let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("actoreum"));
    script += &format!(
        "ACTOREUM=${{ACTOREUM:-{}}}\n",
        quoted(&binary.to_string_lossy())
    );
    script += "wanted=\" ${*:-all} \"\n\
         pids=\n\
         trap 'kill $pids 2>/dev/null; wait; exit 0' INT TERM\n\
         run() {\n\
         \x20   name=$1; shift\n\
         \x20   case \"$wanted\" in *\" all \"* | *\" $name \"*) ;; *) return ;; esac\n\
         \x20   \"$ACTOREUM\" \"$@\" >>\"$name.log\" 2>&1 &\n\
         \x20   pids=\"$pids $!\"\n\
         \x20   echo \"$name runs, its log is $name.log\"\n\
         }\n";
    for node in nodes {
        script += &format!("run {} {}\n", node.name, flags(".", plan, node).join(" "));
    }
    script += "wait\n";
    create(&folder.join("start.sh"), 0o755, script.as_bytes())
}

/// Quotes a text for a shell, in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Writes the compose file. The nodes use the machine's network, so that their addresses are the
/// same with containers and without.
pub(super) fn write_compose(folder: &Path, plan: &Plan, nodes: &[Node]) -> eyre::Result<()> {
    let mut text = String::from(
        "# docker compose up. ACTOREUM names the binary on this machine.\n\
         x-node: &node\n\
         \x20 image: debian:stable-slim\n\
         \x20 network_mode: host\n\
         \x20 restart: unless-stopped\n\
         \x20 stop_grace_period: 60s\n\
         \x20 volumes:\n\
         \x20   - .:/net\n\
         \x20   - ${ACTOREUM:-/usr/local/bin/actoreum}:/usr/local/bin/actoreum:ro\n\
         services:\n",
    );
    for node in nodes {
        let command = [vec!["actoreum".to_owned()], flags("/net", plan, node)].concat();
        text += &format!(
            "  {}:\n    <<: *node\n    command: {}\n",
            node.name,
            serde_json::to_string(&command)?
        );
    }
    write(&folder.join("compose.yaml"), &text)
}
