//! Checks the manifests against the layers ("floors") of `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates with their floor, and the crates of the same floor that they may use.
const FLOORS: &[(&str, u8, &[&str])] = &[
    ("actoreum-primitives", 0, &[]),
    ("actoreum-trie", 1, &[]),
    ("actoreum-storage", 1, &["actoreum-trie"]),
    ("actoreum-evm", 1, &[]),
    ("actoreum-consensus", 1, &[]),
    ("actoreum-chain", 2, &[]),
    ("actoreum-txpool", 2, &[]),
    ("actoreum-sealing", 2, &["actoreum-chain"]),
    ("actoreum-sync", 2, &[]),
    ("actoreum-wire", 2, &[]),
    ("actoreum-wallet", 2, &[]),
    ("actoreum-supervision-derive", 1, &[]),
    ("actoreum-supervision", 2, &[]),
    ("actoreum-messages", 3, &[]),
    ("actoreum-actors", 4, &[]),
    ("actoreum-rpc", 4, &["actoreum-actors"]),
    ("actoreum-console", 4, &[]),
    ("actoreum", 5, &[]),
    ("actoreum-tests", 6, &[]),
];

/// Packages that only the named crates of `core/` may use: each is wrapped by one crate.
const WRAPPED_PACKAGES: &[(&str, &[&str])] = &[
    ("actix", &[]),
    ("actix-rt", &[]),
    ("actix-web", &[]),
    ("actix-ws", &[]),
    ("tokio", &[]),
    ("hidapi", &["actoreum-wallet"]),
    ("nusb", &["actoreum-wallet"]),
    ("eth-keystore", &["actoreum-wallet"]),
    ("revm", &["actoreum-evm"]),
    ("sled", &["actoreum-storage"]),
    ("redb", &["actoreum-storage"]),
];

/// Packages that no crate above `core/` may use, either.
const CORE_ONLY: &[&str] = &["hidapi", "nusb", "revm", "sled", "redb"];

/// Crates that use actix in more than tests (`docs/adr/0001`).
const MAY_USE_ACTIX: &[&str] = &["actoreum-supervision", "actoreum-tests"];

struct Package {
    name: String,
    in_core: bool,
    /// Normal and build dependencies, by the name of the package.
    dependencies: BTreeSet<String>,
    /// Dependencies of its tests, which may use crates of the same floor.
    test_dependencies: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(path: &Path) -> toml::Table {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dependency_names(manifest: &toml::Table, sections: &[&str], into: &mut BTreeSet<String>) {
    for section in sections {
        let Some(section) = manifest.get(*section).and_then(toml::Value::as_table) else {
            continue;
        };
        for (name, value) in section {
            let package = value
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(name);
            into.insert(package.to_owned());
        }
    }
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(toml::Table::values) {
        dependency_names(
            target
                .as_table()
                .expect("because cargo accepts the manifest"),
            sections,
            into,
        );
    }
}

fn packages() -> Vec<Package> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"]
        .as_array()
        .expect("because cargo accepts it");
    let folders = members
        .iter()
        .map(|member| member.as_str().expect("because cargo accepts it"));
    folders
        .map(|folder| {
            let manifest = manifest(&root().join(folder).join("Cargo.toml"));
            let name = manifest["package"]["name"]
                .as_str()
                .expect("because cargo accepts it");
            let (mut dependencies, mut test_dependencies) = (BTreeSet::new(), BTreeSet::new());
            let built = ["dependencies", "build-dependencies"];
            dependency_names(&manifest, &built, &mut dependencies);
            dependency_names(&manifest, &["dev-dependencies"], &mut test_dependencies);
            Package {
                name: name.to_owned(),
                in_core: folder.starts_with("core/"),
                dependencies,
                test_dependencies,
            }
        })
        .collect()
}

/// Returns a sentence for each violation of the tables.
fn violations(packages: &[Package]) -> Vec<String> {
    let floors: BTreeMap<&str, (u8, &[&str])> = FLOORS
        .iter()
        .map(|(name, floor, beside)| (*name, (*floor, *beside)))
        .collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some((floor, beside)) = floors.get(name) else {
            violations.push(format!("{name} has no floor in this test's table"));
            continue;
        };
        let for_tests = package.test_dependencies.iter().map(|name| (name, true));
        let all = package.dependencies.iter().map(|name| (name, false));
        for (dependency, for_tests) in all.chain(for_tests) {
            let dependency = dependency.as_str();
            if let Some((other, _)) = floors.get(dependency)
                && (other > floor || other == floor && !for_tests)
                && !beside.contains(&dependency)
            {
                violations.push(format!(
                    "{name} (floor {floor}) uses {dependency} (floor {other})"
                ));
            }
            if dependency == "actix" && !for_tests && !MAY_USE_ACTIX.contains(&name) {
                violations.push(format!("{name} uses actix past the supervision crate"));
            }
            let wrapped = WRAPPED_PACKAGES
                .iter()
                .find(|(behind, _)| *behind == dependency);
            if let Some((behind, allowed)) = wrapped
                && (package.in_core || CORE_ONLY.contains(behind))
                && !allowed.contains(&name)
            {
                violations.push(format!("{name} uses {behind}, which only {allowed:?} may"));
            }
        }
    }
    violations
}

#[test]
fn no_crate_uses_a_higher_floor_or_a_wrapped_package() {
    let violations = violations(&packages());
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_crate_of_the_table_is_in_the_workspace() {
    let present: BTreeSet<String> = packages().into_iter().map(|package| package.name).collect();
    for (name, _, _) in FLOORS {
        assert!(
            present.contains(*name),
            "{name} is no member of the workspace"
        );
    }
}

#[test]
fn violations_are_found() {
    let package = |name: &str, in_core, dependencies: &[&str]| Package {
        name: name.to_owned(),
        in_core,
        dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        test_dependencies: BTreeSet::new(),
    };
    let found = |package| violations(&[package]).len();
    assert_eq!(
        found(package(
            "actoreum-storage",
            true,
            &["actoreum-trie", "sled"]
        )),
        0
    );
    assert_eq!(
        found(package("actoreum-trie", true, &["actoreum-storage"])),
        1
    );
    assert_eq!(
        found(package(
            "actoreum-evm",
            true,
            &["actoreum-chain", "tokio", "sled"]
        )),
        3
    );
    assert_eq!(found(package("actoreum-wallet", true, &["hidapi"])), 0);
    assert_eq!(
        found(package(
            "actoreum-rpc",
            false,
            &["tokio", "actoreum-actors"]
        )),
        0
    );
    assert_eq!(found(package("actoreum-rpc", false, &["actix"])), 1);
    assert_eq!(found(package("actoreum-supervision", false, &["actix"])), 0);
    assert_eq!(
        found(package("actoreum-actors", false, &["actoreum-rpc", "revm"])),
        2
    );
    assert_eq!(found(package("actoreum-unheard-of", true, &[])), 1);

    let mut tests_beside = package("actoreum-evm", true, &[]);
    tests_beside
        .test_dependencies
        .insert("actoreum-trie".to_owned());
    assert_eq!(violations(&[tests_beside]).len(), 0);
    let mut tests_above = package("actoreum-evm", true, &[]);
    tests_above
        .test_dependencies
        .extend(["actoreum-chain", "tokio"].map(str::to_owned));
    assert_eq!(violations(&[tests_above]).len(), 2);
}
