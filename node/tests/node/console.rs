//! The commands `attach`, `console` and `js`, each with a real node.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Output, Stdio},
};

use crate::process::{Running, alone, run};

fn start(datadir: &str) -> (Running, String) {
    let mut node = Running::start(&[
        "--dev",
        "--dev.as",
        "geth",
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
    ]);
    let address = node.wait_for_http();
    (node, format!("http://{address}"))
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn attach_evaluates_code_on_a_running_node() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let (_node, url) = start(datadir);
    let socket = format!("{datadir}/geth.ipc");
    for endpoint in [socket.as_str(), &format!("rpc:{socket}"), &url] {
        let text = run(&["attach", endpoint, "--exec", "eth.blockNumber"]).ok();
        assert_eq!(text, "0\n", "{endpoint}");
    }
    let by_datadir = ["attach", "--datadir", datadir, "--exec", "admin.datadir"];
    assert_eq!(run(&by_datadir).ok(), format!("\"{datadir}\"\n"));
    let spent = "eth.sendTransaction({from: eth.accounts[0], to: eth.accounts[1], \
                 value: web3.toWei(5)}); \
                 web3.fromWei(eth.getBalance(eth.accounts[1])).toString()";
    let text = run(&["attach", &socket, "--exec", spent]).ok();
    assert_eq!(text, "\"10005\"\n");
    let thrown = run(&["attach", &socket, "--exec", "throw 'no'"]);
    assert_eq!((thrown.code, thrown.stdout.as_str()), (Some(1), "no\n"));
}

#[test]
fn attach_without_a_node_is_an_error_with_the_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let ended = run(&["attach", "--datadir", datadir, "--exec", "1"]);
    ended.fatal(&["geth.ipc", "No such file"]);
    run(&["attach", "http://127.0.0.1:1", "--exec", "1"]).fatal(&["127.0.0.1:1", "refused"]);
}

#[test]
fn a_console_stops_its_node_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data");
    let datadir = datadir.to_str().unwrap();
    let mut child = alone(&["--dev", "--datadir", datadir, "console"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let input = "eth.accounts.length + 90\npersonal.newAccount('secret').length\nexit\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("Welcome to the Actoreum JavaScript console!"),
        "{text}"
    );
    assert!(text.ends_with("> \n100\n> \n42\n> \n"), "{text}");
    let history = format!("{datadir}/history");
    assert_eq!(
        fs::read_to_string(&history).unwrap(),
        "eth.accounts.length + 90"
    );
    let mode = fs::metadata(&history).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_code_of_a_console_decides_its_exit() {
    // A chain in memory has no data directory, and so no socket of its own.
    let run = |code| {
        let command = alone(&["--dev", "console", "--exec", code]).output();
        let output = command.unwrap();
        (output.status.code(), last_line(&output))
    };
    assert_eq!(run("eth.blockNumber"), (Some(0), "0".to_owned()));
    assert_eq!(run("throw 'no'"), (Some(1), "no".to_owned()));
}

#[test]
fn files_run_beside_a_node_until_their_timers_end() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.js");
    let code = "setTimeout(function () { console.log('late', eth.blockNumber) }, 50)";
    fs::write(&script, code).unwrap();
    let jspath = folder.path().to_str().unwrap();
    let arguments = ["--dev", "--jspath", jspath, "js", "script.js"];
    let output = alone(&arguments).output().unwrap();
    assert_eq!(
        (output.status.code(), last_line(&output)),
        (Some(0), "late 0".to_owned())
    );
    fs::write(&script, "throw new Error('broken')").unwrap();
    let output = alone(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("Fatal: failed to execute: script.js: Error: broken"),
        "{text}"
    );
}
