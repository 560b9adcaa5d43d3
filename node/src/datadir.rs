//! The data directory: what lies where.
//!
//! ```text
//! <datadir>/                 geth's own layout is left alone: keystore/ is shared with it
//!   actoreum/
//!     chaindata/             the database, its ancient files, its lock
//!     ethash/                verification caches (see --ethash.cachedir)
//!     nodekey                who the node is to its peers; nodes: those that it has met
//!     signed-….json          up to which block its signers have signed (docs/adr/0014)
//! ```
//!
//! Folders that this node makes are their owner's alone (0700), as geth's are.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use actoreum_storage::{Engine, Store, StoreOptions, engine_of, files};
use eyre::{WrapErr, bail, eyre};

use crate::{config::Config, instance_lock::InstanceLock};

/// Blocks behind the head whose state is kept without `--gcmode archive`. Some more than stay out
/// of the ancient files: where those lose their newest blocks, the state can follow.
const KEPT_STATES: u64 = actoreum_storage::limits::ANCIENT_DEPTH + 6_000;

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    instance: PathBuf,
}

impl DataDir {
    /// The one that a configuration names.
    pub fn of(config: &Config) -> Self {
        Self::at(&config.node.data_dir)
    }

    /// The one at a path.
    pub fn at(folder: &Path) -> Self {
        Self {
            instance: folder.join("actoreum"),
        }
    }

    /// Where this node's own files lie.
    pub fn instance(&self) -> &Path {
        &self.instance
    }

    /// Where the database lies.
    pub fn chaindata(&self) -> PathBuf {
        self.instance.join("chaindata")
    }

    /// Where a geth on this data directory has its own files.
    pub fn geth_instance(&self) -> PathBuf {
        self.instance.with_file_name("geth")
    }

    /// Keeps geth and other nodes off this data directory until the lock is dropped.
    pub fn lock(&self) -> eyre::Result<InstanceLock> {
        InstanceLock::acquire(&self.geth_instance())
    }

    /// A file of the network: this node's own, or where it has none, the one that geth left. As for
    /// geth, one in the data directory itself (geth 1.4 had it there) goes before one in its folder.
    ///
    /// # Errors
    /// It can't be told whether a file is there: another one must not take its place.
    pub fn network_file(&self, name: &str) -> eyre::Result<PathBuf> {
        let own = self.instance.join(name);
        let of_geth_1_4 = self.instance.with_file_name(name);
        let of_geth = self.geth_instance().join(name);
        for path in [&own, &of_geth_1_4, &of_geth] {
            let is_there = path.try_exists().wrap_err_with(|| {
                format!(
                    "{} can't be read; give it to the user who runs the node, or choose another \
                     directory with --datadir",
                    path.display()
                )
            })?;
            if is_there {
                return Ok(path.clone());
            }
        }
        Ok(own)
    }

    /// Opens the database, or makes one. A database that is there keeps its engine, unless
    /// another was asked for by flag.
    pub fn open_store(&self, config: &Config) -> eyre::Result<Store> {
        let folder = self.chaindata();
        create(&folder)?;
        if !config.eth.database_freezer.as_os_str().is_empty() {
            self.place_ancient(&config.eth.database_freezer)?;
        }
        let wanted: Engine = config
            .actoreum
            .db_engine
            .parse()
            .map_err(|error: String| eyre!("{error}"))?;
        let engine = match config.is_engine_explicit {
            true => wanted,
            false => engine_of(&folder).unwrap_or(wanted),
        };
        Ok(Store::open(
            &folder,
            StoreOptions {
                engine,
                ..store_options(config)
            },
        )?)
    }
}

/// How a configuration wants its store kept.
pub fn store_options(config: &Config) -> StoreOptions {
    let history = (!config.eth.no_pruning).then_some(KEPT_STATES);
    StoreOptions {
        history,
        cache_bytes: config.eth.database_cache << 20,
        ..StoreOptions::default()
    }
}

/// A folder of our own below the one that `--datadir.ancient` names, which may hold geth's files.
const OWN_ANCIENT: &str = "actoreum";

impl DataDir {
    /// Has the ancient files lie in another place (`--datadir.ancient`): the database's folder
    /// gets a link to it, so that later commands find them without the flag.
    fn place_ancient(&self, wanted: &Path) -> eyre::Result<()> {
        // A relative path begins in the instance's folder, as in geth.
        let wanted = self.instance.join(wanted).join(OWN_ANCIENT);
        let link = self.chaindata().join("ancient");
        create(&wanted)?;
        let wanted = fs::canonicalize(&wanted)?;
        match fs::canonicalize(&link) {
            Ok(place) if place == wanted => return Ok(()),
            Ok(place) => {
                // `init` without the flag made files, but put no block into them.
                if !link.is_symlink() && is_unused(&link)? {
                    fs::remove_dir_all(&link)?;
                } else {
                    bail!(
                        "ancient files are in {}; move them to {} and put a link to it in place of \
                         {}, or leave out --datadir.ancient",
                        place.display(),
                        wanted.display(),
                        link.display()
                    );
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && !link.is_symlink() => {}
            Err(error) => bail!("ancient files: {} can't be read: {error}", link.display()),
        }
        std::os::unix::fs::symlink(&wanted, &link)
            .wrap_err_with(|| format!("{} can't be made a link", link.display()))
    }

    /// Where the ancient files lie, if that is outside of the database's folder.
    pub fn ancient_elsewhere(&self) -> Option<PathBuf> {
        let link = self.chaindata().join("ancient");
        link.is_symlink().then(|| fs::canonicalize(&link).ok())?
    }
}

/// Whether nothing was written to a folder's files.
fn is_unused(folder: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        if !metadata.is_file() || metadata.len() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn create(folder: &Path) -> eyre::Result<()> {
    files::create_private_folder(folder).wrap_err_with(|| {
        format!(
            "data directory {} can't be made; choose another with --datadir",
            folder.display()
        )
    })
}
