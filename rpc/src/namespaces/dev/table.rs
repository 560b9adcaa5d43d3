//! The table of methods in `docs/development-chain.md`, which is generated from the method table.

use std::collections::BTreeMap;
use std::path::Path;

use super::methods;
use crate::node::Node;
use crate::server::method::Method;

/// Set to write the table instead of comparing it.
const UPDATE: &str = "ACTOREUM_UPDATE_DOCS";
const BEGIN: &str = "<!-- methods: begin -->\n";
const END: &str = "<!-- methods: end -->";

/// Returns the arguments of a method; those in brackets may be left out.
fn arguments(method: &Method<Node>) -> String {
    let names = method.params.iter().map(|param| {
        if param.required {
            param.name.to_owned()
        } else {
            format!("[{}]", param.name)
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Returns a row for each method; names that differ in their namespaces alone share one.
fn table() -> String {
    let mut rows: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for method in methods() {
        let (_, short) = method.name.split_once('_').unwrap();
        let key = (short.to_lowercase(), arguments(&method));
        rows.entry(key).or_default().push(method.name);
    }
    let mut table = String::from("| methods | arguments |\n|---|---|\n");
    for ((_, arguments), mut names) in rows {
        names.sort_unstable();
        let names = names.iter().map(|name| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(", ");
        table.push_str(&format!("| {names} | {arguments} |\n"));
    }
    table
}

#[test]
fn the_page_lists_the_methods_of_the_method_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/development-chain.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    assert_eq!(listed, table, "{UPDATE}=1 writes the table");
}

#[test]
fn a_method_is_listed_once() {
    let mut names: Vec<_> = methods().iter().map(|method| method.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
