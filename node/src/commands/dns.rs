//! `dns`: signs trees of nodes for DNS discovery (EIP-1459), and writes their records.
//!
//! A tree is a directory with two files, which geth's `devp2p dns` reads and writes, too:
//!
//! | file | content |
//! |---|---|
//! | `nodes.json` | the node records: a list of texts, or an object with `record` members by node id |
//! | `enrtree-info.json` | the URL, the sequence number, the signature and the links to other trees |

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use actoreum_primitives::SecretKey;
use actoreum_storage::files;
use actoreum_wallet::{KeyFile, limits::MAX_KEY_FILE_BYTES};
use actoreum_wire::{
    dns::{Tree, TreeLink, TreeRoot},
    nodes::Enr,
};
use eyre::{WrapErr, bail, eyre};
use serde::{Deserialize, Serialize};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime},
};

use crate::{
    bounded::{MAX_TREE_BYTES, read_text},
    cli::{DnsCommand, RecordArgs},
    config::{Config, network::parse_key},
    passwords::{Passwords, read_secret},
};

/// Time that resolvers may keep the root, in seconds: geth's.
const ROOT_TTL: u32 = 30 * 60;
/// Time that resolvers may keep another entry, which never changes under its name, in seconds: geth's.
const ENTRY_TTL: u32 = 4 * 7 * 24 * 60 * 60;
/// Maximum length of a character string of a TXT record (RFC 1035).
const MAX_STRING: usize = 255;
/// Mode of the files that are written: they are to be published.
const PUBLIC_FILE: u32 = 0o644;

/// `enrtree-info.json`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TreeInfo {
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    seq: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    signature: String,
    links: Option<Vec<String>>,
    last_modified: String,
}

/// `nodes.json`
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum NodesFile {
    ById(BTreeMap<String, NodeEntry>),
    List(Vec<String>),
}

/// A node of geth's `nodes.json`, which has the results of a crawler, too.
#[derive(Debug, Deserialize)]
struct NodeEntry {
    record: String,
}

/// The definition of a tree.
struct Definition {
    info: TreeInfo,
    nodes: Vec<Enr>,
    links: Vec<TreeLink>,
}

/// Runs a subcommand of `dns`.
pub fn run(config: &Config, command: DnsCommand) -> eyre::Result<()> {
    match command {
        DnsCommand::Sign {
            tree,
            key,
            domain,
            seq,
        } => sign(config, &tree, &key, domain, seq),
        DnsCommand::ToTxt(args) => {
            let (domain, tree) = load_signed(&args.tree)?;
            let json = serde_json::to_string_pretty(&tree.records(&domain))?;
            write_records(&args, &format!("{json}\n"))
        }
        DnsCommand::ToZone(args) => {
            let (domain, tree) = load_signed(&args.tree)?;
            write_records(&args, &zone(&domain, &tree)?)
        }
    }
}

fn sign(
    config: &Config,
    folder: &Path,
    key: &Path,
    domain: Option<String>,
    seq: Option<u64>,
) -> eyre::Result<()> {
    let Definition { info, nodes, links } = load(folder)?;
    let domain = match domain {
        Some(domain) => domain,
        None if info.url.is_empty() => folder_name(folder)?,
        None => url_of(&info, folder)?.domain().to_owned(),
    };
    let next = info.seq.checked_add(1);
    let seq = seq
        .or(next)
        .ok_or_else(|| eyre!("the sequence number is used up; use --seq"))?;
    let mut tree = Tree::new(seq, nodes, links)?;
    let url = tree.sign(&read_key(config, key)?, &domain)?;
    let info = TreeInfo {
        url: url.to_string(),
        seq,
        signature: tree.root().map(TreeRoot::signature).unwrap_or_default(),
        links: Some(info.links.unwrap_or_default()),
        last_modified: now()?,
    };
    let path = info_file(folder);
    let json = serde_json::to_string_pretty(&info)?;
    files::replace_file(&path, json.as_bytes(), PUBLIC_FILE)
        .wrap_err_with(|| format!("{} can't be written", path.display()))?;
    println!("{url}");
    Ok(())
}

fn info_file(folder: &Path) -> PathBuf {
    folder.join("enrtree-info.json")
}

/// Returns the last part of the folder's path.
fn folder_name(folder: &Path) -> eyre::Result<String> {
    let path = folder
        .canonicalize()
        .wrap_err_with(|| format!("the directory {}", folder.display()))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| eyre!("the tree has no domain name; use --domain"))?;
    Ok(name.to_owned())
}

/// Returns the time in the form of RFC 3339.
fn now() -> eyre::Result<String> {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text)
}

fn url_of(info: &TreeInfo, folder: &Path) -> eyre::Result<TreeLink> {
    let path = info_file(folder);
    if info.url.is_empty() {
        bail!("missing 'url' field in {}", path.display());
    }
    let url = info.url.parse::<TreeLink>();
    url.map_err(|error| eyre!("invalid 'url' field in {}: {error}", path.display()))
}

/// Reads a key: a key file of an account, whose password is asked for, or 64 hexadecimal digits.
fn read_key(config: &Config, path: &Path) -> eyre::Result<SecretKey> {
    let path_text = path.display();
    let content = read_secret(path, MAX_KEY_FILE_BYTES)
        .map_err(|error| eyre!("failed to read the keyfile at '{path_text}': {error}"))?;
    let text = str::from_utf8(&content).unwrap_or_default();
    if !text.trim_start().starts_with('{') {
        return parse_key(text).map_err(|error| eyre!("keyfile '{path_text}': {error}"));
    }
    let mut passwords = Passwords::new(config.password_file.as_deref())?;
    let title = format!("Please enter the password for '{path_text}'");
    let password = passwords.prompt(&title, 0)?;
    let key = KeyFile::parse(&content).and_then(|file| file.decrypt(&password));
    key.map_err(|error| eyre!("error decrypting key: {error}"))
}

/// Reads a file of the tree as JSON; `None` where there is none.
fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> eyre::Result<Option<T>> {
    let failed = || format!("{} can't be read", path.display());
    match read_text(path, MAX_TREE_BYTES) {
        Ok(text) => serde_json::from_str(&text).map(Some).wrap_err_with(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).wrap_err_with(failed),
    }
}

fn load(folder: &Path) -> eyre::Result<Definition> {
    let info: TreeInfo = read_json(&info_file(folder))?.unwrap_or_default();
    let links = info.links.iter().flatten();
    let links = links.map(|link| {
        let parsed = link.parse::<TreeLink>();
        parsed.map_err(|error| eyre!("invalid link {link:?}: {error}"))
    });
    let path = folder.join("nodes.json");
    let Some(nodes) = read_json(&path)? else {
        bail!("{} does not exist", path.display());
    };
    Ok(Definition {
        links: links.collect::<Result<_, _>>()?,
        nodes: parse_nodes(nodes)?,
        info,
    })
}

fn parse_nodes(file: NodesFile) -> eyre::Result<Vec<Enr>> {
    let parse = |text: &str| -> eyre::Result<Enr> {
        let record = text.parse::<Enr>();
        record.map_err(|error| eyre!("invalid node record {text}: {error}"))
    };
    match file {
        NodesFile::List(texts) => texts.iter().map(|text| parse(text)).collect(),
        NodesFile::ById(nodes) => nodes
            .iter()
            .map(|(id, entry)| {
                let record = parse(&entry.record)?;
                let record_id = hex::encode(record.node_id().0);
                if *id != record_id {
                    bail!("invalid node {id}: ID does not match ID {record_id} in record");
                }
                Ok(record)
            })
            .collect(),
    }
}

/// Reads a tree and verifies its signature. Returns its domain and it.
fn load_signed(folder: &Path) -> eyre::Result<(String, Tree)> {
    let Definition { info, nodes, links } = load(folder)?;
    let url = url_of(&info, folder)?;
    let mut tree = Tree::new(info.seq, nodes, links)?;
    if info.signature.is_empty() {
        bail!("missing signature, run 'actoreum dns sign' first");
    }
    tree.set_signature(&info.signature, &url.public_key())
        .map_err(|_| eyre!("invalid signature on tree, run 'actoreum dns sign' to update it"))?;
    Ok((url.domain().to_owned(), tree))
}

/// Returns a zone file with the records of a tree, in which no character needs an escape.
fn zone(domain: &str, tree: &Tree) -> eyre::Result<String> {
    let mut text = format!("$ORIGIN {}.\n", domain.trim_end_matches('.'));
    if let Some(root) = tree.root() {
        writeln!(text, "@ {ROOT_TTL} IN TXT {}", strings(&root.to_string()))?;
    }
    for (hash, entry) in tree.entries() {
        let strings = strings(&entry.to_string());
        writeln!(text, "{hash} {ENTRY_TTL} IN TXT {strings}")?;
    }
    Ok(text)
}

/// Returns a text as quoted character strings.
fn strings(text: &str) -> String {
    let strings = text.as_bytes().chunks(MAX_STRING);
    let quoted = strings.map(|string| format!("\"{}\"", String::from_utf8_lossy(string)));
    quoted.collect::<Vec<_>>().join(" ")
}

fn write_records(args: &RecordArgs, text: &str) -> eyre::Result<()> {
    match &args.output {
        Some(path) if path != Path::new("-") => {
            fs::write(path, text).wrap_err_with(|| format!("{} can't be written", path.display()))
        }
        _ => {
            print!("{text}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use actoreum_wire::nodes::EnrBuilder;

    use super::*;

    fn node(number: u8) -> Enr {
        let key = SecretKey::from_bytes(&[number; 32]).unwrap();
        EnrBuilder::new().sign(1, &key).unwrap()
    }

    /// Writes the definition of a tree and its signing key.
    fn definition(nodes: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("nodes.example.org");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("nodes.json"), nodes).unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "07".repeat(32)).unwrap();
        (folder, tree, key)
    }

    fn list(numbers: std::ops::RangeInclusive<u8>) -> String {
        let records = numbers.map(|number| node(number).to_string());
        serde_json::to_string(&records.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_tree_is_signed_and_signed_again() {
        let (_folder, tree, key) = definition(&list(1..=20));
        let config = Config::default();
        assert!(load_signed(&tree).unwrap_err().to_string().contains("url"));
        sign(&config, &tree, &key, None, None).unwrap();
        let (domain, signed) = load_signed(&tree).unwrap();
        assert_eq!(
            (domain.as_str(), signed.root().unwrap().seq),
            ("nodes.example.org", 1)
        );
        sign(&config, &tree, &key, Some("other.test".to_owned()), None).unwrap();
        sign(&config, &tree, &key, None, None).unwrap();
        let (domain, signed) = load_signed(&tree).unwrap();
        assert_eq!(
            (domain.as_str(), signed.root().unwrap().seq),
            ("other.test", 3)
        );
        sign(&config, &tree, &key, None, Some(10)).unwrap();
        assert_eq!(load_signed(&tree).unwrap().1.root().unwrap().seq, 10);

        fs::write(tree.join("nodes.json"), list(1..=21)).unwrap();
        let error = load_signed(&tree).unwrap_err().to_string();
        assert!(
            error.contains("run 'actoreum dns sign' to update it"),
            "{error}"
        );
    }

    #[test]
    fn geths_set_of_nodes_is_read_and_its_ids_are_checked() {
        let record = node(1);
        let entry =
            |id: &str| format!(r#"{{"{id}": {{"seq": 1, "record": "{record}", "score": 2}}}}"#);
        let (_folder, tree, _) = definition(&entry(&hex::encode(record.node_id().0)));
        assert_eq!(load(&tree).unwrap().nodes, std::slice::from_ref(&record));
        let (_folder, tree, _) = definition(&entry(&"00".repeat(32)));
        assert!(load(&tree).is_err());
    }

    #[test]
    fn a_zone_has_strings_of_at_most_255_bytes() {
        let (_folder, tree, key) = definition(&list(1..=13));
        sign(&Config::default(), &tree, &key, None, None).unwrap();
        let (domain, tree) = load_signed(&tree).unwrap();
        let zone = zone(&domain, &tree).unwrap();
        let mut lines = zone.lines();
        assert_eq!(lines.next(), Some("$ORIGIN nodes.example.org."));
        let mut texts = Vec::new();
        for line in lines {
            let (name, text) = line.split_once(" IN TXT ").unwrap();
            let strings: Vec<&str> = text.split(' ').map(|it| it.trim_matches('"')).collect();
            // The strings of the root have spaces of their own.
            if name.starts_with('@') {
                assert!(
                    line.starts_with("@ 1800 IN TXT \"enrtree-root:v1 e="),
                    "{line}"
                );
                continue;
            }
            assert!(strings.iter().all(|string| string.len() <= 255), "{line}");
            texts.push(strings.concat());
        }
        let mut expected = tree.records(&domain);
        expected.remove(&domain);
        let mut expected: Vec<String> = expected.into_values().collect();
        texts.sort_unstable();
        expected.sort_unstable();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_key_file_of_an_account_signs() {
        let (folder, tree, _) = definition(&list(1..=1));
        let config = Config {
            password_file: Some(folder.path().join("password")),
            ..Config::default()
        };
        fs::write(folder.path().join("password"), "secret\n").unwrap();
        let key = SecretKey::from_bytes(&[9; 32]).unwrap();
        let password = actoreum_wallet::Password::from("secret".to_owned());
        let file = KeyFile::encrypt(&key, &password, actoreum_wallet::ScryptCost::LIGHT).unwrap();
        let path = folder.path().join("account");
        fs::write(&path, file.to_json().unwrap()).unwrap();
        sign(&config, &tree, &path, None, None).unwrap();
        let info: TreeInfo = read_json(&info_file(&tree)).unwrap().unwrap();
        let url: TreeLink = info.url.parse().unwrap();
        assert_eq!(url.public_key(), key.public_key());
    }
}
