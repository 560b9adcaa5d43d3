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
fn the_page_shows_how_an_actor_that_it_made_hang_is_replaced() {
    let mut node = Running::start(&[
        "--dev",
        "--ipcdisable",
        "--admin.chaos",
        "--admin.chaos.stuck",
        "1s",
        "--admin.port",
        "0",
    ]);
    let Some(mut page) = Page::open(&format!("http://{}", node.wait_for_admin())) else {
        return;
    };
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    page.press(&format!("[data-hang=\"{FILTERS}\"]"), LONG_PRESS);
    // The actor is stuck for a moment, and then replaced, with its thread.
    page.wait_for(&format!("{} === '2'", figure(FILTERS, "generation")));
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    let why = page.value(&cell(FILTERS, ".why"));
    assert!(
        why.as_str().unwrap().contains("hung in a requested hang"),
        "{why}"
    );
    // The actor's own page has the button as well.
    let open = format!("location.hash = '#/actor/' + encodeURIComponent('{FILTERS}')");
    page.value(&open);
    page.wait_for("document.querySelector('#actor h2 [data-hang]') !== null");
    let exceptions = page.events("Runtime.exceptionThrown");
    assert!(exceptions.is_empty(), "{exceptions:#?}");
}

#[test]
fn the_page_has_no_buttons_without_the_flag_for_them() {
    let args = ["--dev", "--ipcdisable", "--admin", "--admin.port", "0"];
    let mut node = Running::start(&args);
    let Some(mut page) = Page::open(&format!("http://{}", node.wait_for_admin())) else {
        return;
    };
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    assert_eq!(page.value("document.querySelectorAll('button').length"), 0);
}

#[test]
fn the_page_shows_mailbox_bytes_and_incidents_that_are_not_kept() {
    let (_node, origin) = dev_chain();
    let Some(mut page) = Page::open(&origin) else {
        return;
    };
    page.wait_for(&format!("{} === 'running'", cell(FILTERS, ".state")));
    // No event comes while an expression is evaluated. An event is drawn with figures that no
    // actor of the node has.
    let bounded = format!(
        "(() => {{ const event = structuredClone(last);\
         const node = flatten(event.tree).find((it) => it.path === '{FILTERS}');\
         node.mailbox.bytes = {{ queued: 1500, peak: 2500, bound: 64000 }};\
         drawTree(event); drawActor(event, '{FILTERS}');\
         const row = document.querySelector('[data-path=\"{FILTERS}\"] .num[title*=\"bound\"]');\
         return row.title + '\\n' + document.getElementById('actor').textContent; }})()"
    );
    let text = page.value(&bounded);
    let text = text.as_str().unwrap();
    for part in ["1.5 KB, peak 2.5 KB, bound 64.0 KB", "1.5 KB of 64.0 KB"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let incidents = |dropped: u32| {
        format!(
            "drawIncidents({{ status: last.status, incidents: {{ dropped: {dropped} }} }}),\
             document.getElementById('incidents').textContent"
        )
    };
    let text = page.value(&incidents(3));
    let text = text.as_str().unwrap();
    assert!(text.contains("3 incidents are not in the file"), "{text}");
    let text = page.value(&incidents(0));
    let text = text.as_str().unwrap();
    assert!(!text.contains("not in the file"), "{text}");
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
