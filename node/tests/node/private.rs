//! Privacy on a shared disk: folders are readable by the node's user only, nothing is left over, no
//! core dumps are written.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    chains::clique_genesis,
    process::{Running, alone, run},
};

/// Returns a command that runs with an umask of 0.
fn under_open_umask(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Collects all files and folders below a folder.
fn all_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_below(&path, found);
        }
        found.push(path);
    }
}

fn dev_folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap().map(|it| it.unwrap().path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("actoreum-dev-")
    };
    entries.filter(is_one).collect()
}

fn start_dev(temporary: &Path) -> Running {
    let mut command = under_open_umask(&alone(&[
        "--dev",
        "--dev.consensus",
        "clique",
        "--ipcdisable",
    ]));
    command.env("TMPDIR", temporary);
    let mut node = Running::start_command(command);
    node.wait_for("chain opened");
    node
}

#[test]
fn a_dev_folder_is_private_and_removed_even_after_a_kill() {
    let temporary = tempfile::tempdir().unwrap();
    let killed = start_dev(temporary.path());
    let left = dev_folders(temporary.path());
    assert_eq!(left.len(), 1);
    assert_eq!(mode(&left[0]), 0o700);
    assert_eq!(mode(&left[0].join("keystore")), 0o700);
    killed.kill();
    assert!(left[0].exists(), "a killed node removes nothing");

    let node = start_dev(temporary.path());
    assert!(!left[0].exists(), "the next start removes it");
    let living = dev_folders(temporary.path());
    let second = start_dev(temporary.path());
    assert!(living[0].exists(), "the folder of a running node stays");
    for node in [node, second] {
        node.signal("TERM");
        node.wait().ok();
    }
    assert_eq!(dev_folders(temporary.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_data_directory_is_private_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, genesis) = (
        folder.path().join("a/b"),
        folder.path().join("genesis.json"),
    );
    let content = clique_genesis(1, &["11".repeat(20)], json!({}));
    fs::write(&genesis, content.to_string()).unwrap();
    let args = [
        "init",
        "--datadir",
        datadir.to_str().unwrap(),
        genesis.to_str().unwrap(),
    ];
    let init = crate::process::actoreum(&args);
    assert!(under_open_umask(&init).status().unwrap().success());
    let args = ["--datadir", datadir.to_str().unwrap()];
    let mut node = Running::start_command(under_open_umask(&alone(&args)));
    node.wait_for("network identity");
    node.wait_for("IPC endpoint opened");
    for folder in [
        folder.path().join("a"),
        datadir.clone(),
        datadir.join("actoreum"),
        datadir.join("actoreum/chaindata"),
    ] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    for file in ["actoreum/nodekey", "actoreum/transactions.rlp"] {
        assert_eq!(mode(&datadir.join(file)), 0o600, "{file}");
    }
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn the_secrets_of_a_new_network_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("net");
    let args = [
        "network",
        "new",
        "--yes",
        "--signers",
        "1",
        "--dir",
        network.to_str().unwrap(),
    ];
    let made = under_open_umask(&crate::process::actoreum(&args))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(mode(&network), 0o700);
    let mut all = Vec::new();
    all_below(&network, &mut all);
    let mut secrets = 0;
    for path in all {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_secret =
            ["password", "nodekey", "accounts.json"].contains(&name) || name.starts_with("UTC--");
        secrets += u32::from(is_secret);
        assert!(!is_secret || mode(&path) == 0o600, "{}", path.display());
        assert!(!name.ends_with(".tmp"), "{}", path.display());
        // The modes inside of the database's folder are the engine's. The folder itself is private.
        let is_ours = path.is_dir() && !path.to_str().unwrap().contains("chaindata/");
        assert!(!is_ours || mode(&path) == 0o700, "{}", path.display());
    }
    assert!(secrets >= 5, "{secrets}");
}

/// Returns the soft limit of a process for core files.
#[cfg(target_os = "linux")]
fn core_limit(process: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    line.unwrap().split_whitespace().nth(4).unwrap().to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn a_node_writes_no_core_dump_unless_it_is_allowed() {
    use std::os::unix::process::ExitStatusExt;
    let folder = tempfile::tempdir().unwrap();
    let start = |more: &[&str]| {
        let args = [&["--dev", "--ipcdisable"], more].concat();
        let mut command = alone(&args);
        command.current_dir(folder.path());
        let mut node = Running::start_command(command);
        node.wait_for("chain opened");
        node
    };
    let allowed = start(&["--allow-core-dumps"]);
    assert_eq!(core_limit(&allowed.id().to_string()), core_limit("self"));
    drop(allowed);
    let node = start(&[]);
    assert_eq!(core_limit(&node.id().to_string()), "0");
    node.signal("ABRT");
    let ended = node.exit_status();
    assert!(ended.signal().is_some() && !ended.core_dumped(), "{ended}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_failed_dev_start_writes_no_key_to_another_keystore() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, keystore) = (folder.path().join("data"), folder.path().join("keys"));
    for (more, part) in [
        (
            &["--http", "--http.port", "0", "--unlock", "0"][..],
            "Account unlock with HTTP access",
        ),
        (
            &["--unlock", "0x00000000000000000000000000000000000000aa"][..],
            "Failed to read passphrase",
        ),
    ] {
        let args = [
            "--dev",
            "--dev.consensus",
            "clique",
            "--datadir",
            datadir.to_str().unwrap(),
            "--keystore",
            keystore.to_str().unwrap(),
        ];
        run(&[&args[..], more].concat()).fatal(&[part]);
        assert!(!keystore.exists(), "{more:?}: a key with an empty password");
    }
}
