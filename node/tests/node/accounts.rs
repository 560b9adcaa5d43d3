//! The commands `account` and `wallet`, alone and beside a real geth on the same key files.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use actoreum_primitives::{Address, SecretKey};
use tempfile::TempDir;

use crate::process::{Ended, actoreum};

const TITLE: &str = "Your new account is locked with a password. Please give a password. \
Do not forget this password.\n";
const WARNING: &str = "!! Unsupported terminal, password will be echoed.\n";
const ASKED_TWICE: &str = "Passphrase: \nRepeat passphrase: \n";

/// A presale wallet, encrypted with the password "presale secret".
pub const PRESALE: &str = r#"{
    "encseed": "000102030405060708090a0b0c0d0e0f736752052132ba6a3db082d8628b4ffeee17f5ac32a7b988ccecb9047b50831a724ddcd6cd6d1ff34ed2a98c83409cb7",
    "ethaddr": "40c91d5e25b1e86b3e765d801c9cf199334986b2",
    "email": "somebody@example.org", "btcaddr": "1"
}"#;

/// Runs a command with `answers` on its standard input.
fn answer(mut command: Command, answers: &str) -> Ended {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that exits early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that manages key files: the binary under test, or geth.
pub struct Program(Option<PathBuf>);

impl Program {
    pub fn run(&self, datadir: &Path, args: &[impl AsRef<OsStr>], answers: &str) -> Ended {
        // The flag comes first, since geth reads no flags after arguments.
        let mut all = vec![OsStr::new("--datadir"), datadir.as_os_str()];
        all.extend(args.iter().map(AsRef::as_ref));
        let command = match &self.0 {
            Some(geth) => {
                let mut command = Command::new(geth);
                command.args(all);
                command
            }
            None => actoreum(&all),
        };
        answer(command, answers)
    }
}

pub const OURS: Program = Program(None);

/// Returns the binaries of `ACTOREUM_GETH` whose version is 1.8.
pub fn geth_binaries() -> Vec<PathBuf> {
    let Some(value) = std::env::var_os("ACTOREUM_GETH") else {
        println!("skipped: ACTOREUM_GETH names no binary");
        return Vec::new();
    };
    let is_old = |path: &PathBuf| {
        let output = Command::new(path).arg("version").output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("Version: 1.8")
    };
    let geths: Vec<PathBuf> = std::env::split_paths(&value).filter(is_old).collect();
    if geths.is_empty() {
        println!("skipped: ACTOREUM_GETH names no geth 1.8");
    }
    geths
}

fn geths() -> impl Iterator<Item = Program> {
    geth_binaries().into_iter().map(|path| Program(Some(path)))
}

/// A temporary folder with files.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// Returns the only key file of a data directory.
pub fn key_file(datadir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(datadir.join("keystore")).unwrap().collect();
    let [Ok(file)] = &files[..] else {
        panic!("{files:?}");
    };
    file.path()
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Returns the address in `Address: {...}`.
pub fn created_address(stdout: &str) -> Address {
    let (_, rest) = stdout.split_once("Address: {").unwrap();
    rest.split_once("}\n").unwrap().0.parse().unwrap()
}

fn new_key() -> (String, Address) {
    let key = SecretKey::random();
    (hex::encode(key.to_bytes().as_slice()), key.address())
}

/// Returns the key that `account export` writes, in hex.
fn exported_key(files: &Files, datadir: &Path, address: Address, password: &str) -> String {
    let (target, address) = (files.text("exported"), hex::encode(address));
    let args = ["account", "export", &address, &target];
    OURS.run(datadir, &args, &format!("{password}\nexport\n"))
        .ok();
    assert_eq!(mode(Path::new(&target)), 0o600);
    let digits = fs::read_to_string(&target).unwrap();
    fs::remove_file(&target).unwrap();
    digits
}

#[test]
fn an_account_is_created_listed_updated_exported_and_imported() {
    let files = Files::new();
    let data = files.path("data");
    assert_eq!(OURS.run(&data, &["account", "list"], "").ok(), "");

    let shown = OURS
        .run(&data, &["account", "new", "--lightkdf"], "first\nfirst\n")
        .ok();
    let address = created_address(&shown);
    let plain = hex::encode(address);
    let want = format!("{TITLE}{WARNING}{ASKED_TWICE}Address: {{{plain}}}\n");
    assert_eq!(shown, want);
    let file = key_file(&data);
    let want = format!("Account #0: {{{plain}}} keystore://{}\n", file.display());
    assert_eq!(OURS.run(&data, &["account", "list"], "").ok(), want);
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    let args = ["account", "update", "--lightkdf", &plain];
    let shown = OURS.run(&data, &args, "typo\nfirst\nsecond\nsecond\n").ok();
    let want = format!(
        "Unlocking account {plain} | Attempt 1/3\n{WARNING}Passphrase: \n\
         Unlocking account {plain} | Attempt 2/3\nPassphrase: \n\
         Please give a new password. Do not forget this password.\n{ASKED_TWICE}"
    );
    assert_eq!(shown, want);

    let refused = OURS.run(
        &data,
        &["account", "export", "0", "--terminal"],
        "second\nyes\n",
    );
    refused.fatal(&["the confirmation was not given"]);
    let args = ["account", "export", "0", "--terminal"];
    let shown = OURS.run(&data, &args, "second\nexport\n").ok();
    let digits = shown.lines().last().unwrap();
    assert_eq!(digits, exported_key(&files, &data, address, "second"));
    let taken = files.write("taken", "");
    let args = ["account", "export", &plain, &taken];
    OURS.run(&data, &args, "second\nexport\n")
        .fatal(&["file exists"]);

    let key = files.write("key", &format!("{digits}\n"));
    let args = ["account", "import", "--lightkdf", &key];
    OURS.run(&data, &args, "x\nx\n")
        .fatal(&["Could not create the account: account already exists"]);
    let other = files.path("other");
    assert_eq!(
        created_address(&OURS.run(&other, &args, "x\nx\n").ok()),
        address
    );
}

#[test]
fn errors_take_one_line_and_reveal_no_secret() {
    let files = Files::new();
    let data = files.path("data");
    let (digits, _) = new_key();
    let key = files.write("key", &digits);
    let password = files.write("password", "right\n");
    let import = [
        "account",
        "import",
        "--lightkdf",
        "--password",
        &password,
        &key,
    ];
    let address = hex::encode(created_address(&OURS.run(&data, &import, "").ok()));

    let refused = |args: &[&str], answers: &str, part: &str| {
        let ended = OURS.run(&data, args, answers);
        ended.fatal(&[part]);
        assert!(!ended.stderr.contains(&digits[..8]) && !ended.stderr.contains("hunter"));
        ended
    };
    refused(
        &["account", "new"],
        "hunter1\nhunter2\n",
        "Fatal: Passphrases do not match",
    );
    refused(
        &["account", "new"],
        "",
        "Fatal: Failed to read passphrase: EOF",
    );
    refused(&["account", "new"], "hunter1\n", "confirmation: EOF");
    refused(
        &["account", "new", "--password", "/nowhere"],
        "",
        "Failed to read password file",
    );
    refused(
        &["account", "update"],
        "",
        "Fatal: No accounts specified to update",
    );
    refused(
        &["account", "update", "7"],
        "",
        "index 7 higher than number of accounts 1",
    );
    refused(
        &["account", "update", "x"],
        "",
        "invalid account address or index \"x\"",
    );
    refused(
        &["account", "update", &"00".repeat(20)],
        "x\n",
        "(no key for given address or file)",
    );
    let wrong = "(could not decrypt key with given passphrase)";
    let ended = refused(
        &["account", "update", &address],
        "hunter1\nhunter2\nhunter3\n",
        wrong,
    );
    assert!(ended.stdout.contains("Attempt 3/3"), "{ended:?}");
    let file = files.write("wrong", "hunter1\n");
    refused(
        &["account", "update", &address, "--password", &file],
        "",
        wrong,
    );
    refused(
        &["account", "import"],
        "",
        "Fatal: keyfile must be given as argument",
    );
    refused(
        &["wallet", "import"],
        "",
        "Fatal: keyfile must be given as argument",
    );
    refused(
        &["account", "import", "/nowhere"],
        "",
        "open /nowhere: no such file",
    );
    refused(
        &["wallet", "import", "/nowhere"],
        "",
        "Could not read wallet file: open /nowhere",
    );
    refused(&["account", "export", &address], "", "--terminal");
    for (content, part) in [
        (digits[1..].to_owned(), "too short"),
        (format!("{digits}0"), "too long"),
        (format!("0x{digits}"), "too long"),
        (format!("{}g", &digits[1..]), "invalid character"),
        ("0".repeat(64), "invalid private key"),
        ("f".repeat(64), "invalid private key"),
    ] {
        let file = files.write("bad", &content);
        refused(&["account", "import", &file], "x\nx\n", part);
    }
}

#[test]
fn a_presale_wallet_becomes_an_account() {
    let files = Files::new();
    let (data, wallet) = (files.path("data"), files.write("wallet", PRESALE));
    let import = ["wallet", "import", "--lightkdf", &wallet];
    OURS.run(&data, &import, "wrong\n")
        .fatal(&["Fatal: could not decrypt key with given passphrase"]);
    let shown = OURS.run(&data, &import, "presale secret\n").ok();
    let address = "40c91d5e25b1e86b3e765d801c9cf199334986b2";
    assert_eq!(
        shown,
        format!("{WARNING}Passphrase: \nAddress: {{{address}}}\n")
    );
    let digits = exported_key(&files, &data, address.parse().unwrap(), "presale secret");
    let bytes: [u8; 32] = hex::decode(digits).unwrap().try_into().unwrap();
    let key = SecretKey::from_bytes(&bytes).unwrap();
    assert_eq!(hex::encode(key.address()), address);
}

#[test]
fn of_two_files_of_one_account_the_one_that_decrypts_is_used() {
    let files = Files::new();
    let data = files.path("data");
    let address = created_address(
        &OURS
            .run(&data, &["account", "new", "--lightkdf"], "a\na\n")
            .ok(),
    );
    let plain = hex::encode(address);
    let first = key_file(&data);
    let second = first.with_file_name("zzz");
    fs::copy(&first, &second).unwrap();
    let args = ["account", "update", "--lightkdf", "1"];
    OURS.run(&data, &args, "a\nb\nb\n").ok();

    let args = ["account", "update", "--lightkdf", &plain];
    let ended = OURS.run(&data, &args, "neither\n");
    ended.fatal(&["None of the listed files could be unlocked."]);
    let shown = OURS.run(&data, &args, "b\nc\nc\n").ok();
    let (first, second) = (first.display(), second.display());
    let want = format!(
        "Multiple key files exist for address {plain}:\n   keystore://{first}\n   keystore://{second}\n\
         Testing your passphrase against all of them...\nYour passphrase unlocked keystore://{second}\n\
         In order to avoid this warning, you need to remove the following duplicate key files:\n   \
         keystore://{first}\n"
    );
    assert!(shown.contains(&want), "{shown}");
}

/// Asserts that both programs print the same, apart from the address that was created.
fn assert_same_output(ours: &Ended, geth: &Ended) {
    let shape = |ended: &Ended| {
        // geth prints fatal errors to both outputs.
        let lines = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("Fatal"));
        let lines: Vec<&str> = lines
            .map(|line| line.split_once("Address: {").map_or(line, |_| "Address"))
            .collect();
        (ended.code, lines.join("\n"))
    };
    assert_eq!(shape(ours), shape(geth), "{ours:#?} {geth:#?}");
}

#[test]
fn geth_and_this_node_use_each_others_keys() {
    for geth in geths() {
        for (maker, user) in [(&geth, &OURS), (&OURS, &geth)] {
            let files = Files::new();
            let data = files.path("data");
            let address = created_address(
                &maker
                    .run(&data, &["account", "new", "--lightkdf"], "a\na\n")
                    .ok(),
            );
            let plain = hex::encode(address);
            let file = key_file(&data);
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(
                name.len(),
                "UTC--2016-03-22T12-57-55.920751759Z--".len() + 40
            );
            assert!(name.starts_with("UTC--20") && name.ends_with(&format!("Z--{plain}")));
            assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
            let list = ["account", "list"];
            assert_eq!(
                user.run(&data, &list, "").ok(),
                maker.run(&data, &list, "").ok()
            );

            let update = ["account", "update", "--lightkdf", &plain];
            user.run(&data, &update, "a\nb\nb\n").ok();
            assert_eq!((key_file(&data), mode(&file)), (file, 0o600));
            maker.run(&data, &update, "b\nc\nc\n").ok();
            let digits = exported_key(&files, &data, address, "c");
            let key = files.write("key", &digits);
            let import = ["account", "import", "--lightkdf", &key];
            let other = files.path("other");
            assert_eq!(
                created_address(&user.run(&other, &import, "d\nd\n").ok()),
                address
            );
            assert_eq!(exported_key(&files, &other, address, "d"), digits);
        }
    }
}

#[test]
fn account_commands_print_what_geth_prints() {
    for geth in geths() {
        let files = Files::new();
        let (digits, _) = new_key();
        let key = files.write("key", &digits);
        let passwords = files.write("passwords", "a\r\nb\r\n");
        let (ours, theirs) = (files.path("ours"), files.path("theirs"));
        let wallet = files.write("wallet", PRESALE);
        let (light, password) = ("--lightkdf", "--password");
        let cases: &[(&[&str], &str)] = &[
            (&["account", "list"], ""),
            (&["account", "new", light], "a\nb\n"),
            (&["account", "new", light], ""),
            (&["account", "import", light, &key], "a\na\n"),
            (
                &["account", "import", light, password, &passwords, &key],
                "",
            ),
            (&["account", "import", "/nowhere"], ""),
            (&["account", "import"], ""),
            (&["account", "update"], ""),
            (&["account", "update", light, "0"], "x\ny\na\nc\nc\n"),
            (&["account", "update", light, "0"], "x\ny\nz\n"),
            (&["account", "update", light, "5"], "x\n"),
            (&["account", "update", light, &"11".repeat(20)], "x\n"),
            (&["account", "new", light, password, &passwords], ""),
            (&["account", "new", light, password, "/nowhere"], ""),
            (&["wallet", "import", "/nowhere"], ""),
            (&["wallet", "import", light, &key], "a\n"),
            (&["wallet", "import", light, &wallet], "wrong\n"),
            (&["wallet", "import", light, &wallet], "presale secret\n"),
        ];
        for (args, answers) in cases {
            let (ours, theirs) = (
                OURS.run(&ours, args, answers),
                geth.run(&theirs, args, answers),
            );
            assert_same_output(&ours, &theirs);
        }
    }
}
