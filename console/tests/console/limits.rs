//! Scripts that would not end, or need too much.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::node::{Node, Printed, error, result};
use actoreum_console::{ConsoleError, Output};

#[test]
fn an_endless_script_is_interrupted() {
    let node = Node::start(|_, _| Ok(json!("0x1")));
    let settings = node.settings();
    let console = node.start_console(&settings).unwrap();
    for code in [
        "while (true) {}",
        "for (;;) { try { eth.blockNumber } catch (e) {} }",
        "admin.sleep(3600)",
        "admin.sleepBlocks(5)",
    ] {
        let interrupt = settings.interrupt.clone();
        let begun = Instant::now();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(150));
            interrupt.set();
        });
        assert_eq!(error(&console, code), "interrupted", "{code}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{code}");
        assert_eq!(result(&console, "eth.blockNumber"), "1");
    }
}

#[test]
fn a_script_that_needs_too_much_memory_fails() {
    let console = Node::start(|_, _| Ok(json!(null))).console();
    let text = error(
        &console,
        "var s = []; for (;;) { s.push(new Uint8Array(1 << 26)) }",
    );
    assert!(text.contains("out of memory"), "{text}");
    assert_eq!(result(&console, "s = null; 1 + 1"), "2");
}

#[test]
fn an_endless_recursion_is_an_error() {
    let console = Node::start(|_, _| Ok(json!(null))).console();
    let text = error(&console, "(function f() { return f() + 1 })()");
    assert!(text.starts_with("RangeError: "), "{text}");
}

#[test]
fn timers_run_between_evaluations() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let printed = Printed::default();
    let mut settings = node.settings();
    settings.output = Output::new(printed.clone());
    let console = node.start_console(&settings).unwrap();
    result(
        &console,
        "var n = 0; setTimeout(function (a) { console.log('once', a) }, 1, 'x');\
        var t = setInterval(function () { n++; if (n == 3) clearInterval(t); throw 'late' }, 5);\
        clearTimeout(setTimeout(function () { console.log('never') }, 1))",
    );
    console.wait_for_timers();
    assert_eq!(
        printed.text(),
        "once x\njs error: late\njs error: late\njs error: late\n"
    );
    assert_eq!(result(&console, "n"), "3");
}

#[test]
fn scripts_are_loaded_from_the_script_folder() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.js"), "var loaded = 5").unwrap();
    fs::write(folder.path().join("bad.js"), "throw new Error('broken')").unwrap();
    let printed = Printed::default();
    let mut settings = node.settings();
    settings.output = Output::new(printed.clone());
    settings.script_dir = folder.path().to_owned();
    settings.preload = vec!["good.js".into()];
    let console = node.start_console(&settings).unwrap();
    assert_eq!(result(&console, "loaded"), "5");
    assert_eq!(result(&console, "loadScript('good.js')"), "true");
    assert_eq!(result(&console, "loadScript('none.js')"), "false");
    assert_eq!(result(&console, "loadScript('bad.js')"), "false");
    assert!(
        printed.text().starts_with("err: Error: broken\n    at "),
        "{}",
        printed.text()
    );
    settings.preload = vec!["bad.js".into()];
    let refused = node.start_console(&settings).err().unwrap();
    assert!(matches!(&refused, ConsoleError::Script { file, .. } if file == "bad.js"));
    assert!(
        refused.to_string().starts_with("bad.js: Error: broken"),
        "{refused}"
    );
}

#[test]
fn promises_are_settled_after_an_evaluation() {
    let console = Node::start(|_, _| Ok(json!(null))).console();
    result(
        &console,
        "var p = 0; Promise.resolve(7).then(function (v) { p = v })",
    );
    assert_eq!(result(&console, "p"), "7");
}
