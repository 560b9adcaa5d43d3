//! The admin page in a headless Chromium.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{browser::Page, http, process::Running};

const FILTERS: &str = "node/followers/filters";
/// Longer than the time between two redraws, which must not interrupt a press.
const LONG_PRESS: Duration = Duration::from_millis(1_500);

fn dev_chain() -> (Running, String) {
    let mut node = Running::start(&[
        "--dev",
        "--dev.period",
        "1",
        "--ipcdisable",
        "--admin.chaos",
        "--admin.port",
        "0",
    ]);
    let origin = format!("http://{}", node.wait_for_admin());
    (node, origin)
}

/// Returns a JavaScript expression for the text of a part of an actor's row in the tree.
fn cell(path: &str, part: &str) -> String {
    format!("document.querySelector('[data-path=\"{path}\"] {part}')?.innerText")
}

/// Returns a JavaScript expression for the figure under a heading of an actor's row.
fn figure(path: &str, label: &str) -> String {
    format!(
        "[...document.querySelectorAll('[data-path=\"{path}\"] .num')]\
         .find((it) => it.firstChild.textContent === '{label}')?.lastChild.textContent"
    )
}

#[test]
fn the_page_shows_the_restart_of_an_actor_that_it_crashed() {
    let (node, origin) = dev_chain();
    let Some(mut page) = Page::open(&origin) else {
        return;
    };
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    assert_eq!(page.value(&figure(FILTERS, "generation")), "1");
    assert_eq!(page.value(&figure(FILTERS, "restarts")), "0");

    page.press(&format!("[data-crash=\"{FILTERS}\"]"), LONG_PRESS);
    page.wait_for(&format!("{} === '2'", figure(FILTERS, "generation")));
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    assert_eq!(page.value(&figure(FILTERS, "restarts")), "1");
    let why = page.value(&cell(FILTERS, ".why"));
    assert!(
        why.as_str().unwrap().contains("a crash was asked for"),
        "{why}"
    );
    assert_eq!(
        page.value("document.querySelectorAll('.why').length"),
        1,
        "no other actor has failed"
    );

    // The rest uses the keyboard only.
    let focus = format!("document.querySelector('[data-path=\"{FILTERS}\"]').focus()");
    page.value(&focus);
    page.key("Enter");
    page.wait_for("document.querySelector('#actor h2')?.innerText.includes('filters') === true");
    let text = page.value("document.getElementById('actor').innerText");
    let text = text.as_str().unwrap();
    for part in [FILTERS, "ChainChanged", "a crash was asked for"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    page.key("Escape");
    let back = format!("document.activeElement.dataset.path === '{FILTERS}'");
    page.wait_for(&back);
    page.key("ArrowDown");
    page.wait_for("document.activeElement.dataset.path === 'node/rpc'");

    let exceptions = page.events("Runtime.exceptionThrown");
    assert!(exceptions.is_empty(), "{exceptions:#?}");
    let admin = origin.trim_start_matches("http://").parse().unwrap();
    assert_eq!(http::actor(admin, FILTERS).unwrap()["restarts"], 1);
    drop(node);
}

#[test]
fn the_page_fits_a_phone_in_both_schemes_without_external_loads() {
    let (_node, origin) = dev_chain();
    let Some(mut page) = Page::open(&origin) else {
        return;
    };
    page.wait_for("document.querySelectorAll('[data-path]').length > 10");
    for section in ["cards", "blocks", "pool", "senders", "rpc", "process"] {
        let text = page.value(&format!("document.getElementById('{section}').innerText"));
        assert!(!text.as_str().unwrap().trim().is_empty(), "{section}");
    }
    for width in [360, 768, 1280] {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        page.command("Emulation.setDeviceMetricsOverride", size);
        page.wait_for(&format!("innerWidth === {width}"));
        let drawn = page.value("document.documentElement.scrollWidth");
        assert!(drawn.as_u64().unwrap() <= width, "{drawn} of {width}");
    }
    let grounds = ["light", "dark"].map(|scheme| {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.command(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
        page.value("getComputedStyle(document.body).backgroundColor")
    });
    assert_ne!(grounds[0], grounds[1]);
    let requests = page.events("Network.requestWillBeSent");
    assert!(requests.len() >= 4, "{requests:#?}");
    for request in requests {
        let url = request["request"]["url"].as_str().unwrap();
        assert!(
            url.starts_with(&origin) || url.starts_with("data:"),
            "{url}"
        );
    }
}

#[test]
fn the_page_shows_who_sends_what_to_whom() {
    let (_node, origin) = dev_chain();
    let Some(mut page) = Page::open(&format!("{origin}/#/messages")) else {
        return;
    };
    let edge = "node/core/miner/worker node/core/chain";
    page.wait_for(&format!(
        "document.querySelector('path.edge:not(.idle)[data-edge=\"{edge}\"]') !== null"
    ));
    let row = "[...document.querySelectorAll('#messages tbody tr')].map((row) => row.innerText)\
               .find((text) => text.startsWith('node/core/miner/worker\\tnode/core/chain\\t'))";
    let text = page.value(row);
    assert!(text.as_str().unwrap().contains("ImportBlocks"), "{text}");
    page.key("Escape");
    page.wait_for("document.getElementById('messages').hidden");
    page.wait_for("!document.getElementById('overview').hidden");
    let exceptions = page.events("Runtime.exceptionThrown");
    assert!(exceptions.is_empty(), "{exceptions:#?}");
}

#[test]
fn the_page_shows_the_arbiters_with_their_busiest_actors() {
    let (node, origin) = dev_chain();
    let Some(mut page) = Page::open(&format!("{origin}/#/arbiters")) else {
        return;
    };
    // The block that is sealed each second makes one of the threads busy.
    let rows = "[...document.querySelectorAll('#arbiters section:first-of-type tbody tr')]\
                .map((row) => row.innerText)";
    page.wait_for(&format!(
        "{rows}.some((text) => text.includes('node/core/'))"
    ));
    page.wait_for(&format!("{rows}.every((text) => / [µm]?s\\t/.test(text))"));
    let main = page.value(&format!(
        "{rows}.find((text) => text.startsWith('main\\t'))"
    ));
    assert!(main.as_str().unwrap().contains(" %"), "{main}");
    let pools = page.value("document.querySelector('#arbiters section:last-of-type').innerText");
    assert!(
        pools.as_str().unwrap().contains("node/core/import\t1\t"),
        "{pools}"
    );
    page.key("Escape");
    page.wait_for("document.getElementById('arbiters').hidden");
    let exceptions = page.events("Runtime.exceptionThrown");
    assert!(exceptions.is_empty(), "{exceptions:#?}");

    let admin = origin.trim_start_matches("http://").parse().unwrap();
    let (_, body) = http::request(admin, "GET", "/api/arbiters", "").unwrap();
    let arbiters: Value = serde_json::from_str(&body).unwrap();
    let arbiters = arbiters.as_array().unwrap();
    assert!(arbiters.iter().any(|it| it["actors"].as_u64() > Some(0)));
    drop(node);
}
