//! The incidents of the supervision tree over a restart of the process, and on the admin page.

use std::{net::SocketAddr, thread, time::Duration};

use serde_json::Value;

use crate::{browser::Page, http, process::Running};

const FILTERS: &str = "node/followers/filters";

fn start(datadir: &str) -> (Running, SocketAddr) {
    let mut node = Running::start(&[
        "--datadir",
        datadir,
        "--ipcdisable",
        "--admin.chaos",
        "--admin.port",
        "0",
    ]);
    let admin = node.wait_for_admin();
    (node, admin)
}

/// Returns the incidents with an actor that was crashed; waits for the first `count` of them.
fn crashes(admin: SocketAddr, count: usize) -> Vec<Value> {
    for _ in 0..6_000 {
        let (_, body) = http::request(admin, "GET", "/api/incidents", "").unwrap();
        let all: Vec<Value> = serde_json::from_str(&body).unwrap_or_default();
        let is_crash = |it: &Value| it["reason"].to_string().contains("a crash was asked for");
        let crashes: Vec<Value> = all.into_iter().filter(is_crash).collect();
        if crashes.len() >= count {
            return crashes;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("there are no {count} incidents");
}

#[test]
fn incidents_survive_the_process_and_reach_an_open_page() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let (node, admin) = start(datadir);
    assert!(http::crash(admin, FILTERS).unwrap());
    let first = crashes(admin, 1).remove(0);
    assert_eq!(
        (&first["actor"], &first["kind"]),
        (&FILTERS.into(), &"failure".into())
    );
    assert_eq!(first["generation"], 1);
    // The incident is in the file at once: the process has no time to write it at its end.
    node.kill();

    let (_node, admin) = start(datadir);
    assert_eq!(crashes(admin, 1), [first]);
    let Some(mut page) = Page::open(&format!("http://{admin}/#/incidents")) else {
        return;
    };
    let rows = "[...document.querySelectorAll('#incidents tbody tr')].map((row) => row.innerText)";
    page.wait_for(&format!("{rows}.length === 1"));
    let text = page.value(&format!("{rows}[0]"));
    let text = text.as_str().unwrap();
    for part in [
        "before this start",
        FILTERS,
        "failure",
        "a crash was asked for",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(http::crash(admin, FILTERS).unwrap());
    page.wait_for(&format!("{rows}.length === 2"));
    let newest = page.value(&format!("{rows}[0].includes(' ago')"));
    assert_eq!(newest, true);
    assert_eq!(crashes(admin, 2).len(), 2);
    let exceptions = page.events("Runtime.exceptionThrown");
    assert!(exceptions.is_empty(), "{exceptions:#?}");
}
