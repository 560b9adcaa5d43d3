//! No key signs two blocks of one height: not after a rewind of the chain, a restored backup, a
//! removed database, or with the key in a second data directory.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use actoreum_primitives::SecretKey;
use serde_json::{Value, json};

use super::{end, new_account, password_file, start, wait_for};
use crate::{
    chains::{self, clique_genesis},
    folder::copy_folder,
    http,
    process::{Running, free_port, run},
};

/// Time in which a block would arrive if one was sealed.
const NO_BLOCK: Duration = Duration::from_secs(4);
/// Seconds between blocks.
const PERIOD: u64 = 1;
/// Log text of a node that finds the height in its signing record.
const ON_RECORD: &str = "this key has signed up to block";

/// A node of a clique network, with its folder, its data directory and its signer.
struct Signer {
    folder: PathBuf,
    datadir: String,
    address: String,
    key: String,
    port: u16,
}

impl Signer {
    /// Creates the account, but no chain.
    fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        Self {
            address: new_account(&folder),
            datadir: folder.join("node").to_str().unwrap().to_owned(),
            folder,
            key: hex::encode(SecretKey::random().to_bytes().as_slice()),
            port: free_port(),
        }
    }

    fn enode(&self) -> String {
        let bytes: [u8; 32] = hex::decode(&self.key).unwrap().try_into().unwrap();
        let key = SecretKey::from_bytes(&bytes).unwrap().public_key();
        let id = hex::encode(key.to_uncompressed());
        format!("enode://{id}@127.0.0.1:{}", self.port)
    }

    /// Makes `other` a static node of this node.
    fn add_static_peer(&self, other: &Self) {
        let file = Path::new(&self.datadir).join("actoreum/static-nodes.json");
        fs::write(file, json!([other.enode()]).to_string()).unwrap();
    }

    /// Starts the node with sealing.
    fn start(&self, more: &[&str]) -> (Running, SocketAddr) {
        let (port, password) = (self.port.to_string(), password_file(&self.folder));
        let args = [
            "--port",
            &port,
            "--nodekeyhex",
            &self.key,
            "--unlock",
            &self.address,
            "--password",
            &password,
            "--mine",
            "--miner.etherbase",
            &self.address,
        ];
        start(&self.datadir, &[&args[..], more].concat())
    }

    fn removedb(&self) {
        run(&["removedb", "--force", "--datadir", &self.datadir]).ok();
    }

    fn init(&self, genesis: &Value) {
        assert_eq!(chains::init(&self.folder, genesis), self.datadir);
    }

    /// Copies only the key file to the folder of another node.
    fn copy_key_to(&self, folder: &Path) {
        let keystore = folder.join("node/keystore");
        fs::create_dir_all(&keystore).unwrap();
        for entry in fs::read_dir(Path::new(&self.datadir).join("keystore")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().starts_with("UTC") {
                fs::copy(entry.path(), keystore.join(entry.file_name())).unwrap();
            }
        }
    }
}

/// Creates nodes with a signer each, on one chain; returns them and the genesis.
fn network(folder: &Path, names: &[&str]) -> (Vec<Signer>, Value) {
    let signers: Vec<Signer> = names
        .iter()
        .map(|it| Signer::new(folder.join(it)))
        .collect();
    let addresses: Vec<&str> = signers.iter().map(|it| it.address.as_str()).collect();
    let genesis = clique_genesis(PERIOD, &addresses, json!({}));
    for signer in &signers {
        signer.init(&genesis);
    }
    (signers, genesis)
}

#[track_caller]
fn assert_stays_at(node: SocketAddr, number: u64) {
    thread::sleep(NO_BLOCK);
    assert_eq!(http::block_number(node).unwrap(), number);
}

fn hash(node: SocketAddr, number: u64) -> Value {
    let params = json!([format!("{number:#x}"), false]);
    http::call(node, "eth_getBlockByNumber", params).unwrap()["hash"].take()
}

fn hashes(node: SocketAddr) -> BTreeMap<u64, Value> {
    let head = http::block_number(node).unwrap();
    (1..=head)
        .map(|number| (number, hash(node, number)))
        .collect()
}

#[test]
fn set_head_below_a_second_signer_allows_no_second_signature() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, _) = network(folder.path(), &["a"]);
    let (mut node, address) = signers[0].start(&[]);
    wait_for(address, 2);
    // A second signer is voted in and is absent, so the first one may seal only one more block.
    let other = format!("0x{}", "77".repeat(20));
    http::call(address, "clique_propose", json!([other, true])).unwrap();
    node.wait_for("signed recently, must wait for others");
    let signed = hashes(address);
    let head = *signed.keys().last().unwrap();
    assert!(head >= 3, "{signed:?}");

    // At block 1 there was only one signer.
    http::call(address, "debug_setHead", json!(["0x1"])).unwrap();
    let line = node.wait_for(ON_RECORD);
    assert!(line.contains(&format!("up to block {head} ")), "{line}");
    assert_stays_at(address, 1);
    end(node);
    // The same holds after a restart.
    let (mut node, address) = signers[0].start(&[]);
    node.wait_for(ON_RECORD);
    http::call(address, "debug_setHead", json!(["0x0"])).unwrap();
    assert_stays_at(address, 0);
    end(node);
}

#[test]
fn a_restored_backup_waits_for_a_peer_and_signs_no_height_again() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, _) = network(folder.path(), &["a", "b"]);
    let [a, b] = &signers[..] else { unreachable!() };
    a.add_static_peer(b);
    b.add_static_peer(a);
    let ((first, _), (other, address)) = (a.start(&[]), b.start(&[]));
    wait_for(address, 3);
    end(first);
    let backup = folder.path().join("backup");
    copy_folder(Path::new(&a.datadir), &backup);
    let (again, restarted) = a.start(&[]);
    let before = http::block_number(restarted).unwrap();
    wait_for(address, before + 4);
    end(again);
    end(other);
    // Blocks that left the first node are those that the second one has.
    let (other, address) = b.start(&["--miner.nowait"]);
    let signed = hashes(address);
    end(other);

    fs::remove_dir_all(&a.datadir).unwrap();
    copy_folder(&backup, Path::new(&a.datadir));
    let (mut restored, address) = a.start(&[]);
    restored.wait_for("sealing begins once a peer is connected");
    let old = http::block_number(address).unwrap();
    assert!(old < before + 4);
    assert_stays_at(address, old);

    let (other, there) = b.start(&[]);
    restored.wait_for("first peer connected, sealing begins");
    let head = *signed.keys().last().unwrap();
    for node in [address, there] {
        wait_for(node, head + 2);
        for (number, block) in &signed {
            assert_eq!(
                hash(node, *number),
                *block,
                "block {number} was signed again"
            );
        }
    }
    end(restored);
    end(other);
}

#[test]
fn the_nowait_flag_lets_one_of_several_signers_seal_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, _) = network(folder.path(), &["a", "b"]);
    let [a, b] = &signers[..] else { unreachable!() };
    a.add_static_peer(b);
    let (mut node, address) = a.start(&[]);
    node.wait_for("sealing begins once a peer is connected");
    assert_stays_at(address, 0);
    end(node);
    let (node, address) = a.start(&["--miner.nowait"]);
    wait_for(address, 1);
    end(node);
}

#[test]
fn a_lone_signer_waits_for_no_peer() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, _) = network(folder.path(), &["a"]);
    let nobody = Signer::new(folder.path().join("nobody"));
    signers[0].add_static_peer(&nobody);
    let (node, address) = signers[0].start(&[]);
    wait_for(address, 2);
    end(node);
}

#[test]
fn removedb_allows_no_second_signature_while_the_record_exists() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, genesis) = network(folder.path(), &["a"]);
    let signer = &signers[0];
    let (node, address) = signer.start(&[]);
    wait_for(address, 2);
    end(node);
    signer.removedb();
    signer.init(&genesis);
    let (mut node, address) = signer.start(&[]);
    let line = node.wait_for(ON_RECORD);
    assert_stays_at(address, 0);
    end(node);

    // The log names all files that have to be removed if the chain is lost for good.
    let (_, files) = line.split_once("remove ").unwrap();
    let files: Vec<&str> = files
        .split_whitespace()
        .filter(|part| part.contains("signed-"))
        .map(|part| part.trim_matches('"'))
        .collect();
    assert_eq!(files.len(), 2, "{line}");
    for file in files {
        fs::remove_file(file).unwrap();
    }
    let (node, address) = signer.start(&[]);
    wait_for(address, 2);
    end(node);
}

#[test]
fn two_data_directories_with_one_keystore_sign_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, genesis) = network(folder.path(), &["a"]);
    let first = &signers[0];
    let keystore = format!("{}/keystore", first.datadir);
    let second = Signer {
        address: first.address.clone(),
        ..Signer::new(folder.path().join("second"))
    };
    second.init(&genesis);
    let (mut node, address) = first.start(&[]);
    wait_for(address, 2);
    // Both run at the same time.
    let (mut other, there) = second.start(&["--keystore", &keystore]);
    other.wait_for("another process on this machine seals with this key");
    assert_stays_at(there, 0);
    node.signal("TERM");
    while !node.has_ended() {
        thread::sleep(Duration::from_millis(50));
    }
    // One runs after the other.
    other.wait_for(ON_RECORD);
    assert_stays_at(there, 0);
    end(other);
}

#[test]
fn a_copied_key_does_not_seal_while_another_process_does() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, genesis) = network(folder.path(), &["a"]);
    let first = &signers[0];
    let copy = Signer {
        address: first.address.clone(),
        ..Signer::new(folder.path().join("copy"))
    };
    first.copy_key_to(&copy.folder);
    copy.init(&genesis);
    let (node, address) = first.start(&[]);
    wait_for(address, 2);
    let (mut other, there) = copy.start(&[]);
    other.wait_for("another process on this machine seals with this key");
    assert_stays_at(there, 0);
    end(other);
    end(node);
}

#[test]
fn an_unrecorded_block_with_our_signature_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let (signers, genesis) = network(folder.path(), &["a", "b"]);
    let first = &signers[0];
    let (node, address) = first.start(&[]);
    wait_for(address, 1);
    http::call(address, "miner_stop", json!([])).unwrap();
    let copy = Signer {
        address: first.address.clone(),
        ..Signer::new(folder.path().join("copy"))
    };
    first.copy_key_to(&copy.folder);
    copy.init(&genesis);
    copy.add_static_peer(first);
    let (mut other, there) = copy.start(&[]);
    let line = other.wait_for("carries this node's signature and was not on record");
    assert!(line.contains("WARN") && line.contains("number=1"), "{line}");
    assert_eq!(http::block_number(there).unwrap(), 1);
    end(other);
    end(node);
}

#[test]
fn the_signing_record_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (signers, _) = network(folder.path(), &["a"]);
    let (node, address) = signers[0].start(&[]);
    wait_for(address, 1);
    let datadir = Path::new(&signers[0].datadir);
    let mut records = 0;
    for folder in ["actoreum", "keystore"] {
        for entry in fs::read_dir(datadir.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().contains("signed-") {
                records += 1;
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
            }
        }
    }
    assert!(records >= 2, "{records} files");
    // The records in the keystore are not listed as accounts.
    let accounts = http::call(address, "eth_accounts", json!([])).unwrap();
    assert_eq!(accounts.as_array().unwrap().len(), 1);
    end(node);
}
