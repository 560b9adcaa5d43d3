//! A data directory that geth used: what the node takes over, what it leaves unchanged, and the
//! lock that keeps both from running on it at the same time.

use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::{
    Address, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256, rlp::Encode as _,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chains::{self, CHAIN_ID},
    http,
    process::{Running, run},
};

const NODE_KEY: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
/// First digits of the public key of [`NODE_KEY`], in an enode URL.
const PUBLIC_KEY: &str = "enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769c";
/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A data directory with geth's files in it, and a genesis.
struct Site {
    folder: TempDir,
}

impl Site {
    /// Creates all files of geth except its journal. `balance` is the balance of [`sender`], in
    /// wei.
    fn new(balance: U256) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        let geth = site.geth();
        fs::create_dir_all(geth.join("chaindata/ancient")).unwrap();
        for (name, content) in [
            ("nodekey", NODE_KEY),
            ("chaindata/CURRENT", "MANIFEST-000001\n"),
            ("chaindata/LOCK", ""),
            ("chaindata/ancient/headers.cidx", "\0\0"),
            ("static-nodes.json", "[]"),
            ("LOCK", ""),
        ] {
            fs::write(geth.join(name), content).unwrap();
        }
        let sender = hex::encode(sender().address());
        let alloc = json!({ sender: { "balance": balance.to_string() } });
        let genesis = site.folder.path().join("genesis.json");
        fs::write(&genesis, chains::foreign_genesis(alloc).to_string()).unwrap();
        run(&[
            "init",
            "--datadir",
            site.datadir(),
            genesis.to_str().unwrap(),
        ])
        .ok();
        site
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn datadir(&self) -> &'static str {
        let data = self.data().to_str().unwrap().to_owned();
        Box::leak(data.into_boxed_str())
    }

    fn geth(&self) -> PathBuf {
        self.data().join("geth")
    }

    fn journal(&self) -> PathBuf {
        self.geth().join("transactions.rlp")
    }

    fn start(&self, more: &[&str]) -> (Running, SocketAddr) {
        let args = ["--datadir", self.datadir(), "--http", "--http.port", "0"];
        let args = [&args[..], &["--http.api", "eth,txpool,admin"], more].concat();
        let mut node = Running::start(&args);
        let http = node.wait_for_http();
        node.wait_for("IPC endpoint opened");
        (node, http)
    }

    /// Returns every file in geth's folder, with its content and its modification time.
    fn geths_files(&self) -> Vec<(PathBuf, Vec<u8>, i64)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.geth()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).unwrap();
                    files.push((path, content, metadata.mtime_nsec()));
                }
            }
        }
        files.sort();
        files
    }
}

fn sender() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).unwrap()
}

/// Returns a transaction as encoded in geth's journal, and its hash.
fn transaction(nonce: u64) -> (Vec<u8>, Value) {
    let payload = LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(1_000_000_000),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(1)),
        value: U256::from(1),
        ..LegacyTx::default()
    };
    let pooled = PooledTransaction {
        transaction: TxPayload::Legacy(payload).sign(&sender()),
        sidecar: None,
    };
    let mut bytes = Vec::new();
    pooled.encode(&mut bytes);
    (bytes, json!(pooled.transaction.hash()))
}

fn ether() -> U256 {
    U256::from(10).pow(U256::from(18))
}

/// Returns the numbers of pending and queued transactions.
fn pool(http: SocketAddr) -> (Value, Value) {
    let mut status = http::call(http, "txpool_status", json!([])).unwrap();
    (status["pending"].take(), status["queued"].take())
}

fn stop(node: Running) {
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn a_data_directory_that_geth_holds_is_refused() {
    let site = Site::new(ether());
    let lock = File::options()
        .write(true)
        .open(site.geth().join("LOCK"))
        .unwrap();
    lock.lock().unwrap();
    let ipc = site.data().join("geth.ipc");
    let socket = UnixListener::bind(&ipc).unwrap();
    for mode in [&[][..], &["--dev"]] {
        let args = ["--port", "0", "--nodiscover", "--datadir", site.datadir()];
        let ended = run(&[&args[..], mode].concat());
        ended.fatal(&[
            "datadir already used by another process",
            "geth/LOCK",
            "--datadir",
        ]);
        let own = format!("(process {}) holds", std::process::id());
        let is_reported = Path::new("/proc/locks").exists();
        assert!(!is_reported || ended.stderr.contains(&own), "{ended:?}");
    }
    assert!(UnixStream::connect(&ipc).is_ok(), "its socket answers");
    drop(socket);
    // A data directory without files of this node is left unchanged.
    fs::remove_dir_all(site.data().join("actoreum")).unwrap();
    run(&["--datadir", site.datadir()]).fatal(&["already used"]);
    assert!(!site.data().join("actoreum").exists());
}

#[test]
fn blocks_can_be_imported_while_geth_runs() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    fs::create_dir(folder.path().join("geth")).unwrap();
    let lock = File::create(folder.path().join("geth/LOCK")).unwrap();
    lock.lock().unwrap();
    chain.init(datadir, "sled");
    chain.import(datadir);
    chain.assert_complete(datadir);
}

#[test]
fn a_running_node_holds_the_lock_of_geth() {
    for with_geth in [true, false] {
        let site = Site::new(ether());
        if !with_geth {
            fs::remove_dir_all(site.geth()).unwrap();
        }
        let (node, _) = site.start(&[]);
        let lock = File::open(site.geth().join("LOCK")).unwrap();
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        let mode = site.geth().metadata().unwrap().permissions().mode() & 0o777;
        assert!(with_geth || mode == 0o700, "{mode:o}");
        run(&["--datadir", site.datadir()]).fatal(&["already used by another process"]);
        node.kill();
        let begun = Instant::now();
        while lock.try_lock().is_err() {
            assert!(begun.elapsed() < TIMEOUT, "the lock outlives its process");
        }
    }
}

#[test]
fn a_second_node_leaves_the_socket_of_the_first() {
    let (one, two) = (Site::new(ether()), Site::new(ether()));
    let path = one.folder.path().join("shared.ipc");
    // A killed node leaves such a socket behind.
    drop(UnixListener::bind(&path).unwrap());
    let (node, _) = one.start(&["--ipcpath", path.to_str().unwrap()]);
    let inode = path.metadata().unwrap().ino();
    let ended = run(&[
        "--port",
        "0",
        "--nodiscover",
        "--datadir",
        two.datadir(),
        "--ipcpath",
        path.to_str().unwrap(),
    ]);
    ended.fatal(&[
        "shared.ipc",
        "another process answers",
        "--ipcpath",
        "--ipcdisable",
    ]);
    assert_eq!(path.metadata().unwrap().ino(), inode);
    assert!(UnixStream::connect(&path).is_ok());

    // geth replaces a socket even if a process listens on it. Its socket outlives the node.
    fs::remove_file(&path).unwrap();
    let of_geth = UnixListener::bind(&path).unwrap();
    stop(node);
    assert!(UnixStream::connect(&path).is_ok());
    drop(of_geth);
    let (node, _) = one.start(&["--ipcpath", path.to_str().unwrap()]);
    stop(node);
    assert!(!path.exists());
}

#[test]
fn a_file_beside_the_socket_is_left_alone() {
    let site = Site::new(ether());
    let hidden = site.data().join("geth.ipc~");
    fs::write(&hidden, "precious").unwrap();
    let (node, _) = site.start(&[]);
    let socket = site.data().join("geth.ipc").metadata().unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    stop(node);
    assert_eq!(fs::read(&hidden).unwrap(), b"precious");
}

#[test]
fn geths_local_transactions_are_imported_once() {
    let site = Site::new(ether());
    let ((first, first_hash), (second, second_hash)) = (transaction(0), transaction(1));
    fs::write(site.journal(), [first, second].concat()).unwrap();
    let before = site.geths_files();

    let (mut node, http) = site.start(&[]);
    node.wait_for("local transactions of geth imported");
    assert_eq!(pool(http), (json!("0x2"), json!("0x0")));
    for hash in [&first_hash, &second_hash] {
        let found = http::call(http, "eth_getTransactionByHash", json!([hash])).unwrap();
        assert_eq!(found["hash"], *hash);
        assert!(found["blockNumber"].is_null());
    }
    stop(node);
    assert_eq!(site.geths_files(), before, "geth's files are unchanged");

    // The node has the transactions in its own journal now.
    let (node, http) = site.start(&[]);
    assert_eq!(pool(http), (json!("0x2"), json!("0x0")));
    assert!(node.line("local transactions of geth").is_none());
    stop(node);

    // The operator went back to geth and returns: geth's journal has another transaction.
    fs::write(site.journal(), transaction(2).0).unwrap();
    let (mut node, http) = site.start(&[]);
    node.wait_for("local transactions of geth imported");
    assert_eq!(pool(http), (json!("0x3"), json!("0x0")));
    stop(node);
}

#[test]
fn a_malformed_geth_journal_is_read_up_to_the_damage() {
    let site = Site::new(ether());
    let malformed = [
        transaction(0).0,
        b"not RLP at all".to_vec(),
        transaction(1).0,
    ];
    fs::write(site.journal(), malformed.concat()).unwrap();
    let (mut node, http) = site.start(&[]);
    let warning = node.wait_for("geth's transaction journal is malformed");
    assert!(warning.contains("geth/transactions.rlp"), "{warning}");
    assert_eq!(pool(http), (json!("0x1"), json!("0x0")));
    stop(node);

    fs::remove_file(site.journal()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", site.journal()).unwrap();
    fs::remove_file(site.data().join("actoreum/transactions.rlp.inherited")).unwrap();
    let (mut node, _) = site.start(&[]);
    node.wait_for("geth's transaction journal can't be read");
    stop(node);
}

#[test]
fn geths_transactions_wait_until_the_chain_is_synced() {
    // At the genesis the sender has no funds; the blocks that pay it are not synced yet.
    let site = Site::new(U256::ZERO);
    fs::write(site.journal(), transaction(0).0).unwrap();
    for _ in 0..2 {
        let (mut node, http) = site.start(&[]);
        let line = node.wait_for("local transactions of geth imported");
        assert!(line.contains("waiting_for_head=1"), "{line}");
        assert_eq!(pool(http), (json!("0x0"), json!("0x0")));
        stop(node);
    }
    assert!(
        !site
            .data()
            .join("actoreum/transactions.rlp.inherited")
            .exists()
    );
}

#[test]
fn geths_transactions_are_imported_after_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let signer = SecretKey::from_bytes(&[9; 32]).unwrap();
    let (key, password) = (
        write("key", hex::encode(signer.to_bytes().as_slice())),
        write("password", "secret".into()),
    );
    let address = hex::encode(signer.address());
    let alloc = json!({ &address: { "balance": (ether() * U256::from(9)).to_string() } });
    let genesis = chains::clique_genesis(1, &[&address], alloc).to_string();
    let genesis = write("genesis.json", genesis);
    let data = ["sealer", "follower"].map(|name| {
        let data = folder.path().join(name).to_str().unwrap().to_owned();
        run(&["init", "--datadir", &data, &genesis]).ok();
        data
    });
    let start = |data: &str, more: &[&str]| {
        let args = ["--datadir", data, "--http", "--http.port", "0"];
        let mut node = Running::start(&[&args[..], &["--http.api", "eth,admin"], more].concat());
        let http = node.wait_for_http();
        (node, http)
    };
    let until = |what: &str, node: SocketAddr, method: &str, params: Value| {
        let begun = Instant::now();
        loop {
            let found = http::call(node, method, params.clone()).unwrap();
            if !found.is_null() {
                return found;
            }
            assert!(begun.elapsed() < TIMEOUT, "{what}");
            thread::sleep(Duration::from_millis(50));
        }
    };

    let import = ["account", "import", "--lightkdf", "--password", &password];
    run(&[&import[..], &["--datadir", &data[0], &key]].concat()).ok();
    let seals = ["--mine", "--allow-insecure-unlock", "--password", &password];
    let (sealer, one) = start(
        &data[0],
        &[
            &seals[..],
            &["--unlock", &address, "--miner.etherbase", &address],
        ]
        .concat(),
    );
    let payment = json!({
        "from": format!("0x{address}"), "to": sender().address(),
        "value": format!("{:#x}", ether()), "gas": "0x5208", "gasPrice": "0x3b9aca00",
    });
    let paid = http::call(one, "eth_sendTransaction", json!([payment])).unwrap();
    until(
        "it is paid",
        one,
        "eth_getTransactionReceipt",
        json!([paid]),
    );

    let (bytes, hash) = transaction(0);
    fs::create_dir(Path::new(&data[1]).join("geth")).unwrap();
    fs::write(Path::new(&data[1]).join("geth/transactions.rlp"), bytes).unwrap();
    let (mut follower, two) = start(&data[1], &[]);
    let line = follower.wait_for("local transactions of geth imported");
    assert!(line.contains("waiting_for_head=1"), "{line}");
    let info = http::call(one, "admin_nodeInfo", json!([])).unwrap();
    http::call(two, "admin_addPeer", json!([info["enode"]])).unwrap();
    until(
        "it is mined",
        two,
        "eth_getTransactionReceipt",
        json!([hash]),
    );
    let note = Path::new(&data[1]).join("actoreum/transactions.rlp.inherited");
    assert!(note.exists());
    stop(follower);
    stop(sealer);
}

#[test]
fn a_node_keeps_the_identity_of_geth() {
    let site = Site::new(ether());
    let before = site.geths_files();
    let (node, http) = site.start(&[]);
    let info = http::call(http, "admin_nodeInfo", json!([])).unwrap();
    let enode = info["enode"].as_str().unwrap();
    assert!(enode.starts_with(PUBLIC_KEY), "{enode}");
    assert!(!site.data().join("actoreum/nodekey").exists());
    stop(node);
    assert_eq!(site.geths_files(), before, "geth's files are unchanged");

    // geth 1.4 kept the node key in the data directory itself, and later versions read it there.
    fs::rename(site.geth().join("nodekey"), site.data().join("nodekey")).unwrap();
    let (node, http) = site.start(&[]);
    let info = http::call(http, "admin_nodeInfo", json!([])).unwrap();
    let enode = info["enode"].as_str().unwrap();
    assert!(enode.starts_with(PUBLIC_KEY), "{enode}");
    stop(node);
}

#[test]
fn a_database_of_geth_alone_is_refused_with_instructions() {
    let site = Site::new(ether());
    fs::remove_dir_all(site.data().join("actoreum")).unwrap();
    let before = site.geths_files();
    let ended = run(&["--datadir", site.datadir()]);
    ended.fatal(&[
        "geth/chaindata",
        "actoreum init",
        "geth export",
        "--datadir",
    ]);
    assert_eq!(site.geths_files(), before);
}

#[test]
fn key_files_of_other_programs_are_listed() {
    let Some(fixtures) = chains::fixtures() else {
        return;
    };
    let key = fs::read_to_string(fixtures.join("clique-bench/keystore.json")).unwrap();
    let site = Site::new(ether());
    let keystore = site.data().join("keystore");
    fs::create_dir_all(keystore.join("folder")).unwrap();
    let address = serde_json::from_str::<Value>(&key).unwrap()["address"].take();
    let address = address.as_str().unwrap().to_owned();
    let digits = address.trim_start_matches("0x").to_lowercase();
    for (name, content) in [
        ("a-plain", key.clone()),
        ("b-mark", format!("\u{feff}{key}\r\n")),
        ("c-upper", key.replace(&address, &address.to_uppercase())),
        ("d-prefix", key.replace(&address, &format!("0x{address}"))),
        ("e-none", "a note".to_owned()),
        ("folder/f-within", key.clone()),
        (".hidden", key.clone()),
        ("backup~", key),
    ] {
        fs::write(keystore.join(name), content).unwrap();
    }
    let listed = run(&["account", "list", "--datadir", site.datadir()]).ok();
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|it| it.split('/').next_back())
        .collect();
    assert_eq!(
        names,
        ["a-plain", "b-mark", "c-upper", "d-prefix"],
        "{listed}"
    );
    assert!(
        listed.lines().all(|line| line.contains(&digits)),
        "{listed}"
    );
}
