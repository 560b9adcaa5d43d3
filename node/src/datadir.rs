//! The data directory and its layout.
//!
//! ```text
//! <datadir>/                 geth's files are left untouched; keystore/ is shared with it
//!   actoreum/
//!     chaindata/             the database, its ancient files, its lock
//!     ethash/                verification caches (see --ethash.cachedir)
//!     nodekey                the node's key; nodes, nodes.v5: the nodes that discovery knows
//!     incidents.jsonl        failures and restarts of actors; incidents.1.jsonl: earlier ones
//!     signed-….json          the last block that each of its signers has signed (docs/adr/0014)
//! ```
//!
//! Folders are created with mode 0700, as geth does.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use actoreum_storage::{Engine, Store, StoreOptions, engine_of, files};
use eyre::{WrapErr, bail, eyre};

use crate::{config::Config, instance_lock::InstanceLock};

/// Number of blocks behind the head whose state is kept without `--gcmode archive`. It is larger
/// than the number of blocks that are not yet in the ancient files: if those lose their newest
/// blocks, the state can be rolled back as far.
const STATE_HISTORY_BLOCKS: u64 = actoreum_storage::limits::ANCIENT_DEPTH + 6_000;

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    instance: PathBuf,
}

impl DataDir {
    /// Returns the data directory that a configuration names.
    pub fn of(config: &Config) -> Self {
        Self::at(&config.node.data_dir)
    }

    /// Returns the data directory at a path.
    pub fn at(folder: &Path) -> Self {
        Self {
            instance: folder.join("actoreum"),
        }
    }

    /// Returns the folder of this node's own files.
    pub fn instance(&self) -> &Path {
        &self.instance
    }

    /// Returns the folder of the database.
    pub fn chaindata(&self) -> PathBuf {
        self.instance.join("chaindata")
    }

    /// Returns the folder of geth's own files in this data directory.
    pub fn geth_instance(&self) -> PathBuf {
        self.instance.with_file_name("geth")
    }

    /// Locks this data directory against geth and other nodes until the lock is dropped.
    pub fn lock(&self) -> eyre::Result<InstanceLock> {
        InstanceLock::acquire(&self.geth_instance())
    }

    /// Returns the path of a network file: this node's own, or the one that geth left if there is
    /// none. As in geth, a file in the data directory itself (where geth 1.4 kept it) takes
    /// precedence over one in geth's folder. Without any file it is the path of this node's own.
    ///
    /// # Errors
    /// Fails if the existence of a file can't be determined, because another one must not take its
    /// place.
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

    /// Opens the database, or creates one. An existing database keeps its engine, unless a flag
    /// asks for another.
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
        let engine = if config.is_engine_explicit {
            wanted
        } else {
            engine_of(&folder).unwrap_or(wanted)
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

/// Returns the options of a store for a configuration.
pub fn store_options(config: &Config) -> StoreOptions {
    let history = (!config.eth.no_pruning).then_some(STATE_HISTORY_BLOCKS);
    StoreOptions {
        history,
        cache_bytes: config.eth.database_cache << 20,
        ..StoreOptions::default()
    }
}

/// Folder of this node's files below the one that `--datadir.ancient` names, which may hold geth's.
const OWN_ANCIENT: &str = "actoreum";

impl DataDir {
    /// Places the ancient files in another folder (`--datadir.ancient`). The database's folder gets
    /// a symbolic link to it, so that later commands find them without the flag.
    fn place_ancient(&self, wanted: &Path) -> eyre::Result<()> {
        // A relative path is relative to the instance's folder, as in geth.
        let wanted = self.instance.join(wanted).join(OWN_ANCIENT);
        let link = self.chaindata().join("ancient");
        create(&wanted)?;
        let wanted = fs::canonicalize(&wanted)?;
        match fs::canonicalize(&link) {
            Ok(place) if place == wanted => return Ok(()),
            Ok(place) => {
                // `init` without the flag created files, but wrote no block to them.
                if !link.is_symlink() && is_unwritten(&link)? {
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
            .wrap_err_with(|| format!("{} can't be created as a link", link.display()))
    }

    /// Returns the folder of the ancient files, if it is outside of the database's folder.
    pub fn ancient_elsewhere(&self) -> Option<PathBuf> {
        let link = self.chaindata().join("ancient");
        link.is_symlink().then(|| fs::canonicalize(&link).ok())?
    }
}

/// Returns true if all files of a folder are empty.
fn is_unwritten(folder: &Path) -> std::io::Result<bool> {
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
            "data directory {} can't be created; choose another with --datadir",
            folder.display()
        )
    })
}
