//! `bootnode`: runs discovery alone, with the flags of geth's tool of this name.

use std::{path::Path, process::ExitCode, sync::Arc};

use actoreum_actors::net::{
    self, settings::NetworkSettings, tcp::OsTransport, transport::ListenAddress,
};
use actoreum_primitives::SecretKey;
use actoreum_supervision::{Strategy, SupervisorSpec, TreeOptions};
use eyre::{WrapErr, bail, eyre};
use tracing::info;

use crate::{
    cli::BootnodeArgs,
    config::{network::P2pConfig, node::NodeFlags},
    signals,
    tree::network::{nat, read_key, restrict, write_key},
    version,
};

/// Runs the command: the node, until a signal, or one of its tools for keys.
pub fn run(flags: &NodeFlags, args: &BootnodeArgs) -> eyre::Result<ExitCode> {
    if let Some(file) = &args.genkey {
        create_key(file)?;
        return Ok(ExitCode::SUCCESS);
    }
    // geth's bootnode maps no ports unless it is told to.
    let mut config = P2pConfig {
        nat: "none".to_owned(),
        ..P2pConfig::default()
    };
    config.apply(&flags.network)?;
    let key = key(&config)?;
    if args.writeaddress {
        println!("{}", hex::encode(key.public_key().to_uncompressed()));
        return Ok(ExitCode::SUCCESS);
    }
    let address: Result<ListenAddress, _> = args.addr.parse();
    let settings = NetworkSettings {
        listen: address.map_err(|error| eyre!("-addr: {error}"))?,
        restrict: restrict(&config)?,
        nat: nat(&config)?,
        discovery_v4: config.discovery_v4 != Some(false),
        discovery_v5: args.v5 || config.discovery_v5,
        ..NetworkSettings::new(key, version::named("bootnode"))
    };
    serve(settings)
}

/// Writes a new node key to a file that does not exist.
pub(super) fn create_key(file: &Path) -> eyre::Result<()> {
    write_key(file, &SecretKey::random())
        .wrap_err_with(|| format!("node key {} can't be written", file.display()))
}

fn key(config: &P2pConfig) -> eyre::Result<SecretKey> {
    let key = &config.key;
    match (&key.file, &key.hex) {
        (None, None) => bail!("Use -nodekey or -nodekeyhex to specify a private key"),
        (Some(_), Some(_)) => bail!("Options -nodekey and -nodekeyhex are mutually exclusive"),
        (Some(file), None) => read_key(file),
        (None, Some(_)) => key.parse()?.ok_or_else(|| eyre!("-nodekeyhex: no key")),
    }
}

/// Runs the tree of the node until a signal, or until it gives up.
fn serve(settings: NetworkSettings) -> eyre::Result<ExitCode> {
    let (network, handle) = net::assemble_bootnode(settings, Arc::new(OsTransport::default()));
    let spec = SupervisorSpec::new("bootnode", Strategy::OneForOne).child(network);
    let signal = signals::listen()?;
    actoreum_supervision::block_on(async move {
        let tree = TreeOptions::default().start(spec).await;
        let tree = tree.map_err(|error| eyre!("{error}; choose another address with -addr"))?;
        info!(version = version::NUMBER, "bootnode started");
        let local = handle.local();
        println!("{}", local.enode);
        if handle.settings().discovery_v5 {
            println!("{}", local.record);
        }
        let stopping = tree.handle().clone();
        let ended = tree.wait();
        tokio::pin!(ended);
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            _ = signal => {
                stopping.stop();
                ended.await
            }
        };
        if outcome.is_clean() {
            Ok(ExitCode::SUCCESS)
        } else {
            Err(eyre!("the bootnode stopped: {outcome}"))
        }
    })
}
